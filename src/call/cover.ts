import type { Call } from '../ledger/call.ts'
import { reasonOf } from '../log.ts'
import type { Deps } from './deps.ts'

/** A payment must get into a block before its authorization ends: so long before it, the stream is cut, ms. */
const TIME_TO_SETTLE = 45_000

/**
 * Looks after an answer that is paid when it ends. Calls `cut` with the reason, at most once: when its payer can no
 * longer pay for it, or while there is just time to settle what was delivered. Returns how to stop looking.
 */
export const watchCover = (
  deps: Pick<Deps, 'clock' | 'covers' | 'recheckMs' | 'log'>,
  call: Call,
  cut: (why: string) => void,
): (() => void) => {
  const ended = new AbortController()
  if (call.kind !== 'upto' || call.signed === 0n) return () => {}
  const end = Number(call.validBefore) * 1000 - TIME_TO_SETTLE

  const problem = async (): Promise<string | undefined> => {
    if (deps.clock.now() >= end) return 'its payment is about to expire'
    // A node that does not answer is no reason to take the answer away.
    return deps.covers(call).catch((error) => {
      deps.log.warn('cover_unknown', { call: call.id, why: reasonOf(error) })
      return undefined
    })
  }

  const look = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const wait = Math.min(deps.recheckMs, end - deps.clock.now())
      await deps.clock.sleep(Math.max(wait, 0), ended.signal)
      const why = ended.signal.aborted ? undefined : await problem()
      if (why === undefined || ended.signal.aborted) continue
      ended.abort()
      cut(why)
    }
  }
  void look()
  return () => ended.abort()
}
