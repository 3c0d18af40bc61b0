import { maxOf, type Usd } from '../money.ts'

/** What is spent in an hour that is like no other, USD; `usual`: the median of the hours before. */
export type Anomaly = { spent: Usd; usual: Usd; above: Usd }

const HOURS = 168
/** Fewer hours than these are no habit. */
const ENOUGH = 24
const SIGMAS = 4n
const MEDIANS = 3n

/**
 * Judges the last of a series of hours, oldest first, by up to a week before it: it stands out when it is above `floor`,
 * above the mean by four standard deviations, and above three times the median. Exact; pure.
 */
export const judgeSpend = (series: readonly Usd[], floor: Usd): Anomaly | undefined => {
  const spent = series.at(-1)
  const before = series.slice(0, -1).slice(-HOURS)
  if (spent === undefined || before.length < ENOUGH) return undefined
  const n = BigInt(before.length)
  const sum = before.reduce((all, one) => all + one, 0n)
  const squares = before.reduce((all, one) => all + one * one, 0n)
  // n² times the variance, so that nothing is rounded before the root.
  const deviation = rootOf(n * squares - sum * sum)
  const byMean = (sum + SIGMAS * deviation) / n
  const usual = medianOf(before)
  const above = maxOf(maxOf(floor as bigint, byMean), MEDIANS * usual) as Usd
  return spent > above ? { spent, usual, above } : undefined
}

const medianOf = (values: readonly Usd[]): Usd => {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (((sorted[half - 1]! + sorted[half]!) / 2n) as Usd)
}

/** The square root, rounded down. */
const rootOf = (value: bigint): bigint => {
  if (value < 2n) return value
  let guess = 1n << BigInt(Math.ceil(value.toString(2).length / 2))
  for (;;) {
    const next = (guess + value / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}
