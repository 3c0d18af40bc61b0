import type { Usd } from '../money.ts'
import type { Posting } from './ledger.ts'

/** A change of a control counter; it is refused when `limit` is given and would be passed by it and those `beside` it together. */
export type Bump = { name: string; by: bigint; limit?: bigint; beside?: readonly string[] }

/** A change of a counter, or none when it changes by nothing. */
export const bump = (name: string, by: bigint): Bump[] => (by === 0n ? [] : [{ name, by }])

/** The upper bound of a bump; no bound when undefined. */
export const bound = (limit: Usd | undefined): { limit?: bigint } => (limit === undefined ? {} : { limit })

/** Postings of one book, those of nothing left out. */
export const transfers = (
  asset: string,
  rows: [debit: string, credit: string, amount: bigint][],
): Posting[] =>
  rows
    .filter(([, , amount]) => amount !== 0n)
    .map(([debit, credit, amount]) => ({ asset, debit, credit, amount }))
