import { assetKey, type ChainId, type Hex } from '../assets.ts'
import type { Posting } from './ledger.ts'
import { transfers } from './postings.ts'

type Placed = { chain: ChainId; token: Hex }

/** The book that the money of a call, errand or channel is kept in. */
export const bookOf = ({ chain, token }: Placed): string => assetKey({ chain, address: token })

/** The book of a chain's own coin, in wei. */
export const nativeOf = ({ chain }: Placed): string => `${chain}/native`

/** Postings in the book of a subject, those of nothing left out. */
export const book = (subject: Placed, rows: [debit: string, credit: string, amount: bigint][]): Posting[] =>
  transfers(bookOf(subject), rows)
