import type { Clock } from '../clock.ts'
import { type Rate, type Taken, take, windowOf } from './gcra.ts'

/** Counts, each under its own key. Memory and Redis do it the same way. */
export type Buckets = {
  /** Takes one. Never fails: what cannot be known is taken from what is known here. */
  take: (key: string, rate: Rate) => Taken | Promise<Taken>
}

/** One bucket as this process knows it. */
export type Bucket = {
  /** Milliseconds since the epoch at which it is empty again. */
  until: number
}

/** Buckets of one process, in bounded memory. */
export const memoryBuckets = ({ clock, most }: { clock: Clock; most?: number }): Buckets => {
  const known = createKnown<Bucket>({ clock, fresh: () => ({ until: 0 }), ...(most && { most }) })
  return { take: (key, rate) => takeLocal(known.get(key, rate), clock, rate) }
}

/** Takes one from a bucket here. */
export const takeLocal = (bucket: Bucket, clock: Clock, rate: Rate): Taken => {
  const { until, taken } = take(bucket.until, clock.now(), rate)
  bucket.until = until
  return taken
}

export type Known<B> = { get: (key: string, rate: Rate) => B; size: () => number }

const MOST = 65_536

/**
 * A map that forgets: whatever nobody asked for while `most` others came, or for as long as the slowest bucket takes to
 * empty, is gone. It holds at most twice `most` and needs no timer. Who is forgotten early starts afresh.
 */
export const createKnown = <B>({
  clock,
  fresh,
  most = MOST,
}: {
  clock: Clock
  fresh: () => B
  most?: number
}): Known<B> => {
  let young = new Map<string, B>()
  let old = new Map<string, B>()
  let turned = clock.now()
  let longest = 1_000
  const turn = () => {
    const now = clock.now()
    if (young.size < most && Math.abs(now - turned) < longest) return
    old = young
    young = new Map()
    turned = now
  }
  return {
    get: (key, rate) => {
      longest = Math.max(longest, windowOf(rate))
      turn()
      const known = young.get(key)
      if (known) return known
      const bucket = old.get(key) ?? fresh()
      young.set(key, bucket)
      return bucket
    },
    size: () => young.size + old.size,
  }
}
