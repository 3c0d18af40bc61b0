import type { Clock } from '../clock.ts'

/** How often providers may be asked again, so that an outage is not made worse by those who try once more. */
export type RetryBudget = {
  /** A call asks this provider for the first time. */
  asked: (provider: string) => void
  /** It may be asked again. */
  spare: (provider: string) => boolean
  /** It is asked again. */
  spent: (provider: string) => void
}

/** Of the calls of about the last ten seconds, and this many on top. */
const SHARE = 0.2
const ON_TOP = 10
const LATELY_MS = 10_000

type Count = { calls: number; retries: number; at: number }

/** One budget for each provider: a fifth of its calls lately, and a few on top for quiet times. */
export const createRetryBudget = ({ clock }: { clock: Clock }): RetryBudget => {
  const counts = new Map<string, Count>()
  const lately = (provider: string): Count => {
    const now = clock.now()
    const { calls, retries, at } = counts.get(provider) ?? { calls: 0, retries: 0, at: now }
    const fade = Math.exp(-Math.max(0, now - at) / LATELY_MS)
    return { calls: calls * fade, retries: retries * fade, at: now }
  }
  return {
    asked: (provider) => {
      const count = lately(provider)
      counts.set(provider, { ...count, calls: count.calls + 1 })
    },
    spare: (provider) => {
      const { calls, retries } = lately(provider)
      return retries + 1 <= calls * SHARE + ON_TOP
    },
    spent: (provider) => {
      const count = lately(provider)
      counts.set(provider, { ...count, retries: count.retries + 1 })
    },
  }
}
