import { z } from 'zod'
import { completeAsset } from '../assets/complete.ts'
import type { ChainId } from '../assets.ts'
import { addressOf } from '../chain/signatures.ts'
import type { ConfigFile } from '../config.ts'

/** The name of an environment variable. */
export const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable')

/** Names in a configuration that must exist elsewhere in it, or exist once; one line for each mistake. */
export const crossCheck = (file: ConfigFile): string[] => {
  const providers = new Set(file.providers.map((one) => one.id))
  const hosts = file.models.flatMap((one, i) =>
    one.hosts
      .filter((host) => !providers.has(host.provider))
      .map((host) => `models.${i}.hosts: there is no provider ${host.provider}`),
  )
  const urls = file.providers.flatMap((one, i) =>
    one.type === 'openai' && !one.baseUrl ? [`providers.${i}.baseUrl: is needed for type openai`] : [],
  )
  const twice = [
    ...repeated(file.models.map((one) => one.id)).map((one) => `models: ${one} is there twice`),
    ...repeated(file.providers.map((one) => one.id)).map((one) => `providers: ${one} is there twice`),
    ...repeated(file.chains.map((one) => one.id)).map((one) => `chains: ${one} is there twice`),
  ]
  const assets = file.chains.flatMap((one, i) =>
    one.assets.flatMap((token, j) => {
      const complete = completeAsset(one.id as ChainId, token)
      return typeof complete === 'string' ? [`chains.${i}.assets.${j}: ${complete}`] : []
    }),
  )
  return [...hosts, ...urls, ...twice, ...assets]
}

const repeated = (names: readonly string[]): string[] => [
  ...new Set(names.filter((name, i) => names.indexOf(name) !== i)),
]

/** The variables that a file names, read on its own, so that a file with other mistakes is told of its missing secrets as well. Never fails. */
export const secretNames = z
  .object({
    quoteSecretEnv: envName.catch('FAREBOX_QUOTE_SECRET'),
    settler: z
      .object({ keyEnv: envName.catch('FAREBOX_SETTLER_KEY') })
      .catch({ keyEnv: 'FAREBOX_SETTLER_KEY' }),
    providers: z.array(z.object({ keyEnv: envName.optional().catch(undefined) }).catch({})).catch([]),
  })
  .catch({
    quoteSecretEnv: 'FAREBOX_QUOTE_SECRET',
    settler: { keyEnv: 'FAREBOX_SETTLER_KEY' },
    providers: [],
  })

/** Secrets that the environment lacks or has in a wrong form; one line for each, without the value. */
export const missingSecrets = (
  file: z.output<typeof secretNames>,
  env: Readonly<Record<string, string | undefined>>,
): string[] => {
  const problems: string[] = []
  const secrets = (env[file.quoteSecretEnv] ?? '').split(',')
  if (secrets.some((one) => one.length < 32)) {
    problems.push(
      `quoteSecretEnv: set ${file.quoteSecretEnv} to 32 random characters or more (openssl rand -hex 32)`,
    )
  }
  if (!isKey(env[file.settler.keyEnv] ?? '')) {
    problems.push(
      `settler.keyEnv: set ${file.settler.keyEnv} to a private key (0x and 64 hex digits) with some gas`,
    )
  }
  for (const [i, one] of file.providers.entries()) {
    if (one.keyEnv !== undefined && !env[one.keyEnv])
      problems.push(`providers.${i}.keyEnv: ${one.keyEnv} is not set`)
  }
  return problems
}

const isKey = (text: string): boolean => {
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text)) return false
  try {
    return addressOf(keyBytes(text)) !== undefined
  } catch {
    return false
  }
}

/** The bytes of a private key in hex, with or without 0x. */
export const keyBytes = (text: string): Uint8Array => Buffer.from(text.replace(/^0x/, ''), 'hex')
