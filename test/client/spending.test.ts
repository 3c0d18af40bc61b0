import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSpending } from '../../src/client/spending.ts'
import type { Usd } from '../../src/money.ts'
import { jumpingClock } from './router.ts'

const usd = (micro: bigint) => micro as Usd

test('what is signed and open counts like what is spent', () => {
  const spending = openSpending({ maxTotal: usd(100n) })
  expect(spending.reserve(usd(60n)).ok).toBe(true)
  expect(spending.reserve(usd(41n))).toEqual({ ok: false, limit: 'maxTotal', left: 40n })
  expect(spending.reserve(usd(40n)).ok).toBe(true)
  expect(spending.totals()).toMatchObject({ reserved: 100n, spent: 0n })
})

test('a call that cost nothing gives its money back, once', () => {
  const spending = openSpending({ maxTotal: usd(100n), maxPerHour: usd(100n) })
  const first = spending.reserve(usd(100n))
  if (!first.ok) throw new Error('not reserved')
  first.hold.release()
  first.hold.release()
  first.hold.spend()
  expect(spending.totals()).toMatchObject({ reserved: 0n, spent: 0n, lastHour: 0n })
})

test('the hourly limit frees itself after an hour, the total never', () => {
  const clock = jumpingClock()
  const spending = openSpending({ maxTotal: usd(150n), maxPerHour: usd(100n), clock })
  const first = spending.reserve(usd(100n))
  if (first.ok) first.hold.spend()
  clock.jump(3_599_000)
  expect(spending.reserve(usd(1n))).toEqual({ ok: false, limit: 'maxPerHour', left: 0n })
  clock.jump(2_000)
  expect(spending.totals().lastHour).toBe(0n)
  expect(spending.reserve(usd(51n))).toEqual({ ok: false, limit: 'maxTotal', left: 50n })
  expect(spending.reserve(usd(50n)).ok).toBe(true)
})

test('a release after an hour takes nothing from the hour that runs', () => {
  const clock = jumpingClock()
  const spending = openSpending({ maxTotal: usd(1000n), maxPerHour: usd(100n), clock })
  const old = spending.reserve(usd(100n))
  clock.jump(3_601_000)
  expect(spending.reserve(usd(70n)).ok).toBe(true)
  if (old.ok) old.hold.release()
  expect(spending.totals()).toMatchObject({ lastHour: 70n, reserved: 70n })
})

test('no sequence of reservations, spends, releases and waits passes a limit', () => {
  const step = fc.record({
    amount: fc.bigInt(0n, 60n),
    end: fc.constantFrom('open', 'spend', 'release'),
    wait: fc.integer({ min: 0, max: 2_000_000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = jumpingClock()
      const spending = openSpending({ maxTotal: usd(500n), maxPerHour: usd(100n), clock })
      let kept = 0n
      for (const { amount, end, wait } of steps) {
        const reserved = spending.reserve(usd(amount))
        if (reserved.ok) {
          if (end === 'spend') reserved.hold.spend()
          if (end === 'release') reserved.hold.release()
          else kept += amount
        }
        const { reserved: open, spent, lastHour } = spending.totals()
        expect(open + spent).toBe(kept)
        expect(open + spent <= 500n && lastHour <= 100n && lastHour >= 0n).toBe(true)
        clock.jump(wait)
      }
    }),
  )
})
