import type { KnownProvider } from '../catalog/builtin.ts'

type Env = Readonly<Record<string, string | undefined>>
type Raw = Record<string, unknown>

/** Fills in what a provider of the file leaves out and the catalogue knows of its id: type, address, name of the key's variable. Takes the file as it was written, and never fails. */
export const completeProviders = (
  raw: unknown,
  known: ReadonlyMap<string, KnownProvider>,
  env: Env,
): unknown => {
  if (!isRecord(raw) || !Array.isArray(raw['providers'])) return raw
  return { ...raw, providers: raw['providers'].map((one: unknown) => complete(one, known, env)) }
}

const complete = (one: unknown, known: ReadonlyMap<string, KnownProvider>, env: Env): unknown => {
  if (!isRecord(one)) return one
  const alias = one['catalog'] === 'none' ? undefined : one['catalog']
  const same = known.get(String(alias ?? one['id']))
  if (!same || (one['type'] !== undefined && one['type'] !== same.type)) return one
  if (one['baseUrl'] !== undefined) return { type: same.type, ...one }
  return { type: same.type, baseUrl: filled(same.baseUrl, env), keyEnv: keyEnvOf(same, env), ...one }
}

const keyEnvOf = ({ env: names }: KnownProvider, env: Env): string | undefined =>
  names.find((name) => env[name]) ?? names[0]

/** What the environment does not have stays, so that the check can name it. */
const filled = (url: string, env: Env): string =>
  url.replace(/\$\{(\w+)\}/g, (whole, name: string) => env[name] || whole)

/** A mistake for each address that is still to be filled in. */
export const addressProblems = (providers: readonly { baseUrl?: string | undefined }[]): string[] =>
  providers.flatMap(({ baseUrl = '' }, i) =>
    [...baseUrl.matchAll(/\$(?:\{|%7B)(\w+)(?:\}|%7D)/g)].map(
      ([, name]) => `providers.${i}.baseUrl: set ${name}, or write the address`,
    ),
  )

const isRecord = (value: unknown): value is Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
