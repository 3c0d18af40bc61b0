import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Buckets } from '../../src/admit/buckets.ts'
import type { Rate, Taken } from '../../src/admit/gcra.ts'

/** What every kind of buckets must do. `open` gives new ones each time; the clock is the real one. */
export type Twin = {
  name: string
  start?: () => Promise<void>
  open: () => Promise<Buckets>
  stop?: () => Promise<void>
}

/** One more each second: slow enough that a busy machine does not earn another between two takes. */
const RATE: Rate = { perSecond: 1, burst: 5 }
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
export const oks = (taken: readonly Taken[]): number => taken.filter(({ ok }) => ok).length

let keys = 0
/** A key that nobody used. */
export const newKey = (): string => `test:address:10.0.0.${keys++}`

export const contract = ({ name, start, open, stop }: Twin): void => {
  describe(name, () => {
    let buckets: Buckets
    beforeAll(async () => {
      await start?.()
      buckets = await open()
    })
    afterAll(() => stop?.())
    const many = async (key: string, n: number, rate = RATE): Promise<Taken[]> => {
      const taken: Taken[] = []
      for (let i = 0; i < n; i++) taken.push(await buckets.take(key, rate))
      return taken
    }

    test('a burst gets in, and says how much is left of it', async () => {
      expect(await many(newKey(), 5)).toEqual([4, 3, 2, 1, 0].map((left) => ({ ok: true, left })))
    })

    test('who asks above the burst is told when to come back, and gets in once then', async () => {
      const key = newKey()
      await many(key, 5)
      const refused = await buckets.take(key, RATE)
      if (refused.ok) throw new Error('it got in')
      expect(refused.waitMs).toBeGreaterThan(300)
      expect(refused.waitMs).toBeLessThanOrEqual(1000)
      await pause(refused.waitMs + 2)
      expect(oks(await many(key, 2))).toBe(1)
    })

    test('asking in vain costs nothing: it does not put off the next time', async () => {
      const key = newKey()
      await many(key, 5)
      await pause(600)
      expect(oks(await many(key, 20))).toBe(0)
      await pause(600)
      expect(oks(await many(key, 20))).toBe(1)
    })

    test('of many at once as many get in as one after another', async () => {
      const key = newKey()
      const rate = { perSecond: 0.1, burst: 40 }
      const taken = await Promise.all(Array.from({ length: 200 }, async () => buckets.take(key, rate)))
      expect(oks(taken)).toBe(40)
    })

    test('one caller takes nothing from another', async () => {
      await many(newKey(), 20)
      expect(oks(await many(newKey(), 5))).toBe(5)
    })

    test('an empty bucket is as good as a new one', async () => {
      const key = newKey()
      const rate = { perSecond: 20, burst: 5 }
      await many(key, 8, rate)
      await pause(300)
      expect(oks(await many(key, 5, rate))).toBe(5)
    })
  })
}
