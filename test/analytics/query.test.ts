import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Histogram, joined, percentile, timed } from '../../src/analytics/histogram.ts'
import { placeOf, rowId } from '../../src/analytics/places.ts'
import {
  before,
  booksOf,
  bucketsOf,
  figuresOf,
  lately,
  series,
  summary,
  top,
} from '../../src/analytics/query.ts'
import type { Cell } from '../../src/analytics/read.ts'
import { NOTHING, type Packed, packed, plus, type Sums, unpacked } from '../../src/analytics/sums.ts'
import { csv } from '../../src/csv.ts'
import type { Usd } from '../../src/money.ts'

const cell = (bucket: string, value: string, sums: Partial<Sums>): Cell => ({
  bucket,
  value,
  sums: { ...NOTHING, ...sums },
})

test('percentiles are within a tenth of the times that were measured', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1 }), (times) => {
      const all = times.map(timed).reduce(joined, {} as Histogram)
      const sorted = times.toSorted((a, b) => a - b)
      for (const share of [0.5, 0.9, 0.99, 1]) {
        const real = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
        expect(Math.abs(percentile(all, share)! - real)).toBeLessThanOrEqual(real * 0.1 + 1)
      }
    }),
  )
  expect(percentile({}, 0.5)).toBeUndefined()
  expect(percentile(timed(0), 0.5)).toBe(0)
})

test('sums come back from their row as they were', () => {
  const money = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
  const sums = fc.record({
    calls: fc.nat(),
    charged: money,
    cost: money,
    unpaid: money,
    gas: fc.dictionary(fc.constantFrom('eip155:1', 'eip155:8453'), fc.bigInt({ min: 1n, max: 10n ** 30n })),
    whole: fc.constantFrom({}, { '3': 2 }),
  })
  fc.assert(
    fc.property(sums, sums, (a, b) => {
      const [one, other] = [a, b].map((some): Sums => ({ ...NOTHING, ...some, gas: { ...some.gas } }))
      const sum = plus(one!, other!)
      expect(unpacked(JSON.parse(JSON.stringify(packed(sum))) as Packed)).toEqual(sum)
      expect(sum.charged).toBe(a.charged + b.charged)
    }),
  )
})

test('whatever a caller names a tag, its row has an id that records take, and it is read back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (value) => {
      const id = rowId({
        scope: `key_${'a'.repeat(22)}`,
        grain: 'd',
        dim: 'tag',
        bucket: '2026-11-21',
        value,
      })
      expect(id).toMatch(/^[!-~]{1,200}$/)
      expect(id.split('/')).toHaveLength(5)
      const text = value.toWellFormed()
      expect(placeOf(id, id.includes('/~') ? text : undefined)).toEqual({ bucket: '2026-11-21', value: text })
    }),
    { numRuns: 10 },
  )
  const place = { scope: 'site', grain: 'd', dim: 'tag', bucket: '2026-11-21' } as const
  expect(rowId({ ...place, value: 'x'.repeat(300) })).not.toBe(
    rowId({ ...place, value: `${'x'.repeat(299)}y` }),
  )
})

test('days and hours that had no call are there and nothing', () => {
  const period = { from: '2026-02-27', to: '2026-03-02' }
  const days = series([cell('2026-02-28', '-', { calls: 3, charged: 50n })], period, 'd')
  expect(days.map(({ bucket, sums }) => [bucket, sums.calls, sums.charged])).toEqual([
    ['2026-02-27', 0, 0n],
    ['2026-02-28', 3, 50n],
    ['2026-03-01', 0, 0n],
    ['2026-03-02', 0, 0n],
  ])
  const hours = bucketsOf({ from: '2026-03-01', to: '2026-03-02' }, 'h')
  expect([hours.length, hours[0], hours.at(-1)]).toEqual([48, '2026-03-01T00', '2026-03-02T23'])
})

test('a period is compared with as many days before it', () => {
  expect(before({ from: '2026-03-01', to: '2026-03-31' })).toEqual({ from: '2026-01-29', to: '2026-02-28' })
  expect(lately(Date.parse('2026-11-21T23:59:59Z'), 30)).toEqual({ from: '2026-10-23', to: '2026-11-21' })
})

test('margin is what is left of the spend when providers are paid, and gas and bad debts are taken off when their worth is known', () => {
  const sums = {
    ...NOTHING,
    charged: 1_000n,
    refunded: 100n,
    cost: 700n,
    flagship: 4_000n,
    unpaid: 50n,
    gas: { 'eip155:8453': 10n ** 12n },
  }
  expect(figuresOf(sums)).toMatchObject({ spend: 900n, savings: 3_000n })
  expect(booksOf(sums)).not.toHaveProperty('net')
  const usdOfGas = (chain: string, wei: bigint) =>
    chain === 'eip155:8453' ? (((wei * 3_000n * 1_000_000n) / 10n ** 18n) as Usd) : undefined
  expect(booksOf(sums, usdOfGas)).toMatchObject({ margin: 200n, gasUsd: 3_000n, net: -2_850n })
  const elsewhere = { ...sums, gas: { ...sums.gas, 'eip155:1': 1n } }
  expect(booksOf(elsewhere, usdOfGas)).not.toHaveProperty('net')
})

test('the values with the most of a figure come first, and the rest is summed', () => {
  const cells = [
    cell('2026-11-20', 'b', { charged: 10n, calls: 9 }),
    cell('2026-11-21', 'b', { charged: 10n, calls: 9 }),
    cell('2026-11-21', 'a', { charged: 20n, calls: 1 }),
    cell('2026-11-21', 'c', { charged: 30n, refunded: 29n, calls: 2 }),
    cell('2026-11-21', 'd', { charged: 2n, cost: 90n, calls: 2 }),
  ]
  const names = (of: ReturnType<typeof top>) => of.values.map(({ value }) => value)
  expect(names(top(cells, 'spend', 2))).toEqual(['a', 'b'])
  expect(top(cells, 'spend', 2).rest).toMatchObject({ values: 2, sums: { charged: 32n } })
  expect(names(top(cells, 'calls', 9))).toEqual(['b', 'c', 'd', 'a'])
  expect(names(top(cells, 'margin', 9)).at(-1)).toBe('d')
  expect(summary(cells).charged).toBe(72n)
})

test('a spreadsheet takes no text of a caller for a formula, and reads every cell back', () => {
  const evil = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1', 'a"b', 'a,b', 'a\nb', 'é']
  expect(csv([evil]).split(',')[0]).toBe("'=1+1")
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom(...evil)), { minLength: 1, maxLength: 5 }),
      (cells) => {
        const text = csv([cells])
        expect(text.endsWith('\r\n')).toBe(true)
        const read = cellsOf(text.slice(0, -2))
        expect(read.map((one, i) => (one === `'${cells[i]}` ? cells[i] : one))).toEqual(cells)
        for (const one of read) expect(one).not.toMatch(/^[=+\-@\t\r]/)
      },
    ),
  )
  expect(csv([[{ number: '-0.5' }, 3, 2n]])).toBe('-0.5,3,2\r\n')
})

/** One line of RFC 4180. */
const cellsOf = (line: string): string[] => {
  const cells = ['']
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const sign = line[i]!
    if (sign === '"' && quoted && line[i + 1] === '"') i++
    else if (sign === '"') {
      quoted = !quoted
      continue
    } else if (sign === ',' && !quoted) {
      cells.push('')
      continue
    }
    cells[cells.length - 1] += sign
  }
  return cells
}
