import type { Inclusion } from '../chain/chain.ts'
import { transactionGas } from '../chain/gas.ts'
import type { Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { mostGasOf, sortOf } from './action.ts'

/** How much gas items of one sort use in company, learned from receipts. */
export type Appetite = {
  /**
   * What to allow for one item of a sort of which `most` is surely enough, also for the first one that meets everything
   * cold: never more than that, nor less than 3/5 of it, which is a third more than any of the others was seen to use.
   */
  allow: (sort: string, most: bigint) => bigint
  /** A transaction of ours is in a block; what it settled is of use when all of it is of one sort. */
  learn: (tx: Tx, inclusion: Inclusion, items: readonly Payable[]) => void
}

/** So many batches are remembered, and the hungriest of them counts. */
const REMEMBERED = 32
/** Of fewer, too much would be the transaction's own. */
const FEWEST = 5

/** A gas limit that is far from what is used keeps other batches out of the block. */
export const createAppetite = (): Appetite => {
  const seen = new Map<string, bigint[]>()
  return {
    allow: (sort, most) => {
      const eaten = seen.get(sort) ?? []
      let hungriest = 0n
      for (const one of eaten) if (one > hungriest) hungriest = one
      const wanted = (hungriest * 5n) / 4n
      const least = (most * 3n) / 5n
      return wanted > most ? most : wanted < least ? least : wanted
    },
    learn: ({ raw }, inclusion, items) => {
      const [first] = items
      if (!first || items.length < FEWEST) return
      const sort = sortOf(first)
      if (items.some((one) => sortOf(one) !== sort)) return
      // One that failed as a whole says that what was allowed is too little.
      const each = inclusion.ok
        ? (inclusion.gasUsed - transactionGas(raw, 0n)) / BigInt(items.length)
        : mostGasOf(first)
      seen.set(sort, [...(seen.get(sort) ?? []), each].slice(-REMEMBERED))
    },
  }
}
