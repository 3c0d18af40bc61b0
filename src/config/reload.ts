import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../config.ts'

/** What differs between two configurations, by the names of the settings: what a running router takes over, and what needs a restart. */
export type Difference = { changed: string[]; refused: string[] }

/** Settings that can change while the router runs; a name stands for all below it. */
export const LIVE = [
  'models',
  'catalog',
  'prices',
  'routing',
  'pricing',
  'exposure',
  'providers',
  'limits',
  'quote.ttlSeconds',
  'quoteSecretEnv',
  'refunds',
  'payouts',
  'desk',
  'log',
] as const

/** Compares two configurations. Pure. */
export const compareConfigs = (now: Config, next: Config): Difference => {
  const names = [...new Set(differences('', settingsOf(now), settingsOf(next)))]
  const isLive = (name: string) => LIVE.some((one) => name === one || name.startsWith(`${one}.`))
  return { changed: names.filter(isLive), refused: names.filter((name) => !isLive(name)) }
}

// What is derived is left out, but for the prices of the built-in catalogue, which change by themselves; a secret goes by the setting that names it.
const settingsOf = ({
  secrets,
  catalog,
  catalogSettings,
  nextPriceChange: _next,
  assets: _assets,
  ...file
}: Config): Tree => {
  const { quoteSecrets, settlerKey, providerKeys, facilitator, operators, ...others } = secrets
  return {
    ...file,
    catalog: { ...catalogSettings, prices: builtinPrices(catalog) },
    secrets: others,
    desk: { ...file.desk, operators: { names: file.desk.operators, is: operators } },
    quoteSecretEnv: { name: file.quoteSecretEnv, is: quoteSecrets },
    settler: { ...file.settler, keyEnv: { name: file.settler.keyEnv, is: settlerKey } },
    facilitator: { ...file.facilitator, secrets: facilitator },
    providers: file.providers.map((one) => ({
      ...one,
      keyEnv: { name: one.keyEnv, is: providerKeys[one.id] },
    })),
  }
}

/** Changes when a price of the built-in catalogue does. */
const builtinPrices = ({ models }: Catalog): string => {
  const hash = createHash('sha256')
  for (const { id, facts, hosts } of models) {
    if (facts)
      hash.update(
        JSON.stringify([id, hosts.map(({ provider, model, prices }) => [provider, model, prices])], plain),
      )
  }
  return hash.digest('base64')
}
const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value)

type Tree = Readonly<Record<string, unknown>>

const SECRETS = new Set(['desk.operators', 'quoteSecretEnv', 'settler.keyEnv', 'facilitator.secrets'])

const differences = (path: string, now: unknown, next: unknown): string[] => {
  if (isDeepStrictEqual(now, next)) return []
  const [one, other] = [branches(now), branches(next)]
  if (!one || !other || SECRETS.has(path) || path.endsWith('.keyEnv')) return [path]
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  const found = keys.flatMap((key) => differences(path ? `${path}.${key}` : key, one[key], other[key]))
  // The same things in another order.
  return found.length > 0 ? found : [path]
}

/** What has names of its own inside: settings by their key, and lists of things by their id. */
const branches = (value: unknown): Tree | undefined => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined
  if (!Array.isArray(value)) return value as Tree
  const ids = value.map((one: unknown) => (one as { id?: unknown } | null)?.id)
  if (ids.length === 0 || !ids.every((id) => typeof id === 'string')) return undefined
  return Object.fromEntries(value.map((one, i) => [ids[i], one]))
}
