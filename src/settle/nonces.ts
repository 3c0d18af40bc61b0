import type { Clock } from '../clock.ts'

/** The next nonces of one settler key. One process at a time may own a key. */
export type Nonces = {
  /** Goes on where an earlier process stopped: `next` is unused, and of those below it, `orphans` are nobody's. */
  resume: (next: number, orphans: readonly number[]) => void
  /** The next nonce: one that was given back, else a new one. Say within a minute what became of it: `keep` or `giveBack`. */
  take: () => number
  /** Its transaction is stored, and is sent until the chain is past it. */
  keep: (nonce: number) => void
  /** Its transaction was never stored; the next `take` gets it. */
  giveBack: (nonce: number) => void
  /** The chain has used every nonce below `mined`. */
  atLeast: (mined: number) => void
  /**
   * Nonces that nothing will be sent with, although transactions with the nonces in `waiting` are stuck behind them:
   * given back, never heard of again, or of a payment that was given up. Once named, `take` no longer gives them.
   */
  gaps: (mined: number, waiting: ReadonlySet<number>) => number[]
}

const FORGOTTEN_MS = 60_000
/** A lagging node shows gaps where there are none: one that we do not know of is believed when it stays. */
const DOUBT_MS = 15_000
const MOST_AT_ONCE = 100

export const createNonces = (clock: Clock): Nonces => {
  const taken = new Map<number, number>()
  const orphans = new Set<number>()
  let missing = new Map<number, number>()
  let next = 0
  let free: number[] = []

  /** Since when nobody has this nonce, ms: always, when we know that; undefined when somebody has it. */
  const unowned = (nonce: number, now: number): number | undefined => {
    if (orphans.has(nonce)) return Number.NEGATIVE_INFINITY
    const since = taken.get(nonce)
    if (since !== undefined && now - since < FORGOTTEN_MS) return undefined
    return missing.get(nonce) ?? now
  }

  return {
    resume: (first, nobodys) => {
      next = first
      for (const nonce of nobodys) orphans.add(nonce)
    },
    take: () => {
      const nonce = free.shift() ?? next++
      taken.set(nonce, clock.now())
      return nonce
    },
    keep: (nonce) => void taken.delete(nonce),
    giveBack: (nonce) => {
      // After its minute it may have been filled already.
      if (!taken.delete(nonce) || missing.has(nonce)) return
      free = [...free, nonce].toSorted((a, b) => a - b)
    },
    atLeast: (mined) => {
      next = Math.max(next, mined)
      free = free.filter((one) => one >= mined)
    },
    gaps: (mined, waiting) => {
      const now = clock.now()
      const last = Math.min(Math.max(...waiting), mined + MOST_AT_ONCE)
      for (const nonce of free) if (nonce < last) orphans.add(nonce)
      free = free.filter((nonce) => !orphans.has(nonce))
      const seen = new Map<number, number>()
      for (let nonce = mined; nonce < last; nonce++) {
        const since = waiting.has(nonce) ? undefined : unowned(nonce, now)
        if (since !== undefined) seen.set(nonce, since)
      }
      missing = seen
      return [...seen].filter(([, since]) => now - since >= DOUBT_MS).map(([nonce]) => nonce)
    },
  }
}
