import { fail } from '../errors.ts'
import type { Call } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import type { Way } from '../settle/outbox.ts'
import type { Deps } from './deps.ts'
import { reject } from './hold.ts'

/**
 * Moves the money before anything is sent to a provider: for sums above the exposure limits and payers in bad standing.
 * Returns when the payment is proven; refuses with `settlement_failed`, or with `settlement_pending` when the chain is
 * slow: then the payment becomes credit when it lands.
 */
export const settleFirst = async (deps: Deps, call: Call, signal: AbortSignal): Promise<void> => {
  const settler = deps.settler(call.chain)
  const store = (way: Way) =>
    'tx' in way
      ? deps.ledger.post({ type: 'settle', ids: [call.id], tx: way.tx })
      : deps.ledger.post({ type: 'due', id: call.id })
  await settler.pay<Payable>(call, store, 'now')
  const patience = AbortSignal.any([signal, AbortSignal.timeout(deps.settleFirstMs)])
  const after = await settler.outcome(call.id, patience)
  if (after?.settlement.at === 'settled') return
  if (after?.settlement.at === 'lost') {
    throw await reject(deps, call, fail('settlement_failed', { why: after.settlement.why }))
  }
  await deps.ledger.post({ type: 'release', id: call.id, why: 'settlement_pending' })
  throw fail('settlement_pending', { id: call.id })
}
