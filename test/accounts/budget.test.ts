import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBudgets, leftOf, usedOf } from '../../src/accounts/budget.ts'
import type { Budget } from '../../src/accounts/node.ts'
import { isZone } from '../../src/accounts/zone.ts'
import type { Drawn } from '../../src/ledger/call.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { windowBegan } from '../../src/ledger/names.ts'
import { aCall } from '../ledger/fixtures.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const ZONES = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Australia/Lord_Howe',
  // Its summer ended at one minute past midnight: a day began, ended, and began again.
  'America/St_Johns',
  // Its summer ends at one o'clock: midnight comes twice.
  'America/Havana',
]

/** Times at which the clocks of one of the zones were changed. */
const CHANGES = [
  '2026-03-08T07:00Z',
  '2026-11-01T06:00Z',
  '2026-03-29T01:00Z',
  '2026-10-25T01:00Z',
  '2011-12-30T10:00Z',
  '2012-03-31T14:00Z',
  '2026-04-04T15:00Z',
  '2026-10-03T15:30Z',
  '2010-11-07T02:31Z',
  '2010-03-14T03:31Z',
  '2026-03-08T05:00Z',
  '2026-11-01T05:00Z',
].map((text) => Date.parse(text))

const aBudget = (change: Partial<Budget> = {}): Budget => ({
  id: 'b1',
  per: 'day',
  limit: '10',
  kind: 'hard',
  window: 'calendar',
  zone: 'UTC',
  alerts: [],
  ...change,
})

const anyTime = fc.oneof(
  fc.integer({ min: Date.UTC(2005, 0), max: Date.UTC(2035, 0) }),
  fc
    .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -3 * HOUR, max: 3 * HOUR }))
    .map(([at, by]) => at + by),
  fc
    .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -50 * HOUR, max: 50 * HOUR }))
    .map(([at, by]) => at + by),
)
const anyZone = fc.constantFrom(...ZONES)

const clocks = new Map(
  ZONES.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }),
  ]),
)
/** What the clocks of a zone show: 2026-11-21 21:30. */
const shown = (zone: string, at: number): string => clocks.get(zone)!.format(at)
const floor = (at: number, to: number) => Math.floor(at / to) * to

/** The slow way for a day or a month: looks at the clock every minute or quarter of an hour. */
const slowly = (zone: string, letters: number, now: number, step: number, reach: number) => {
  const label = (at: number) => shown(zone, at).slice(0, letters)
  let latest = ''
  for (let at = floor(now, step) - 3 * HOUR; at <= now; at += step) if (label(at) > latest) latest = label(at)
  let from = floor(now, step)
  for (let at = from; at > now - reach; at -= step) if (label(at) >= latest) from = at
  let to = floor(now, step) + step
  while (label(to) <= latest) to += step
  return { from, to }
}

