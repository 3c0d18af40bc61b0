import type { Clock } from '../clock.ts'
import { type Call, isServing, isSettling } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Move } from '../ledger/moves.ts'
import { NO_TRANSACTION } from '../wire/receipt.ts'

/**
 * Ends the calls that a dead process left in service: all of them, or those that nobody alive stands for. Nobody can say how much of an answer
 * arrived, so nothing is charged: what was never dispatched is rejected, what had not begun is released, and what was
 * streaming is billed at zero, so that all of its payment becomes credit. Returns how many there were.
 */
export const recover = async (
  ledger: Ledger,
  clock: Clock,
  isOrphan: (call: Call) => boolean = () => true,
): Promise<number> => {
  const left = (await ledger.open()).filter((call) => isServing(call) && isOrphan(call))
  for (const call of left) await ledger.post(ending(call, clock))
  return left.length
}

const ending = (call: Call, clock: Clock): Move => {
  const { id, service } = call
  if (service.at === 'claimed' && !isSettling(call)) return { type: 'reject', id, why: 'restart' }
  if (service.at !== 'streaming') return { type: 'release', id, why: 'restart' }
  const bill = {
    charged: 0n,
    usage: { input: 0, cached: 0, output: 0, source: 'delivered' },
    model: service.model,
    provider: service.provider,
    responseDigest: NO_TRANSACTION,
    at: clock.now(),
  } as const
  return { type: 'bill', id, bill, partial: true }
}
