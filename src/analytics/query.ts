/** What is asked of the rollups: arithmetic on rows that were read. Pure. */
import type { Usd } from '../money.ts'
import { percentile } from './histogram.ts'
import { dayOf, type Grain, hourOf, startOf } from './places.ts'
import type { Cell } from './read.ts'
import { marginOf, NOTHING, plus, type Sums, savingsOf, spendOf, sumOf } from './sums.ts'

/** What gas cost in dollars, rounded to a micro-dollar; undefined when nobody knows the price of a chain's coin. */
export type UsdOfGas = (chain: string, wei: bigint) => Usd | undefined

/** UTC days, both included: `2026-11-01`. */
export type Period = { from: string; to: string }

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** The last `days` days up to now. */
export const lately = (now: number, days: number): Period => ({
  from: dayOf(now - (days - 1) * DAY_MS),
  to: dayOf(now),
})

export const daysOf = ({ from, to }: Period): number => (startOf(to) - startOf(from)) / DAY_MS + 1

/** The days before, as many. */
export const before = (period: Period): Period => {
  const from = startOf(period.from)
  return { from: dayOf(from - daysOf(period) * DAY_MS), to: dayOf(from - DAY_MS) }
}

/** The days or hours of a period, in order. */
export const bucketsOf = (period: Period, grain: Grain): string[] => {
  const [step, name] = grain === 'd' ? [DAY_MS, dayOf] : [HOUR_MS, hourOf]
  const from = startOf(period.from)
  const count = (daysOf(period) * DAY_MS) / step
  return Array.from({ length: count }, (_, i) => name(from + i * step))
}

/** Figures of some calls. Money in micro-dollars. */
export type Figures = {
  calls: number
  served: number
  partial: number
  failed: number
  charged: Usd
  refunded: Usd
  /** Charged less refunded. */
  spend: Usd
  /** What the flagship would have cost, and what that is more than was charged. */
  flagship: Usd
  savings: Usd
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** ms, where they are kept: within a tenth. */
  latency?: { p50: number; p90: number; p99: number }
  firstByte?: { p50: number; p90: number; p99: number }
}

/** What the router itself earned by them. */
export type Books = {
  cost: Usd
  /** Calls whose cost nobody knows. */
  uncosted: number
  margin: Usd
  /** Charged and never paid. */
  unpaid: Usd
  /** Wei by chain. */
  gas: Readonly<Record<string, bigint>>
  /** What that was in dollars, and what is left of the margin after it and what was never paid; only when the prices of the coins are known. */
  gasUsd?: Usd
  net?: Usd
}

export const figuresOf = (sums: Sums): Figures => ({
  calls: sums.calls,
  served: sums.served,
  partial: sums.partial,
  failed: sums.failed,
  charged: sums.charged as Usd,
  refunded: sums.refunded as Usd,
  spend: spendOf(sums),
  flagship: sums.flagship as Usd,
  savings: savingsOf(sums),
  inputTokens: sums.input,
  cachedTokens: sums.cached,
  outputTokens: sums.output,
  ...times('latency', sums.whole),
  ...times('firstByte', sums.first),
})

export const booksOf = (sums: Sums, usdOfGas: UsdOfGas = () => undefined): Books => {
  const margin = marginOf(sums)
  const spent = Object.entries(sums.gas).map(([chain, wei]) => (wei === 0n ? 0n : usdOfGas(chain, wei)))
  const known = spent.every((usd) => usd !== undefined)
  const gasUsd = spent.reduce((sum: bigint, usd) => sum + (usd ?? 0n), 0n) as Usd
  return {
    cost: sums.cost as Usd,
    uncosted: sums.uncosted,
    margin,
    unpaid: sums.unpaid as Usd,
    gas: sums.gas,
    ...(known && { gasUsd, net: (margin - gasUsd - sums.unpaid) as Usd }),
  }
}

const times = <N extends 'latency' | 'firstByte'>(name: N, histogram: Sums['first']) => {
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(histogram, share))
  return p50 === undefined ? {} : { [name]: { p50, p90: p90!, p99: p99! } }
}

/** All of some rows together. */
export const summary = (cells: readonly Cell[]): Sums => sumOf(cells.map(({ sums }) => sums))

/** One sum for each bucket of a period, nothing where there is no row. */
export const series = (
  cells: readonly Cell[],
  period: Period,
  grain: Grain,
): { bucket: string; sums: Sums }[] => {
  const found = new Map<string, Sums>()
  for (const { bucket, sums } of cells) found.set(bucket, plus(found.get(bucket) ?? NOTHING, sums))
  return bucketsOf(period, grain).map((bucket) => ({ bucket, sums: found.get(bucket) ?? NOTHING }))
}

export const MEASURES = {
  calls: (one) => one.calls,
  served: (one) => one.served,
  partial: (one) => one.partial,
  failed: (one) => one.failed,
  charged: (one) => one.charged,
  refunded: (one) => one.refunded,
  spend: spendOf,
  flagship: (one) => one.flagship,
  savings: savingsOf,
  inputTokens: (one) => one.input,
  cachedTokens: (one) => one.cached,
  outputTokens: (one) => one.output,
  cost: (one) => one.cost,
  margin: marginOf,
  unpaid: (one) => one.unpaid,
} as const satisfies Record<string, (one: Sums) => number | bigint>
export type Measure = keyof typeof MEASURES

export type Top = {
  values: { value: string; sums: Sums }[]
  /** Those that are not among them, and how many they are. */
  rest: { values: number; sums: Sums }
}

/** The values with the most of a measure, the most first; equal ones by name. */
export const top = (cells: readonly Cell[], by: Measure, limit: number): Top => {
  const found = new Map<string, Sums>()
  for (const { value, sums } of cells) found.set(value, plus(found.get(value) ?? NOTHING, sums))
  const measure = MEASURES[by]
  const rows = [...found]
    .map(([value, sums]) => ({ value, sums, much: measure(sums) }))
    .toSorted((a, b) => (a.much === b.much ? (a.value < b.value ? -1 : 1) : a.much < b.much ? 1 : -1))
    .map(({ value, sums }) => ({ value, sums }))
  const others = rows.slice(limit)
  return {
    values: rows.slice(0, limit),
    rest: { values: others.length, sums: sumOf(others.map(({ sums }) => sums)) },
  }
}
