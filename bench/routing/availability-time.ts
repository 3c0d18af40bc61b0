import type { Clock } from '../../src/clock.ts'

type Due = { at: number; order: number; run: () => void; over: boolean }

/** Time of its own: nothing waits, the next thing that is due happens at once. */
export type VirtualTime = {
  clock: Clock
  /** Runs something at a moment, ms. */
  at: (ms: number, run: () => void) => void
  /** Moves on to a moment at which nothing is due any more. */
  leap: (ms: number) => void
  /** Until nothing is due. */
  settle: () => Promise<void>
}

/** Time that the product's own timers follow as well, until `release` gives them back. */
export const takeTime = (start: number, roll: () => number): VirtualTime & { release: () => void } => {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    random: Math.random,
  }
  const queue: Due[] = []
  let now = start
  let count = 0
  const put = (at: number, run: () => void): Due => {
    const due = { at, order: count++, run, over: false }
    push(queue, due)
    return due
  }
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        due.over = true
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const due = put(now + ms, wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  globalThis.setTimeout = ((run: () => void, ms = 0) => put(now + ms, run)) as unknown as typeof setTimeout
  globalThis.clearTimeout = ((due: Due | undefined) => {
    if (due) due.over = true
  }) as unknown as typeof clearTimeout
  Math.random = roll
  return {
    clock: { now: () => now, sleep },
    at: put,
    leap: (ms) => {
      now = Math.max(now, ms)
    },
    settle: async () => {
      for (let due = pop(queue); due; due = pop(queue)) {
        if (due.over) continue
        now = due.at
        due.run()
        // Promises that follow from it come first, however many steps they take.
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    },
    release: () => {
      globalThis.setTimeout = real.setTimeout
      globalThis.clearTimeout = real.clearTimeout
      Math.random = real.random
    },
  }
}

const sooner = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

const push = (heap: Due[], due: Due): void => {
  let i = heap.push(due) - 1
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!sooner(due, heap[parent]!)) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = due
}

const pop = (heap: Due[]): Due | undefined => {
  const top = heap[0]
  const last = heap.pop()
  if (!top || !last || heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && sooner(heap[child + 1]!, heap[child]!)) child++
    if (!sooner(heap[child]!, last)) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return top
}
