/** farebox.yaml: one schema, which also prints the README table and `--help`. Secrets come through the environment only. */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import type { Operator } from './accounts/operators.ts'
import { completeAsset } from './assets/complete.ts'
import type { Asset, ChainId, Hex } from './assets.ts'
import { readKnownProviders } from './catalog/builtin.ts'
import type { Catalog } from './catalog/catalog.ts'
import { payouts, refunds } from './config/accounts.ts'
import { archiving } from './config/archive.ts'
import { cache } from './config/cache.ts'
import { catalogOf, catalogProblems, catalogSettings, ownPrices } from './config/catalog.ts'
import { channels, sponsor } from './config/channels.ts'
import { crossCheck, envName, keyBytes, missingSecrets, secretNames } from './config/check.ts'
import { desk, deskProblems, operatorsOf } from './config/desk.ts'
import { facilitatorProblems, facilitatorSecrets } from './config/facilitator.ts'
import { count, percent, usd } from './config/fields.ts'
import { completeProviders } from './config/known-providers.ts'
import { limits } from './config/limits.ts'
import { metrics, metricsKeys, metricsProblems } from './config/metrics.ts'
import { chain, facilitator, model, provider } from './config/parts.ts'
import { reconciling } from './config/reconcile.ts'
import { routing } from './config/routing.ts'
import { server } from './config/server.ts'
import { traces } from './config/traces.ts'
import type { Usd } from './money.ts'

export const configSchema = z.strictObject({
  server,
  store: z
    .string()
    .regex(
      /^(memory:|sqlite:.+|(redis|rediss|redis\+sentinel|redis\+cluster):\/\/.+)$/,
      'must be memory:, sqlite:FILE or redis://HOST:PORT/DB',
    )
    .default('sqlite:./farebox.db')
    .describe(
      'Where the ledger lives: sqlite:FILE for one instance; redis://HOST:PORT/DB, redis+sentinel:// or redis+cluster:// for many',
    ),
  archive: archiving,
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
  catalog: catalogSettings,
  models: z.array(model).default([]).describe('What is sold beside the built-in catalogue, or in its place'),
  prices: ownPrices,
  routing,
  cache,
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
  sponsor,
  channels,
  limits,
  reconcile: reconciling,
  quote: z
    .strictObject({
      ttlSeconds: z.int().min(10).max(900).default(90).describe('How long a quote is honoured'),
      signOffers: z
        .boolean()
        .default(true)
        .describe(
          'Sign offers when X-Farebox-Sign asks, and x402 receipts for payments that echo offer-receipt',
        ),
    })
    .prefault({}),
  refunds,
  payouts,
  desk,
  metrics,
  traces,
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
  /** What opens /metrics to others than this machine. */
  metricsKeys: readonly string[]
  /** Who may sign in from the start, with their passwords. */
  operators: readonly Operator[]
}
/** Ours at the facilitator that settles for us, and others' at ours. */
export type FacilitatorSecrets = {
  id: string | undefined
  secret: string | undefined
  key: string | undefined
  keys: readonly string[]
}
export type Config = Omit<ConfigFile, 'exposure' | 'catalog'> & {
  exposure: { perCall: Usd; newPayer: Usd; perPayer: Usd; total: Usd }
  secrets: Secrets
  catalogSettings: ConfigFile['catalog']
  catalog: Catalog
  /** Day on which a price of the built-in catalogue changes by itself, or a model of it ends: then it is to be read again. */
  nextPriceChange: string | undefined
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

/** Reads YAML and the environment; throws one `ConfigError` with every mistake. The built-in prices are those of `today` (YYYY-MM-DD, UTC). */
export const readConfig = (
  yaml: string,
  env: Readonly<Record<string, string | undefined>>,
  today = new Date().toISOString().slice(0, 10),
): Config => {
  const known = readKnownProviders()
  const raw = completeProviders(readYaml(yaml), known, env)
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
    ...metricsProblems(file.metrics, env),
    ...deskProblems(file.desk, file.archive, env),
    ...catalogProblems(file, known),
  ]
  if (problems.length > 0) throw new ConfigError(problems)
  const { catalog: catalogSettings, ...settings } = file
  return {
    ...settings,
    catalogSettings,
    ...catalogOf(file, known, today),
    secrets: {
      quoteSecrets: env[file.quoteSecretEnv]!.split(','),
      settlerKey: keyBytes(env[file.settler.keyEnv]!),
      providerKeys: Object.fromEntries(file.providers.map((one) => [one.id, one.keyEnv && env[one.keyEnv]])),
      facilitator: facilitatorSecrets(file.facilitator, env),
      metricsKeys: metricsKeys(file.metrics, env),
      operators: operatorsOf(file.desk, env),
    },
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
