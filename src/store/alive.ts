import type { Log } from '../log.ts'
import { LUA_NOW, type Store, script } from './store.ts'

/** Who of the instances that share a store is at work. */
export type Alive = {
  /** The name of this instance, never used before. */
  me: string
  /** Those that were heard of lately, this one included. */
  names: () => Promise<ReadonlySet<string>>
  /** How many there were at the last sign of life, this one included. */
  count: () => number
  /** It was heard of, and then no more: it has not said that it ended. */
  died: (name: string) => Promise<boolean>
  start: () => Promise<void>
  /** Gives no more signs of life, without saying why: as a process that hangs. */
  pause: () => void
  /** Says that this instance has ended, with nothing left to do. */
  stop: () => Promise<void>
}

/** A store of one instance: whatever another name stands on is of a process that ended. */
export const aloneAlive = (me: string): Alive => ({
  me,
  names: async () => new Set([me]),
  count: () => 1,
  died: async (name) => name !== me,
  start: async () => {},
  pause: () => {},
  stop: async () => {},
})

const BEAT_MS = 1_000
/** One that was not heard of for this long, ms, is taken for dead: what it served is ended by others. */
const DEAD_MS = 10_000
/** So many signs of life may be missing before it is the store that was away. */
const PATIENT_BEATS = 4

/** Signs of life in Redis, by its clock. */
export const redisAlive = ({
  store,
  log,
  me,
  beatMs = BEAT_MS,
  deadMs = DEAD_MS,
}: {
  store: Store
  log: Log
  me: string
  beatMs?: number
  deadMs?: number
}): Alive => {
  const keys = [`${store.prefix}alive`]
  let timer: NodeJS.Timeout | undefined
  let count = 1
  /** When the store last answered, and since when it has done so all the time, by our own clock. */
  let heard = performance.now()
  let since = Number.NEGATIVE_INFINITY
  const patience = PATIENT_BEATS * beatMs
  const beaten = (living: unknown): void => {
    const now = performance.now()
    if (now - heard > patience) since = now
    heard = now
    count = Math.max(1, Number(living))
  }
  const beat = () => store.run(BEAT, keys, [me, deadMs]).then(beaten, () => log.info('beat_missed'))
  /** After an outage of the store nobody was heard of: that says nothing before they had time to speak. */
  const isSteady = (): boolean => {
    const now = performance.now()
    return now - heard <= patience && now - since >= patience
  }
  return {
    me,
    names: async () => new Set((await store.run(LIVING, keys, [deadMs])) as string[]),
    count: () => count,
    died: async (name) => isSteady() && (await store.run(DIED, keys, [name, deadMs])) === 1,
    start: async () => {
      const living = await store.run(BEAT, keys, [me, deadMs])
      heard = performance.now()
      beaten(living)
      timer = setInterval(() => void beat(), beatMs)
    },
    pause: () => clearInterval(timer),
    stop: async () => {
      clearInterval(timer)
      await store.run(END, keys, [me]).catch(() => {})
    },
  }
}

/** KEYS: the set of the living. ARGV: a name, ms of silence that count as death. Returns how many live. */
const BEAT = script(`${LUA_NOW}
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return redis.call('ZCOUNT', KEYS[1], string.format('%.0f', now - ARGV[2]), '+inf')
`)
/** KEYS: the same. ARGV: ms of silence that count as death. Those silent for a day are forgotten. */
const LIVING = script(`${LUA_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - 86400000))
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now - ARGV[1]), '+inf')
`)
/** KEYS: the same. ARGV: a name. */
const END = script(`redis.call('ZREM', KEYS[1], ARGV[1])`)
/** KEYS: the same. ARGV: a name, ms of silence that count as death. */
const DIED = script(`${LUA_NOW}
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
return at and tonumber(at) < now - ARGV[2] and 1 or 0
`)
