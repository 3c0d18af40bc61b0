/** farebox.yaml: one schema, which also prints the README table and `--help`. Secrets come through the environment only. */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { completeAsset } from './assets/complete.ts'
import type { Asset, ChainId, Hex } from './assets.ts'
import { type Capability, type Catalog, createCatalog, type Model, type Prices } from './catalog/catalog.ts'
import { crossCheck, envName, keyBytes, missingSecrets, secretNames } from './config/check.ts'
import { parsePercent, parseRate, parseUsd, type Rate, type Usd } from './money.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase() as Hex)
const id = z
  .string()
  .regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 printable ASCII characters without spaces')
const url = z.url({ protocol: /^https?$/ })
const usd = z
  .string()
  .transform((text, ctx) => parsed(parseUsd(text), ctx, 'must be dollars as a string, such as "0.05"'))
const rate = z
  .string()
  .transform((text, ctx) =>
    parsed(parseRate(text), ctx, 'must be dollars per million tokens as a string, such as "0.15"'),
  )
const percent = z
  .string()
  .transform((text, ctx) => parsed(parsePercent(text), ctx, 'must be a percentage as a string, such as "5"'))
const count = z.int().positive()

const parsed = <T>(value: T | undefined, ctx: z.RefinementCtx, message: string): T => {
  if (value !== undefined) return value
  ctx.addIssue({ code: 'custom', message })
  return z.NEVER
}

const asset = z.strictObject({
  symbol: z.string().min(1).max(20).describe('What people call it: USDC, USDT'),
  address: address
    .optional()
    .describe('The token contract; may be left out, with all below, for a token of a main chain that Farebox knows'),
  decimals: z.int().min(0).max(36).optional().describe('Checked against the contract at the start'),
  name: z.string().optional().describe('EIP-712 domain name; checked at the start'),
  version: z.string().optional().describe('EIP-712 domain version; checked at the start'),
  methods: z
    .array(z.enum(['eip3009', 'permit2']))
    .min(1)
    .optional()
    .describe('How it can be paid: by its own authorizations, or through Permit2'),
  eip2612: z.boolean().optional().describe('It takes signed allowances (permit), so that a first payment needs no gas'),
})

const chain = z.strictObject({
  id: z
    .string()
    .regex(/^eip155:[1-9]\d{0,14}$/, 'must be a CAIP-2 id such as eip155:8453')
    .describe('CAIP-2 chain id'),
  rpc: z.array(url).min(1).describe('JSON-RPC URLs, equal in rank; the next is asked when one fails'),
  payTo: address.describe('Where payments go; best a cold address'),
  confirmations: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('Blocks until a payment counts as settled, its own included'),
  pollMs: z.int().min(50).max(60_000).default(500).describe('How often the chain is looked at, ms'),
  maxFeeGwei: z.number().positive().default(500).describe('Never pay more per gas'),
  nativeUsd: usd
    .optional()
    .describe('What its own coin is worth; when given, payments that are not worth their gas are raised, and the rest becomes credit'),
  assets: z.array(asset).min(1).describe('Tokens that are taken'),
})

