import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKnown, memoryBuckets } from '../../src/admit/buckets.ts'
import { type Rate, take } from '../../src/admit/gcra.ts'
import { systemClock } from '../../src/clock.ts'
import { contract } from './contract.ts'

contract({ name: 'in memory', open: async () => memoryBuckets({ clock: systemClock }) })

const at = (from = Date.now()) => {
  const time = { now: from }
  return { time, clock: { now: () => time.now, sleep: systemClock.sleep } }
}

test('in no stretch of time more gets in than the burst and what the rate adds', () => {
  const rates = fc.record({
    perSecond: fc.double({ min: 0.1, max: 1_000, noNaN: true }),
    burst: fc.integer({ min: 1, max: 50 }),
  })
  const steps = fc.array(fc.double({ min: 0, max: 2_000, noNaN: true }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(rates, steps, (rate, waits) => {
      let now = 1.79e12
      let until = 0
      const times: number[] = []
      for (const wait of waits) {
        now += wait
        const next = take(until, now, rate)
        until = next.until
        if (next.taken.ok) times.push(now)
      }
      for (const [i, from] of times.entries()) {
        for (const [j, to] of times.slice(i).entries())
          expect(j + 1).toBeLessThanOrEqual(rate.burst + ((to - from) / 1000) * rate.perSecond + 0.01)
      }
    }),
  )
})

test('a clock that is set back locks nobody out for long', () => {
  const { time, clock } = at()
  const rate: Rate = { perSecond: 1, burst: 2 }
  const buckets = memoryBuckets({ clock })
  buckets.take('a', rate)
  buckets.take('a', rate)
  time.now -= 3_600_000
  const refused = buckets.take('a', rate)
  expect(refused).toMatchObject({ ok: false })
  time.now += 5_000
  expect(buckets.take('a', rate)).toMatchObject({ ok: true })
})

test('a million callers leave no more behind than a few', () => {
  const { clock } = at()
  const known = createKnown({ clock, fresh: () => ({ until: 0 }), most: 1_000 })
  for (let i = 0; i < 1_000_000; i++)
    known.get(`unpaid:address:2001:db8:${i}::/64`, { perSecond: 50, burst: 200 })
  expect(known.size()).toBeLessThanOrEqual(2_000)
})

test('whoever keeps asking is remembered while a million others come', () => {
  const { clock } = at()
  const rate: Rate = { perSecond: 0.001, burst: 3 }
  const buckets = memoryBuckets({ clock, most: 1_000 })
  let allowed = 0
  for (let i = 0; i < 1_000_000; i++) {
    buckets.take(`stranger ${i}`, rate)
    if (i % 500 === 0 && (buckets.take('steady', rate) as { ok: boolean }).ok) allowed++
  }
  expect(allowed).toBe(3)
})

test('what nobody asks for is forgotten once it is empty, and never before', () => {
  const { time, clock } = at()
  const rate: Rate = { perSecond: 1, burst: 10 }
  const known = createKnown({ clock, fresh: () => ({ until: 0 }) })
  const first = known.get('a', rate)
  time.now += 9_000
  known.get('b', rate)
  expect(known.get('a', rate)).toBe(first)
  for (let i = 0; i < 3; i++) {
    time.now += 11_000
    known.get(`c${i}`, rate)
  }
  expect(known.get('a', rate)).not.toBe(first)
  expect(known.size()).toBeLessThanOrEqual(3)
})
