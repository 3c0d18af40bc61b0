import type { Inclusion } from '../chain/chain.ts'
import type { Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { nonceOf } from './proof.ts'

/** A transaction of ours in a block. */
export type Ours = { tx: Tx; inclusion: Inclusion }

/** Whether a transaction shows that it used the EIP-3009 authorization of an item. */
export const showsUse = (item: Payable, { logs }: Inclusion): boolean =>
  logs.some(
    (log) =>
      log.kind === 'used' &&
      log.token === item.token &&
      log.payer === item.payer &&
      log.nonce === nonceOf(item)?.nonce,
  )

/**
 * Whether a node may have left out the logs that prove an item: a success without any says the same as a token that moved
 * nothing. `used`: its nonce is. In company nothing may have moved for it; EIP-3009 has a use that is looked for by itself.
 */
export const mayHideLogs = (item: Payable, used: boolean, ours: readonly Ours[]): boolean =>
  ours.some(({ tx, inclusion: { ok, logs } }) => {
    if (!ok || logs.length > 0) return false
    return used || (tx.items.length === 1 && nonceOf(item)?.kind !== 'eip3009')
  })

/** Why nothing moved. In company a transaction succeeds whatever becomes of the item: only its use there shows that the token deviates. */
export const whyUnpaid = (item: Payable, ours: readonly Ours[]): string =>
  ours.some(({ tx, inclusion: one }) => one.ok && (tx.items.length === 1 || showsUse(item, one)))
    ? 'the token reported success and moved something else'
    : 'the transfer reverted'
