import type { Clock } from '../clock.ts'

/** Something that began and can be ended. */
type Running = { abort: () => void }

/** Asks for it; undefined when it is not to be had there. Ends early with the signal. */
export type Leg<T> = (signal: AbortSignal) => Promise<T | undefined>

/**
 * Asks the first, and when it takes longer than `afterMs` the second beside it. Whichever begins first is kept, the other
 * is ended at once. Undefined when neither begins; a first that fails before `afterMs` is not followed by the second.
 */
export const hedged = async <T extends Running>(
  { clock, outer, afterMs }: { clock: Clock; outer: AbortSignal; afterMs: number },
  first: Leg<T>,
  second: Leg<T>,
): Promise<T | undefined> => {
  const one = start(first, outer)
  const waited = new AbortController()
  const late = clock.sleep(afterMs, waited.signal).then(() => 'late' as const)
  const early = await Promise.race([one.result, late]).finally(() => waited.abort())
  if (early !== 'late') return one.keep(await one.result)
  const two = start(second, outer)
  const winner = await firstOf([one, two])
  const loser = winner?.leg === one ? two : one
  // One that fails in a way nobody foresaw after it has lost is nobody's any more.
  if (winner) void loser.end()
  return winner?.leg.keep(winner.begun)
}

/** One side of the race, with a signal of its own beside the outer one. */
const start = <T extends Running>(leg: Leg<T>, outer: AbortSignal) => {
  const own = new AbortController()
  const follow = () => own.abort()
  const unlink = () => outer.removeEventListener('abort', follow)
  if (outer.aborted) follow()
  outer.addEventListener('abort', follow)
  const result = leg(own.signal).catch((error) => {
    unlink()
    throw error
  })
  return {
    result,
    /** The winner follows the outer signal until it ends. */
    keep: (begun: T | undefined): T | undefined => {
      if (!begun) {
        unlink()
        return undefined
      }
      const abort = () => {
        unlink()
        begun.abort()
      }
      return { ...begun, abort }
    },
    end: async (): Promise<void> => {
      own.abort()
      unlink()
      const begun = await result.catch(() => undefined)
      begun?.abort()
    },
  }
}

type Started<T extends Running> = ReturnType<typeof start<T>>

/** The first that began; undefined when none did. Rejects as the last of them does. */
const firstOf = async <T extends Running>(
  legs: readonly Started<T>[],
): Promise<{ leg: Started<T>; begun: T } | undefined> =>
  new Promise((resolve, reject) => {
    let open = legs.length
    let failure: unknown
    const over = () => {
      open--
      if (open > 0) return
      if (failure === undefined) resolve(undefined)
      else reject(failure)
    }
    for (const leg of legs) {
      leg.result.then(
        (begun) => (begun ? resolve({ leg, begun }) : over()),
        (error) => {
          failure = error
          over()
        },
      )
    }
  })
