import type { Inclusion } from '../chain/chain.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { bookOf, type Payable } from '../ledger/moves.ts'
import type { Jobs } from './jobs.ts'

/**
 * Indexes of the logs of a transaction that prove other items already. Permit2 logs no nonce, so only this keeps one
 * transfer from paying for two calls of the same price.
 */
export const createTaken =
  ({ ledger, jobs }: { ledger: Pick<Ledger, 'transfers'>; jobs: Jobs }) =>
  async ({ hash, block }: Inclusion, item: Payable): Promise<ReadonlySet<number>> => {
    const booked = await ledger.transfers(bookOf(item), block, block)
    const taken = new Set(
      booked.filter((row) => row.hash === hash && row.call !== item.id).map((row) => row.logIndex),
    )
    for (const { item: one } of jobs.all()) {
      if (one.id === item.id || one.settlement.at !== 'included') continue
      if (one.settlement.proof.hash === hash) taken.add(one.settlement.proof.logIndex)
    }
    return taken
  }
