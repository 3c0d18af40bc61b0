/** farebox.yaml: one schema, which also prints the README table and `--help`. Secrets come through the environment only. */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { completeAsset } from './assets/complete.ts'
import type { Asset, ChainId, Hex } from './assets.ts'
import { type Capability, type Catalog, createCatalog, type Model, type Prices } from './catalog/catalog.ts'
import { payouts, refunds } from './config/accounts.ts'
import { crossCheck, envName, keyBytes, missingSecrets, secretNames } from './config/check.ts'
import { facilitatorProblems, facilitatorSecrets } from './config/facilitator.ts'
import { count, percent, url, usd } from './config/fields.ts'
import { chain, facilitator, model, provider } from './config/parts.ts'
import { reconciling } from './config/reconcile.ts'
import type { Rate, Usd } from './money.ts'

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
          maxDelayMs: z
            .int()
            .min(0)
            .max(60_000)
            .default(1_000)
            .describe('Longest wait of a settlement for company, ms'),
          min: z.int().min(1).max(200).default(1).describe('Fewer than this wait for maxDelayMs'),
          max: z.int().min(1).max(200).default(100).describe('Most settlements in one transaction'),
        })
        .prefault({}),
      delegate: z
        .enum(['auto', 'never'])
        .default('auto')
        .describe(
          'auto: delegate the key’s account to the batch executor (EIP-7702) where `upto` is paid, so that many settle in one transaction',
        ),
      gasSharePercent: percent
        .prefault('10')
        .describe('Most of a payment that its gas may cost, where the chain says nativeUsd'),
      smallPayments: z
        .enum(['fold', 'refuse'])
        .default('fold')
        .describe(
          'A quote that is not worth its gas: raised until it is, the rest being credit, or not offered',
        ),
    })
    .prefault({}),
  facilitator: facilitator.prefault({}),
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
  sponsor: z
    .strictObject({
      perPayerPerDay: z
        .int()
        .min(0)
        .max(100)
        .default(1)
        .describe('Approvals of one payer that gas is paid for, a day and chain; 0: none'),
      perDay: z.int().min(0).max(10_000).default(100).describe('The same for all payers together'),
      maxUsd: usd
        .prefault('0.50')
        .describe('Most that the gas of one may cost, where the chain says nativeUsd'),
    })
    .prefault({})
    .describe('First approvals of Permit2, sent by payers without gas together with a payment'),
  channels: z
    .strictObject({
      withdrawDelaySeconds: z
        .int()
        .min(900)
        .max(2_592_000)
        .default(86_400)
        .describe(
          'How long a payer waits to take its money out of a channel by itself; claims are made well before',
        ),
      claimAbove: usd.prefault('1.00').describe('A channel is claimed once this much is unclaimed'),
      claimAfterSeconds: count.default(3_600).describe('Or once it was not claimed for this long'),
    })
    .prefault({}),
  reconcile: reconciling,
  quote: z
    .strictObject({
      ttlSeconds: z.int().min(10).max(900).default(90).describe('How long a quote is honoured'),
      signOffers: z.boolean().default(true).describe('Sign offers and receipts as x402 offer-receipt says'),
    })
    .prefault({}),
  refunds,
  payouts,
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') })
    .prefault({}),
})

export type ConfigFile = z.output<typeof configSchema>
export type Secrets = {
  quoteSecrets: string[]
  settlerKey: Uint8Array
  providerKeys: Readonly<Record<string, string | undefined>>
  facilitator: FacilitatorSecrets
}
/** Ours at the facilitator that settles for us, and others' at ours. */
export type FacilitatorSecrets = {
  id: string | undefined
  secret: string | undefined
  key: string | undefined
  keys: readonly string[]
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
  const problems = [
    ...crossCheck(file),
    ...missingSecrets(file, env),
    ...facilitatorProblems(file.facilitator, env),
  ]
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    ...file,
    secrets: {
      quoteSecrets: env[file.quoteSecretEnv]!.split(','),
      settlerKey: keyBytes(env[file.settler.keyEnv]!),
      providerKeys: Object.fromEntries(file.providers.map((one) => [one.id, one.keyEnv && env[one.keyEnv]])),
      facilitator: facilitatorSecrets(file.facilitator, env),
    },
    catalog: createCatalog(file.models.map(toModel)),
    exposure: { ...file.exposure, newPayer: file.exposure.newPayer ?? file.exposure.perCall },
    assets: file.chains.flatMap((one) => {
      const complete = one.assets.map((token) => completeAsset(one.id as ChainId, token))
      return complete
        .filter((token) => typeof token !== 'string')
        .map((token) => ({ ...token, payTo: one.payTo }))
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
