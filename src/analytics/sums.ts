import type { Usd } from '../money.ts'
import type { Json } from '../store/records.ts'
import { type Histogram, joined } from './histogram.ts'

/** What some calls came to. Money in micro-dollars, gas in wei by chain. A call counts once it has ended. */
export type Sums = {
  calls: number
  served: number
  partial: number
  /** Nothing was delivered, and nothing charged. */
  failed: number
  /** Of the served and partial ones, those whose cost nobody knows: it counts as none. */
  uncosted: number
  charged: bigint
  refunded: bigint
  /** Charged, and its payment can never settle. */
  unpaid: bigint
  /** What the providers charge us. */
  cost: bigint
  /** What the flagship would have cost; where that is not known, what was charged. */
  flagship: bigint
  input: number
  cached: number
  output: number
  gas: Readonly<Record<string, bigint>>
  /** Time to the first byte, and to the end. */
  first: Histogram
  whole: Histogram
}

const COUNTS = ['calls', 'served', 'partial', 'failed', 'uncosted', 'input', 'cached', 'output'] as const
const MONEY = ['charged', 'refunded', 'unpaid', 'cost', 'flagship'] as const

const TIMES = ['first', 'whole'] as const

export const NOTHING: Sums = {
  calls: 0,
  served: 0,
  partial: 0,
  failed: 0,
  uncosted: 0,
  charged: 0n,
  refunded: 0n,
  unpaid: 0n,
  cost: 0n,
  flagship: 0n,
  input: 0,
  cached: 0,
  output: 0,
  gas: {},
  first: {},
  whole: {},
}

export const plus = (a: Sums, b: Sums): Sums => {
  if (a === NOTHING) return b
  const sum = { ...a }
  gain(sum, b)
  return sum
}

/** Adds to sums that are nobody else's. */
export const gain = (sum: Sums, b: Sums): void => {
  for (const name of COUNTS) sum[name] += b[name]
  for (const name of MONEY) sum[name] += b[name]
  for (const chain in b.gas) sum.gas = { ...sum.gas, [chain]: (sum.gas[chain] ?? 0n) + b.gas[chain]! }
  for (const name of TIMES) if (!isEmpty(b[name])) sum[name] = joined(sum[name], b[name])
}

export const sumOf = (all: Iterable<Sums>): Sums => {
  let sum = NOTHING
  for (const one of all) sum = plus(sum, one)
  return sum
}

/** The same without the times. */
export const untimed = (sums: Sums): Sums =>
  isEmpty(sums.first) && isEmpty(sums.whole) ? sums : { ...sums, first: {}, whole: {} }

/** The same without what became of the payment. */
export const unpaying = (sums: Sums): Sums => ({ ...sums, gas: {}, unpaid: 0n })

export const hasPayment = ({ gas, unpaid }: Sums): boolean => unpaid !== 0n || !isEmpty(gas)

/** Nothing would be added by it. */
export const isNothing = (sums: Sums): boolean =>
  COUNTS.every((name) => sums[name] === 0) &&
  MONEY.every((name) => sums[name] === 0n) &&
  isEmpty(sums.gas) &&
  TIMES.every((name) => isEmpty(sums[name]))

const isEmpty = (of: object): boolean => {
  for (const _ in of) return false
  return true
}

/** As JSON, what is nothing left out, since there are millions of them. */
export const packed = (sums: Sums): { readonly [key: string]: Json } => {
  const row: Record<string, Json> = {}
  for (const name of COUNTS) if (sums[name] !== 0) row[name] = sums[name]
  for (const name of MONEY) if (sums[name] !== 0n) row[name] = sums[name].toString()
  if (!isEmpty(sums.gas)) {
    const gas = Object.entries(sums.gas).filter(([, wei]) => wei !== 0n)
    if (gas.length > 0) row['gas'] = Object.fromEntries(gas.map(([chain, wei]) => [chain, wei.toString()]))
  }
  for (const name of TIMES) if (!isEmpty(sums[name])) row[name] = sums[name]
  return row
}

/** What `packed` wrote. */
export const unpacked = (row: Packed): Sums => {
  const sums: Sums = { ...NOTHING }
  for (const name of COUNTS) sums[name] = row[name] ?? 0
  for (const name of MONEY) if (row[name] !== undefined) sums[name] = BigInt(row[name])
  if (row.gas)
    sums.gas = Object.fromEntries(Object.entries(row.gas).map(([chain, wei]) => [chain, BigInt(wei)]))
  if (row.first) sums.first = row.first
  if (row.whole) sums.whole = row.whole
  return sums
}

export type Packed = {
  [name in (typeof COUNTS)[number]]?: number
} & { [name in (typeof MONEY)[number]]?: string } & {
  gas?: Readonly<Record<string, string>>
  first?: Histogram
  whole?: Histogram
  /** What the row is about, where its id could not hold it. */
  about?: string
}

/** Charged, less what was given back: what customers spent. */
export const spendOf = ({ charged, refunded }: Sums): Usd => (charged - refunded) as Usd

/** What is left of it when the providers are paid; gas and what was never paid are not taken off. */
export const marginOf = (sums: Sums): Usd => (spendOf(sums) - sums.cost) as Usd

/** What the flagship would have cost more than was charged. */
export const savingsOf = ({ flagship, charged }: Sums): Usd => (flagship - charged) as Usd
