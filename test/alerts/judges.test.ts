import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Event } from '../../src/accounts/events.ts'
import type { Budget } from '../../src/accounts/node.ts'
import { judgeSpend } from '../../src/alerts/anomaly.ts'
import { budgetEvents } from '../../src/alerts/budget-events.ts'
import { parseUsd, type Usd } from '../../src/money.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { handClock } from './world.ts'

const usd = (text: string): Usd => parseUsd(text)!
const budget: Budget = {
  id: 'b_1',
  per: 'day',
  limit: '10',
  kind: 'hard',
  window: 'calendar',
  zone: 'UTC',
  alerts: [100, 50, 80],
}
const node = { id: 'team_b', above: ['org_a'], name: 'Search' }
const window = { name: '2026-01-05', ends: 1_000_000 }

const percents = (before: string, after: string, more: Partial<Budget> = {}) =>
  budgetEvents({
    budget: { ...budget, ...more },
    node,
    before: usd(before),
    after: usd(after),
    window,
    now: 1,
  }).map(([put]) => (put!.value as unknown as Event).about['percent'])

describe('a budget tells each threshold that is passed', () => {
  test.each([
    ['0', '4.999999', []],
    ['0', '5', [50]],
    ['4.999999', '5', [50]],
    ['5', '7.999999', []],
    ['5', '8', [80]],
    ['0', '10', [50, 80, 100]],
    ['9.999999', '11', [100]],
    ['10', '12', []],
    ['8', '4', []],
  ])('from %s to %s of 10: %j', (before, after, wanted) => {
    expect(percents(before, after)).toEqual(wanted)
  })

  test('fractions of a percent are exact, and a limit of nothing tells nothing twice', () => {
    expect(percents('3.329999', '3.33', { alerts: [33.3] })).toEqual([33.3])
    expect(percents('0', '1', { limit: '0' })).toEqual([])
  })

  test('once a window each, whoever sees it', async () => {
    const clock = handClock(1)
    const records = memoryRecords({ clock })
    const pass = (name: string) =>
      Promise.all(
        budgetEvents({
          budget,
          node,
          before: usd('0'),
          after: usd('9'),
          window: { name, ends: 1_000 },
          now: 1,
        }).map(async (writes) => (await records.write(writes)).ok),
      )
    expect(await pass('monday')).toEqual([true, true])
    expect(await pass('monday')).toEqual([false, false])
    expect(await pass('tuesday')).toEqual([true, true])
    const events = await records.list<Event>('outbox', { limit: 9 })
    expect(events).toHaveLength(4)
    expect(events[0]!.value).toMatchObject({
      at: 'team_b',
      path: ['org_a', 'team_b'],
      about: { node: 'Search', level: 'team', limit: '10', used: '9', per: 'day', kind: 'hard' },
    })
  })
})

describe('an hour of spending stands out', () => {
  const hours = (count: number, text: string) => Array.from({ length: count }, () => usd(text))
  test.each([
    ['ten times what is usual', [...hours(100, '1'), usd('10')], true],
    ['three times what is usual', [...hours(100, '1'), usd('3')], false],
    ['a little more than that', [...hours(100, '1'), usd('3.01')], true],
    ['a first day', [...hours(23, '1'), usd('10')], false],
    ['little money', [...hours(100, '0.001'), usd('0.5')], false],
    ['the first spending ever', [...hours(100, '0'), usd('2')], true],
    ['who is always uneven', [...hours(50, '0'), ...hours(50, '10'), usd('20')], false],
    ['less than ever', [...hours(100, '5'), usd('0')], false],
    ['nothing at all', [], false],
  ])('%s', (_, series, wanted) => {
    expect(judgeSpend(series, usd('1')) !== undefined).toBe(wanted)
  })

  test('it agrees with the same reckoned in floating numbers', () => {
    const series = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 25, maxLength: 169 })
    fc.assert(
      fc.property(series, (given) => {
        const values = given.map((one) => BigInt(one) as Usd)
        const before = given.slice(0, -1)
        const mean = before.reduce((a, b) => a + b, 0) / before.length
        const sigma = Math.sqrt(before.reduce((a, b) => a + (b - mean) ** 2, 0) / before.length)
        const sorted = before.toSorted((a, b) => a - b)
        const half = sorted.length / 2
        const median = sorted.length % 2 ? sorted[Math.floor(half)]! : (sorted[half - 1]! + sorted[half]!) / 2
        const above = Math.max(1_000, mean + 4 * sigma, 3 * median)
        const last = given.at(-1)!
        // Where rounding could decide, either is right.
        if (Math.abs(last - above) < 5) return
        expect(judgeSpend(values, 1_000n as Usd) !== undefined).toBe(last > above)
      }),
      { numRuns: 200 },
    )
  })
})