const provider = z.strictObject({
  id: id.describe('Your name for it'),
  type: z
    .enum(['openai', 'simulated'])
    .describe('openai: anything that speaks POST /chat/completions; simulated: needs no network'),
  baseUrl: url.optional().describe('Such as https://api.openai.com/v1'),
  keyEnv: envName.optional().describe('Environment variable with the API key'),
  maxTokensField: z
    .enum(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('Field that caps output when the caller set none'),
  firstByteMs: count
    .default(30_000)
    .describe(
      'Longest wait for the first byte of a stream, ms; an answer in one piece may take five times as long',
    ),
  idleMs: count.default(60_000).describe('Longest silence inside a stream, ms'),
})

const prices = { inputPerMillion: rate, cachedInputPerMillion: rate.optional(), outputPerMillion: rate }

const model = z.strictObject({
  id: id.describe('What callers ask for, such as openai/gpt-4o-mini'),
  hosts: z
    .array(z.strictObject({ provider: id, model: id, ...z.strictObject(prices).partial().shape }))
    .min(1)
    .describe('Where it answers; a host may have prices of its own'),
  ...prices,
  context: count.default(128_000).describe('Input and output tokens together'),
  maxOutput: count.default(16_384).describe('Most tokens it writes'),
  imageTokens: z
    .strictObject({ low: count, high: count })
    .default({ low: 300, high: 3_000 })
    .describe('Input tokens of one image at most'),
  capabilities: z
    .array(z.enum(['tools', 'vision', 'json_schema', 'reasoning']))
    .optional()
    .describe('What it can do; when absent everything is tried'),
})

export const configSchema = z.strictObject({
  server: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address to listen on'),
      port: z.int().min(0).max(65_535).default(8402).describe('Port to listen on'),
      publicUrl: url.optional().describe('How callers reach it; default http://host:port'),
      bodyLimit: count.default(4 << 20).describe('Largest request body, bytes'),
    })
    .prefault({}),
  store: z
    .string()
    .regex(/^(memory:|sqlite:.+)$/, 'must be memory: or sqlite:FILE (redis:// is not served yet)')
    .default('sqlite:./farebox.db')
    .describe('Where the ledger lives'),
  quoteSecretEnv: envName
    .default('FAREBOX_QUOTE_SECRET')
    .describe(
      'Environment variable with the secret that seals quotes, 32 characters or more; several separated by commas, the first seals',
    ),
  settler: z
    .strictObject({
      keyEnv: envName
        .default('FAREBOX_SETTLER_KEY')
        .describe('Environment variable with the private key that pays gas and signs receipts'),
      batch: z
        .strictObject({
          maxDelayMs: z.int().min(0).max(60_000).default(1_000).describe('Longest wait of a settlement for company, ms'),
          min: z.int().min(1).max(200).default(1).describe('Fewer than this wait for maxDelayMs'),
          max: z.int().min(1).max(200).default(100).describe('Most settlements in one transaction'),
        })
        .prefault({}),
      delegate: z
        .enum(['auto', 'never'])
        .default('auto')
        .describe('auto: delegate the key’s account to the batch executor (EIP-7702) where `upto` is paid, so that many settle in one transaction'),
      gasSharePercent: percent
        .prefault('10')
        .describe('Most of a payment that its gas may cost, where the chain says nativeUsd'),
    })
    .prefault({}),
  chains: z.array(chain).min(1).describe('Chains that are paid on'),
  providers: z.array(provider).min(1).describe('Where answers come from'),
  models: z.array(model).min(1).describe('What is sold'),
  pricing: z
    .strictObject({
      marginPercent: percent.prefault('0').describe('Added to the models’ prices'),
      defaultMaxOutput: count.default(4_096).describe('Output tokens quoted when a request names none'),
    })
    .prefault({}),
  exposure: z
    .strictObject({
      perCall: usd.prefault('0.05').describe('A call above this settles first'),
      newPayer: usd.optional().describe('The same for payers that have not paid yet; default as perCall'),
      perPayer: usd.prefault('1.00').describe('Most that one payer may owe'),
      total: usd.prefault('50').describe('Most that all payers together may owe'),
    })
    .prefault({})
    .describe('Unpaid service that is risked, in USD'),
  payers: z
    .strictObject({
      contracts: z
        .enum(['refuse', 'settle-first'])
        .default('refuse')
        .describe('Payers with code: ERC-1271 wallets and accounts delegated by EIP-7702'),
    })
    .prefault({}),
  channels: z
    .strictObject({
      withdrawDelaySeconds: z
        .int()
        .min(900)
        .max(2_592_000)
        .default(86_400)
        .describe('How long a payer waits to take its money out of a channel by itself; claims are made well before'),
      claimAbove: usd.prefault('1.00').describe('A channel is claimed once this much is unclaimed'),
      claimAfterSeconds: count.default(3_600).describe('Or once it was not claimed for this long'),
    })
    .prefault({}),
  quote: z
    .strictObject({
      ttlSeconds: z.int().min(10).max(900).default(90).describe('How long a quote is honoured'),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') })
    .prefault({}),
})

export type ConfigFile = z.output<typeof configSchema>
export type Secrets = {
  quoteSecrets: string[]
  settlerKey: Uint8Array
  providerKeys: Readonly<Record<string, string | undefined>>
}
export type Config = Omit<ConfigFile, 'exposure'> & {
  exposure: { perCall: Usd; newPayer: Usd; perPayer: Usd; total: Usd }
  secrets: Secrets
  catalog: Catalog
  assets: (Asset & { payTo: Hex })[]
}

/** All that is wrong with a configuration, one line each, with its path. */
export class ConfigError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`}:\n${problems.map((one) => `  ${one}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Reads YAML and the environment; throws one `ConfigError` with every mistake. */
export const readConfig = (yaml: string, env: Readonly<Record<string, string | undefined>>): Config => {
  const raw = readYaml(yaml)
  const result = configSchema.safeParse(raw)
  if (!result.success) {
    throw new ConfigError([
      ...result.error.issues.flatMap(problemsOf),
      ...missingSecrets(secretNames.parse(raw), env),
    ])
  }
  const file = result.data
  const problems = [...crossCheck(file), ...missingSecrets(file, env)]
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    ...file,
    secrets: {
      quoteSecrets: env[file.quoteSecretEnv]!.split(','),
      settlerKey: keyBytes(env[file.settler.keyEnv]!),
      providerKeys: Object.fromEntries(file.providers.map((one) => [one.id, one.keyEnv && env[one.keyEnv]])),
    },
    catalog: createCatalog(file.models.map(toModel)),
    exposure: { ...file.exposure, newPayer: file.exposure.newPayer ?? file.exposure.perCall },
    assets: file.chains.flatMap((one) => {
      const complete = one.assets.map((token) => completeAsset(one.id as ChainId, token))
      return complete.filter((token) => typeof token !== 'string').map((token) => ({ ...token, payTo: one.payTo }))
    }),
  }
}

