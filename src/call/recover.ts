import type { Clock } from '../clock.ts'
import { type Call, isServing } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Move } from '../ledger/moves.ts'
import { NO_TRANSACTION } from '../wire/receipt.ts'

/**
 * Ends the calls that a dead process left in service: all of them, or those that nobody alive stands for. Nobody can say how much of an answer
 * arrived, so nothing is charged: what had not begun is released, as if it was dispatched, and what was
 * streaming is billed at zero, so that all of its payment becomes credit. Returns how many there were.
 */
export const recover = async (
  ledger: Ledger,
  clock: Clock,
  isOrphan: (call: Call) => boolean = () => true,
): Promise<number> => {
  const left = (await ledger.open()).filter((call) => isServing(call) && isOrphan(call))
  for (const call of left) await ledger.post(ending(call, clock, 'restart'))
  return left.length
}

type Ending = Extract<Move, { type: 'release' | 'bill' }>

/** How a call ends that nobody answers any more, from where it stands: nothing is charged, and what streams is billed at zero. */
export const ending = (call: Call, clock: Clock, why: string): Ending => {
  const { id, service } = call
  if (service.at !== 'streaming') return { type: 'release', id, why }
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
