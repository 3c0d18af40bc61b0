import type { Clock } from '../clock.ts'

/** Who comes when, among changes that all end in the one audit log. */
export type Turns = {
  /** One at a time of each name: what somebody sends at once waits for itself, not for others. */
  one: <T>(name: string, work: () => Promise<T>) => Promise<T>
  /** Resolves when it may begin, with what tells that it ended. Who `lost` before goes first, alone, and in order. */
  enter: (lost: boolean) => Promise<() => void>
}

/** Nobody keeps the others waiting for longer, ms. */
const LONGEST = 1_000

/** Without them, whoever changes little and often would always be faster than who has more to do. */
export const createTurns = ({ clock }: { clock: Pick<Clock, 'sleep'> }): Turns => {
  const lines = new Map<string, Promise<unknown>>()
  const running = new Set<Promise<unknown>>()
  let losers: Promise<unknown> = Promise.resolve()

  const within = async (work: Promise<unknown>): Promise<void> => {
    const over = new AbortController()
    await Promise.race([work, clock.sleep(LONGEST, over.signal).catch(() => {})])
    over.abort()
  }

  return {
    one: async (name, work) => {
      const mine = (lines.get(name) ?? Promise.resolve()).then(work)
      const settled = mine.catch(() => {})
      lines.set(name, settled)
      try {
        return await mine
      } finally {
        if (lines.get(name) === settled) lines.delete(name)
      }
    },
    enter: async (lost) => {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      let ready = losers
      if (lost) {
        // Who is at work already could still be faster.
        ready = ready.then(() => within(Promise.all(running)))
        losers = ready.then(() => within(ended))
      }
      await ready
      running.add(ended)
      return () => {
        running.delete(ended)
        end()
      }
    },
  }
}