const readYaml = (yaml: string): unknown => {
  try {
    return parseYaml(yaml) ?? {}
  } catch (error) {
    throw new ConfigError([`file: ${(error as Error).message.split('\n')[0]}`])
  }
}

const problemsOf = (issue: z.core.$ZodIssue): string[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => `${[...issue.path, key].join('.')}: is not a setting`)
    : [`${issue.path.join('.') || 'file'}: ${issue.message}`]

const toModel = (one: ConfigFile['models'][number]): Model => ({
  id: one.id,
  hosts: one.hosts.map((host) => ({
    provider: host.provider,
    model: host.model,
    prices: pricesOf(host, one),
  })),
  context: one.context,
  maxOutput: one.maxOutput,
  imageTokens: one.imageTokens,
  capabilities: one.capabilities && new Set<Capability>(one.capabilities),
})

type RateFields = {
  inputPerMillion?: Rate | undefined
  cachedInputPerMillion?: Rate | undefined
  outputPerMillion?: Rate | undefined
}

const pricesOf = (
  host: RateFields,
  of: RateFields & { inputPerMillion: Rate; outputPerMillion: Rate },
): Prices => {
  const input = host.inputPerMillion ?? of.inputPerMillion
  const output = host.outputPerMillion ?? of.outputPerMillion
  const cachedInput =
    host.cachedInputPerMillion ?? (host.inputPerMillion === undefined ? of.cachedInputPerMillion : undefined)
  return { input, output, cachedInput: cachedInput ?? input }
}