describe('a calendar window', () => {
  test('of a day begins when its zone first comes to that day, whatever happens to the clocks', () => {
    const { windowOf } = createBudgets()
    fc.assert(
      fc.property(anyZone, anyTime, (zone, now) => {
        const window = windowOf(aBudget({ zone }), now)!
        const { from, to } = slowly(
          zone,
          10,
          now,
          zone === 'America/St_Johns' ? MINUTE : 15 * MINUTE,
          52 * HOUR,
        )
        expect({ zone, from: window.from, to: window.resets }).toEqual({ zone, from, to })
      }),
      { numRuns: 250 },
    )
  })

  test('of a month is the month of its zone', () => {
    const { windowOf } = createBudgets()
    fc.assert(
      fc.property(
        anyZone.filter((zone) => zone !== 'America/St_Johns'),
        anyTime,
        (zone, now) => {
          const window = windowOf(aBudget({ zone, per: 'month' }), now)!
          const { from, to } = slowly(zone, 7, now, 15 * MINUTE, 33 * DAY)
          expect({ zone, from: window.from, to: window.resets }).toEqual({
            zone,
            from,
            to,
          })
        },
      ),
      { numRuns: 30 },
    )
  })

  test('of an hour is one of the clock, and begins anew where the clock is changed', () => {
    const { windowOf } = createBudgets()
    fc.assert(
      fc.property(anyZone, anyTime, (zone, now) => {
        const window = windowOf(aBudget({ zone, per: 'hour' }), now)!
        const wall = (at: number) => Date.parse(`${shown(zone, at).replace(' ', 'T')}Z`)
        const begins = (at: number) => wall(at) % HOUR === 0 || wall(at) - wall(at - MINUTE) !== MINUTE
        let from = floor(now, MINUTE)
        while (!begins(from)) from -= MINUTE
        let to = floor(now, MINUTE) + MINUTE
        while (!begins(to)) to += MINUTE
        expect({ zone, from: window.from, to: window.resets }).toEqual({ zone, from, to })
      }),
      { numRuns: 300 },
    )
  })

  test('has no time between it and the next one, its name sorts by time and says when it began', () => {
    const { windowOf } = createBudgets()
    fc.assert(
      fc.property(anyZone, anyTime, fc.constantFrom('hour', 'day', 'month'), (zone, now, per) => {
        const budget = aBudget({ zone, per })
        let last = windowOf(budget, now)!
        for (let n = 0; n < 3; n++) {
          const next = windowOf(budget, last.resets!)!
          expect(next.from).toBe(last.resets)
          expect(next.name > last.name).toBe(true)
          expect(windowOf(budget, next.from - 1)).toEqual(last)
          expect(windowBegan(`budget:org_1:b1:${next.name}`)).toBe(next.from)
          last = next
        }
      }),
      { numRuns: 200 },
    )
  })

  test('has 23 hours on the day when summer begins in New York, 25 when it ends, and Apia never had 30 December 2011', () => {
    const { windowOf } = createBudgets()
    const hours = (zone: string, at: string) => {
      const { from, resets } = windowOf(aBudget({ zone }), Date.parse(at))!
      return (resets! - from) / HOUR
    }
    expect(hours('America/New_York', '2026-03-08T15:00Z')).toBe(23)
    expect(hours('America/New_York', '2026-11-01T15:00Z')).toBe(25)
    expect(hours('Europe/Berlin', '2026-06-01T15:00Z')).toBe(24)
    expect(hours('Pacific/Apia', '2011-12-30T09:59Z')).toBe(24)
    expect(windowOf(aBudget({ zone: 'Pacific/Apia' }), Date.parse('2011-12-30T10:00Z'))).toEqual({
      name: '20111230T1000Z',
      from: Date.parse('2011-12-30T10:00Z'),
      resets: Date.parse('2011-12-31T10:00Z'),
    })
  })
})

describe('a rolling window', () => {
  const LENGTH = { hour: HOUR, day: DAY, month: 30 * DAY }
  const PIECE = { hour: 2 * MINUTE, day: HOUR, month: DAY }

  test('never lets more than its limit through, however the window is laid over time', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('hour', 'day', 'month'),
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.12, noNaN: true }), fc.integer({ min: 1, max: 400 })), {
          minLength: 20,
          maxLength: 80,
        }),
        (per, steps) => {
          const { drawOf } = createBudgets()
          const budget = aBudget({ per, window: 'rolling', limit: '0.001' })
          const counters: Record<string, bigint> = {}
          const taken: { at: number; by: number }[] = []
          const sum = (from: number, to: number) =>
            taken.filter(({ at }) => at > from && at <= to).reduce((all, { by }) => all + by, 0)
          let now = Date.UTC(2026, 10, 21, 21, 58, 31)
          for (const [wait, by] of steps) {
            now += Math.floor(wait * LENGTH[per])
            const { drawn } = drawOf('org_1', budget, now)!
            const used = usedOf(drawn, counters)
            if (used + BigInt(by) > drawn.limit!) {
              // Refused no earlier than one piece more than the window would.
              expect(sum(now - LENGTH[per] - PIECE[per] - 1, now) + by).toBeGreaterThan(1_000)
              continue
            }
            counters[drawn.counter] = (counters[drawn.counter] ?? 0n) + BigInt(by)
            taken.push({ at: now, by })
          }
          for (const { at } of taken) expect(sum(at - LENGTH[per] - 1, at)).toBeLessThanOrEqual(1_000)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('counts at most 32 names, all different, the oldest first, and one that is yet to come', () => {
    const { drawOf } = createBudgets()
    for (const per of ['hour', 'day', 'month'] as const) {
      const { drawn, window } = drawOf('org_1', aBudget({ per, window: 'rolling' }), 1_790_000_000_000)!
      const { beside = [], counter } = drawn
      const names = [...beside.slice(0, -1), counter, beside.at(-1)!]
      expect(names.length).toBeLessThanOrEqual(32)
      expect(new Set(names).size).toBe(names.length)
      expect(names.toSorted()).toEqual(names)
      expect(windowBegan(names[0]!)).toBe(window.from)
      expect(windowBegan(beside.at(-1)!)).toBe(window.resets)
      expect(window.resets! - 1_790_000_000_000).toBeLessThanOrEqual(PIECE[per])
    }
  })

  test('is not passed by a call that was let in before its next piece began and is claimed after', async () => {
    for (const per of ['hour', 'day', 'month'] as const) {
      const ledger = memoryLedger({ clock: { now: () => 1, sleep: async () => {} } })
      const { drawOf } = createBudgets()
      const budget = aBudget({ per, window: 'rolling', limit: '0.0001' })
      const claim = (drawn: Drawn) =>
        ledger.post({ type: 'claim', call: aCall({ budgets: [drawn] }), limits: {} })
      const early = drawOf('org_1', budget, 1_790_000_000_000)!
      const next = drawOf('org_1', budget, early.window.resets!)!
      expect(await claim(next.drawn)).toMatchObject({ ok: true })
      expect(await claim(early.drawn)).toMatchObject({ ok: false, why: 'limit', value: 100n })
    }
  })
})

