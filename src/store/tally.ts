import type { Clock } from '../clock.ts'
import { type Store, script } from './store.ts'

/** Counts what may happen only so often: a sign-in once, a refund some times a day. */
export type Tally = {
  /** Counts one more under a name and says yes, unless there are `most` already; a count ends `ttlMs` after its first. */
  take: (name: string, most: number, ttlMs: number) => Promise<boolean>
  /** What was counted did not happen after all. */
  giveBack: (name: string) => Promise<void>
  /** ms; what was counted before is not known any more. */
  since: number
}

/** Names that are kept at once; more are refused until some have ended. */
const MOST = 100_000

export const memoryTally = ({ clock }: { clock: Clock }): Tally => {
  const counts = new Map<string, { count: number; until: number }>()
  const tidy = () => {
    for (const [name, { until }] of counts) if (until <= clock.now()) counts.delete(name)
  }
  return {
    since: clock.now(),
    take: async (name, most, ttlMs) => {
      const now = clock.now()
      const found = counts.get(name)
      const standing = found && found.until > now ? found : undefined
      if ((standing?.count ?? 0) >= most) return false
      if (!standing && counts.size >= MOST) tidy()
      if (!standing && counts.size >= MOST) return false
      counts.set(name, { count: (standing?.count ?? 0) + 1, until: standing?.until ?? now + ttlMs })
      return true
    },
    giveBack: async (name) => {
      const found = counts.get(name)
      if (found && found.count > 0) found.count--
    },
  }
}

/** The same for all instances that share a store; rejects when it does not answer. */
export const redisTally = ({ store }: { store: Store }): Tally => {
  const key = (name: string) => `${store.prefix}tally:${name}`
  return {
    since: 0,
    take: async (name, most, ttlMs) => (await store.run(TAKE, [key(name)], [most, ttlMs])) === 1,
    giveBack: async (name) => void (await store.run(GIVE_BACK, [key(name)], [])),
  }
}

/** KEYS: a count. ARGV: the most, ms. */
const TAKE = script(`
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= tonumber(ARGV[1]) then return 0 end
if count == 0 then redis.call('SET', KEYS[1], 1, 'PX', ARGV[2]) else redis.call('INCR', KEYS[1]) end
return 1
`)
/** KEYS: a count. */
const GIVE_BACK = script(`
if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then redis.call('DECR', KEYS[1]) end
`)
