import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import { type Store, script } from '../store/store.ts'
import { within } from '../store/within.ts'
import { type Bucket, type Buckets, createKnown, takeLocal } from './buckets.ts'
import { intervalOf, type Rate, type Taken, take, windowOf } from './gcra.ts'

/**
 * Adds what an instance has let in already, and lets in as many more of those who wait there as fit. Answers how many
 * microseconds ahead the bucket is then, and how many got in; by the clock of Redis, so that the instances' clocks need
 * not agree. ARGV: the cost of one and the window, microseconds; how many are in; how many wait.
 */
const REPORT = script(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local till = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + cost * ARGV[3]
local more = math.max(0, math.min(tonumber(ARGV[4]), math.floor((now + window - till) / cost)))
till = math.min(till + more * cost, now + 2 * window)
redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX', math.ceil((till - now) / 1000) + 1)
return { string.format('%.0f', till - now), more }`)

type Waiter = (taken: Taken) => void

/** A bucket that is shared: how much was let in here and is not told yet, and who waits for an answer. */
type Shared = Bucket & { untold: number; telling: boolean; line: Waiter[] }

type Answer = { aheadMs: number; more: number }

export type RedisBucketFacts = {
  store: Store
  clock: Clock
  log: Log
  /** How long a request may wait for the fleet, ms. */
  waitMs?: number
  /** How long the fleet is not asked after it gave no answer, ms. */
  restMs?: number
  most?: number
}

const WAIT_MS = 100
const REST_MS = 1_000

/** How much an instance lets in by itself between two answers: a tenth of the burst. */
export const blockOf = ({ burst }: Rate): number => Math.max(1, Math.floor(burst / 10))

/**
 * Buckets that a fleet shares. An instance lets in by what it knows, tells Redis from half a block on and takes over what
 * Redis says; beyond a block it waits for the answer. So a fleet lets in at most one block for each instance above the
 * limit, and a caller who asks seldom costs Redis nothing. While Redis is away, each instance goes by its own buckets:
 * every one then grants the whole limit.
 */
export const redisBuckets = (facts: RedisBucketFacts): Buckets => {
  const { store, clock, log, waitMs = WAIT_MS, restMs = REST_MS, most } = facts
  const fresh = (): Shared => ({ until: 0, untold: 0, telling: false, line: [] })
  const known = createKnown<Shared>({ clock, fresh, ...(most && { most }) })
  const fleet = store.prefix.replace(/[{}]|:$/g, '')
  let restsUntil = 0
  const isAway = () => performance.now() < restsUntil

  /** Undefined when there is no answer in time. */
  const report = async (key: string, rate: Rate, n: number, waiting: number): Promise<Answer | undefined> => {
    const micros = (ms: number) => Math.ceil(ms * 1000)
    try {
      // A hash tag of its own, so that a Cluster spreads them.
      const keys = [`rl:{${fleet}:${key}}`]
      const args = [micros(intervalOf(rate)), micros(windowOf(rate)), n, waiting]
      const [ahead, more] = (await within(store.run(REPORT, keys, args), waitMs)) as [string, number]
      return { aheadMs: Number(ahead) / 1000, more }
    } catch (error) {
      if (!isAway()) log.warn('rate_limits_local', { why: reasonOf(error) })
      restsUntil = performance.now() + restMs
      return undefined
    }
  }

  const takeHere = (bucket: Shared, rate: Rate): Taken => {
    const taken = takeLocal(bucket, clock, rate)
    // Away, nothing is kept to be told later: the past would be held against callers all at once.
    bucket.untold = isAway() ? 0 : bucket.untold + (taken.ok ? 1 : 0)
    return taken
  }

  const tell = async (key: string, bucket: Shared, rate: Rate): Promise<void> => {
    bucket.telling = true
    while (!isAway() && (bucket.line.length > 0 || bucket.untold >= blockOf(rate) / 2)) {
      const n = bucket.untold
      const asked = bucket.line.splice(0)
      const answer = await report(key, rate, n, asked.length)
      // Without an answer it may have been counted; twice would be the caller's loss.
      bucket.untold = Math.max(0, bucket.untold - n)
      if (answer) bucket.until = clock.now() + answer.aheadMs + bucket.untold * intervalOf(rate)
      const left = answer ? Math.floor((windowOf(rate) - answer.aheadMs) / intervalOf(rate)) : 0
      const more = answer?.more ?? 0
      for (const [i, waiter] of asked.entries())
        waiter(i < more ? { ok: true, left: Math.max(0, left) + more - 1 - i } : takeHere(bucket, rate))
    }
    bucket.telling = false
    for (const waiter of bucket.line.splice(0)) waiter(takeHere(bucket, rate))
  }

  return {
    take: (key, rate) => {
      const bucket = known.get(key, rate)
      const isWaiting = bucket.telling && bucket.untold >= blockOf(rate) && !isAway()
      // The others only ever take: what is refused here is refused by all.
      if (isWaiting && take(bucket.until, clock.now(), rate).taken.ok)
        return new Promise((resolve) => void bucket.line.push(resolve))
      const taken = takeHere(bucket, rate)
      if (!bucket.telling && bucket.untold >= blockOf(rate) / 2) void tell(key, bucket, rate)
      return taken
    },
  }
}