describe('a budget', () => {
  const now = Date.parse('2026-11-21T21:58:31Z')

  test('names its node, itself and its window, and has a limit only when it is hard', () => {
    const { drawOf } = createBudgets()
    expect(drawOf('team_7', aBudget(), now)?.drawn).toEqual({
      counter: 'budget:team_7:b1:20261121T0000Z',
      limit: 10_000_000n,
    })
    expect(drawOf('team_7', aBudget({ kind: 'soft' }), now)?.drawn).toEqual({
      counter: 'budget:team_7:b1:20261121T0000Z',
    })
    expect(drawOf('team_7', aBudget({ per: 'total' }), now)).toMatchObject({
      drawn: { counter: 'budget:team_7:b1:total' },
      window: { resets: undefined },
    })
    expect(drawOf('team_7', aBudget({ per: 'call' }), now)).toBeUndefined()
  })

  test('keeps its counter when its limit changes, and gets another with the next window', () => {
    const { drawOf } = createBudgets()
    const budget = aBudget()
    const { drawn } = drawOf('org_1', budget, now)!
    const raised = drawOf('org_1', { ...budget, limit: '20' }, now)!.drawn
    expect(raised).toEqual({ counter: drawn.counter, limit: 20_000_000n })
    expect(drawOf('org_1', budget, now + HOUR)?.drawn).toBe(drawn)
    expect(drawOf('org_1', budget, now + DAY)?.drawn.counter).toBe('budget:org_1:b1:20261122T0000Z')
    expect(drawOf('org_1', budget, now)?.drawn).toEqual(drawn)
    expect(drawOf('org_2', budget, now)?.drawn.counter).toBe('budget:org_2:b1:20261121T0000Z')
  })

  test('that cannot be read lets nothing through', () => {
    const { drawOf } = createBudgets()
    expect(drawOf('org_1', aBudget({ limit: '1e9' }), now)?.drawn.limit).toBe(0n)
  })

  test('has left what is not spent, and never less than nothing', () => {
    expect(leftOf(aBudget(), 4_000_000n)).toBe(6_000_000n)
    expect(leftOf(aBudget(), 14_000_000n)).toBe(0n)
  })

  test('costs no look at the calendar within its window', () => {
    const { drawOf } = createBudgets()
    const budget = aBudget({ zone: 'America/New_York' })
    const real = Intl.DateTimeFormat.prototype.formatToParts
    let looks = 0
    Intl.DateTimeFormat.prototype.formatToParts = function (...args) {
      looks++
      return real.apply(this, args)
    }
    try {
      drawOf('org_1', budget, now)
      const first = looks
      for (let i = 0; i < 1_000; i++) drawOf('org_1', { ...budget }, now + i)
      expect(looks).toBe(first)
    } finally {
      Intl.DateTimeFormat.prototype.formatToParts = real
    }
  })
})

test('a time zone is known by its IANA name', () => {
  expect(ZONES.every(isZone)).toBe(true)
  expect(isZone('Mars/Olympus_Mons')).toBe(false)
})
