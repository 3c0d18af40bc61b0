import type { Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { spentIn } from '../chain/spent.ts'
import { fail } from '../errors.ts'
import type { Payable } from '../ledger/moves.ts'
import { BATCH_SETTLEMENT, EXACT_PROXY, UPTO_PROXY } from '../wire/contracts.ts'

/** Contracts that do all that they were sent for, or nothing. */
const DIRECT: ReadonlySet<string> = new Set([EXACT_PROXY, UPTO_PROXY, BATCH_SETTLEMENT])

/**
 * Of transactions that moved as much as an item should, those that may have used its Permit2 nonce. What they were sent
 * for tells payments of one sum apart. Where that does not show, money that came to us was sent to us; money that went to
 * somebody else or into a channel proves nothing. Throws `chain_unavailable` when the node does not have one of them.
 */
export const mayHaveUsed = async (
  chain: Pick<Chain, 'id' | 'history'>,
  item: Payable,
  nonce: Hex,
  hashes: readonly Hex[],
): Promise<Hex[]> => {
  if (hashes.length === 0) return []
  const txs = await chain.history.sent(hashes)
  return hashes.filter((_, i) => {
    const tx = txs[i]
    if (!tx) throw fail('chain_unavailable', { why: 'a transaction that moved money is not shown' })
    if (tx.to === undefined || !DIRECT.has(tx.to)) return item.is === 'call'
    return spentIn(chain.id, tx.to, tx.input).some((one) => one.payer === item.payer && one.nonce === nonce)
  })
}
