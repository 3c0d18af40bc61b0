import { type Clock, seconds } from '../clock.ts'
import type { SignedPayment } from './payment.ts'

/** Signatures whose fate is not known, and calls that were paid without an answer: what keeps a retry from paying twice. */
export type Unresolved = {
  /** Keeps a signature that a call left behind. */
  park: (key: string, payment: SignedPayment) => void
  /** Hands one that is still valid to the next call for the same bytes; two calls never get the same one. */
  take: (key: string) => SignedPayment | undefined
  /** Answers the same bytes with `error` for a minute. */
  bar: (key: string, error: Error) => void
  barred: (key: string) => Error | undefined
}

const BAR_MS = 60_000
/** The chain's clock may run behind ours: until then an authorization may still be used. */
const SLACK = 60

export const createUnresolved = (clock: Clock): Unresolved => {
  const parked = new Map<string, SignedPayment[]>()
  const bars = new Map<string, { error: Error; until: number }>()

  const alive = ({ validBefore }: SignedPayment): boolean => validBefore + SLACK > seconds(clock.now())
  const prune = (): void => {
    for (const [key, list] of parked) if (!list.some(alive)) parked.delete(key)
    for (const [key, { until }] of bars) if (until <= clock.now()) bars.delete(key)
  }

  return {
    park: (key, payment) => {
      prune()
      payment.doubts = Math.max(1, payment.doubts)
      parked.set(key, [...(parked.get(key) ?? []), payment])
    },
    take: (key) => {
      const [first, ...rest] = (parked.get(key) ?? []).filter(alive)
      if (rest.length > 0) parked.set(key, rest)
      else parked.delete(key)
      return first
    },
    bar: (key, error) => {
      prune()
      bars.set(key, { error, until: clock.now() + BAR_MS })
    },
    barred: (key) => {
      prune()
      return bars.get(key)?.error
    },
  }
}
