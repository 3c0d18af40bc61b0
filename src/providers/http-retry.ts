type Header = (name: string) => string | undefined

/** Longest that a host is believed to need, ms: a date far away is a mistake. */
const LONGEST = 3_600_000

/**
 * How long a host asks us to wait, ms; undefined when it does not say. `retry-after-ms` (Azure), `retry-after` in seconds or
 * as a date, else when a limit that is used up starts anew (OpenAI's and Groq's `x-ratelimit-reset-*`, OpenRouter's
 * `x-ratelimit-reset`).
 */
export const retryAfterOf = (header: Header, now = Date.now()): number | undefined => {
  const told = numberOf(header('retry-after-ms')) ?? waitOf(header('retry-after'), now)
  const wait = told ?? resetOf(header, now)
  return wait === undefined ? undefined : Math.min(wait, LONGEST)
}

const numberOf = (text: string | undefined): number | undefined => {
  const number = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  return number >= 0 ? number : undefined
}

const waitOf = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  const seconds = numberOf(text)
  if (seconds !== undefined) return seconds * 1_000
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

const LIMITS = ['requests', 'tokens'] as const

const resetOf = (header: Header, now: number): number | undefined => {
  const waits = LIMITS.filter((limit) => header(`x-ratelimit-remaining-${limit}`) === '0')
    .map((limit) => durationOf(header(`x-ratelimit-reset-${limit}`)))
    .filter((wait) => wait !== undefined)
  if (waits.length > 0) return Math.max(...waits)
  if (header('x-ratelimit-remaining') !== '0') return undefined
  const reset = numberOf(header('x-ratelimit-reset'))
  if (reset === undefined) return undefined
  if (reset < 1e9) return reset * 1_000
  return Math.max(0, (reset < 1e12 ? reset * 1_000 : reset) - now)
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Such as 6m0s, 1h30m, 7.66s, 20ms; a bare number is seconds. */
const durationOf = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return waitOf(text, 0)
  let sum = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g))
    sum += Number(number) * UNITS[unit!]!
  return sum
}
