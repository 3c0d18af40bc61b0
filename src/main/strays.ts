import { ending } from '../call/recover.ts'
import type { Clock } from '../clock.ts'
import { isServing } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'

/** Calls that stand on this instance in a shared ledger although it does not serve them. */
export type Strays = { look: () => Promise<number>; start: () => void; stop: () => Promise<void> }

const EVERY_MS = 15_000
/** Younger ones may only just have been claimed, ms. */
const AGE_MS = 20_000

/**
 * Ends them: a claim that was written once more after the store was lost, or whose end was. Listens to what is posted
 * through this ledger, in place, so it must be made before the first call.
 */
export const createStrays = (facts: { ledger: Ledger; clock: Clock; log: Log; me: string }): Strays => {
  const { ledger, clock, log, me } = facts
  const serving = new Set<string>()
  const post = ledger.post
  ledger.post = async (move) => {
    if (move.type === 'claim') serving.add(move.call.id)
    const posted = await post(move)
    const ended = move.type === 'bill' || move.type === 'release' || move.type === 'reject'
    if (ended) serving.delete(move.id)
    if (move.type === 'claim' && !posted.ok) serving.delete(move.call.id)
    return posted
  }
  let timer: NodeJS.Timeout | undefined
  let running: Promise<number> | undefined

  const look = async (): Promise<number> => {
    const before = clock.now() - AGE_MS
    const strays = (await ledger.open()).filter(
      (call) => isServing(call) && call.by === me && call.at < before && !serving.has(call.id),
    )
    for (const call of strays) await ledger.post(ending(call, clock, 'not served'))
    if (strays.length > 0) log.warn('strays_ended', { calls: strays.length })
    return strays.length
  }
  const again = () => {
    running = look().catch((error: unknown) => {
      log.warn('strays_not_seen', { why: reasonOf(error) })
      return 0
    })
  }
  return {
    look,
    start: () => {
      timer = setInterval(again, EVERY_MS)
      timer.unref()
    },
    stop: async () => {
      clearInterval(timer)
      await running
    },
  }
}
