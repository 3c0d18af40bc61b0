import type { Inclusion } from '../chain/chain.ts'
import type { Call, Proof } from '../ledger/call.ts'

/** What a transaction in a block proves about a call's payment. */
export type Verdict = { paid: true; proof: Proof } | { paid: false }

/**
 * Judges an inclusion: paid means Transfer(payer → payTo, exactly the signed amount) from the token, and
 * AuthorizationUsed(payer, nonce), in one successful transaction. The receipt's status alone proves nothing.
 * `gas`: what we spent on it, in wei; 0 when somebody else sent it.
 */
export const judge = (call: Call, inclusion: Inclusion, gas: bigint): Verdict => {
  if (!inclusion.ok) return { paid: false }
  const used = inclusion.logs.findIndex(
    (log) =>
      log.kind === 'used' && log.token === call.token && log.payer === call.payer && log.nonce === call.nonce,
  )
  // The token logs the use and then its transfer: in a batch, another payment of the same sum must not prove this one.
  const transfer = used === -1 ? undefined : inclusion.logs[used + 1]
  const moved =
    transfer?.kind === 'transfer' &&
    transfer.token === call.token &&
    transfer.from === call.payer &&
    transfer.to === call.payTo &&
    transfer.amount === call.signed
  if (!moved) return { paid: false }
  const { hash, block, blockHash } = inclusion
  return { paid: true, proof: { hash, block, blockHash, logIndex: transfer.logIndex, gas } }
}
