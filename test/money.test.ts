import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ceilDiv,
  costOf,
  parseAmount,
  parsePercent,
  parseRate,
  parseUsd,
  printRate,
  printUsd,
  type Rate,
  tokensFor,
  type Usd,
} from '../src/money.ts'

const many = { numRuns: 2_000 }
const usd = fc.bigInt(0n, 10n ** 24n - 1n).map((value) => value as Usd)
const rate = fc.bigInt(0n, 10n ** 16n).map((value) => value as Rate)
const margin = fc.bigInt(0n, 3_000_000n)
const tokens = fc.nat(10_000_000)

describe('dollars', () => {
  test('what is printed reads back the same', () => {
    fc.assert(
      fc.property(usd, (value) => parseUsd(printUsd(value)) === value),
      many,
    )
  })

  test.each([
    ['0', 0n],
    ['1', 1_000_000n],
    ['0.05', 50_000n],
    ['0.000001', 1n],
    ['12.340000', 12_340_000n],
    ['999999999999999999.999999', 10n ** 24n - 1n],
  ])('%s dollars are %s micro-dollars', (text, value) => {
    expect(parseUsd(text)).toBe(value)
  })

  test.each([
    '',
    ' ',
    '-1',
    '+1',
    '01',
    '1.',
    '.5',
    '1e3',
    '0x10',
    '1 ',
    ' 1',
    '1,5',
    '1.0000001',
    'NaN',
    'Infinity',
    '1000000000000000000',
    '1_000',
    '١',
    '1.5.5',
    '\n1',
    '1\n',
  ])('%j is not an amount of dollars', (text) => {
    expect(parseUsd(text)).toBeUndefined()
  })

  test('prints no trailing zeros, and a sign where it is owed', () => {
    expect(
      [0n, 1n, 50_000n, 1_000_000n, 1_500_000n, -50_000n].map((value) => printUsd(value as Usd)),
    ).toEqual(['0', '0.000001', '0.05', '1', '1.5', '-0.05'])
  })

  test('reading any text gives dollars or nothing, and never fails', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = parseUsd(text)
        return value === undefined || value >= 0n
      }),
      many,
    )
  })
})

describe('prices per million tokens', () => {
  test('what is printed reads back the same, to twelve decimals', () => {
    fc.assert(
      fc.property(rate, (value) => parseRate(printRate(value)) === value),
      many,
    )
    expect(parseRate('0.000000000001')).toBe(1n)
    expect(parseRate('0.0000000000001')).toBeUndefined()
  })

  test('a percentage has at most four decimals', () => {
    expect([parsePercent('5'), parsePercent('2.5'), parsePercent('0.0001'), parsePercent('0')]).toEqual([
      50_000n,
      25_000n,
      1n,
      0n,
    ])
    expect([parsePercent('0.00001'), parsePercent('-5'), parsePercent('5%')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('amounts on the wire', () => {
  test.each([
    '0x2710',
    ' 10000 ',
    '010000',
    '+10000',
    '0b10',
    '',
    '-1',
    '1e3',
    '1.0',
    '١',
    '00',
    '0o7',
    '10000n',
    '1_000',
    '\n1',
    '1\n',
    ' ',
    '9'.repeat(79),
  ])('%j is refused, though BigInt may read it', (text) => {
    expect(parseAmount(text)).toBeUndefined()
  })

  test('whole decimal numbers are read to the last digit', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 78n - 1n), (value) => parseAmount(value.toString()) === value),
      many,
    )
    expect(parseAmount((2n ** 256n - 1n).toString())).toBe(2n ** 256n - 1n)
  })

  test('whatever is read is written the same way', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789+-x. n'), maxLength: 8 })
    fc.assert(
      fc.property(digits, (text) => {
        const value = parseAmount(text)
        return value === undefined || value.toString() === text
      }),
      many,
    )
  })
})

describe('the price of tokens', () => {
  const part = fc.record({ tokens, rate })

  test('is summed exactly and rounded up once, by less than a micro-dollar', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), margin, (parts, margin) => {
        // In 10^-18 of a micro-dollar nothing is rounded.
        const exact =
          parts.reduce((sum, one) => sum + BigInt(one.tokens) * one.rate, 0n) * (1_000_000n + margin)
        const over = costOf(parts, margin) * 10n ** 18n - exact
        return over >= 0n && over < 10n ** 18n
      }),
      many,
    )
  })

  test('of many small parts is not rounded up part by part', () => {
    const tenth = { tokens: 1, rate: parseRate('0.1')! }
    expect(costOf([tenth], 0n)).toBe(1n)
    expect(costOf(Array(10).fill(tenth), 0n)).toBe(1n)
    expect(costOf([...Array(10).fill(tenth), tenth], 0n)).toBe(2n)
  })

  test('is the published one: a million tokens at 0.15 dollars and 5 percent are 0.1575 dollars', () => {
    expect(printUsd(costOf([{ tokens: 1_000_000, rate: parseRate('0.15')! }], parsePercent('5')!))).toBe(
      '0.1575',
    )
    expect(costOf([], 50_000n)).toBe(0n)
    expect(costOf([{ tokens: 0, rate: parseRate('5')! }], 50_000n)).toBe(0n)
  })

  test('never falls when there are more tokens, a higher price or a higher margin', () => {
    fc.assert(
      fc.property(part, margin, fc.nat(1000), (one, margin, more) => {
        const cost = costOf([one], margin)
        return (
          costOf([{ ...one, tokens: one.tokens + more }], margin) >= cost &&
          costOf([{ ...one, rate: (one.rate + BigInt(more)) as Rate }], margin) >= cost &&
          costOf([one], margin + BigInt(more)) >= cost
        )
      }),
      many,
    )
  })
})

describe('the tokens that fit a budget', () => {
  const budget = fc.bigInt(0n, 10n ** 9n).map((value) => value as Usd)
  const paidRate = fc.bigInt(1n, 10n ** 16n).map((value) => value as Rate)

  test('cost no more than it, and one more would', () => {
    fc.assert(
      fc.property(budget, paidRate, margin, (budget, rate, margin) => {
        const fit = tokensFor(budget, rate, margin)
        if (fit === Number.MAX_SAFE_INTEGER) return true
        return (
          costOf([{ tokens: fit, rate }], margin) <= budget &&
          costOf([{ tokens: fit + 1, rate }], margin) > budget
        )
      }),
      many,
    )
  })

  test('are none for nothing, and as many as can be counted where they are free', () => {
    expect(tokensFor(0n as Usd, 1n as Rate, 0n)).toBe(0)
    expect(tokensFor(-5n as Usd, 1n as Rate, 0n)).toBe(0)
    expect(tokensFor(1n as Usd, 0n as Rate, 0n)).toBe(Number.MAX_SAFE_INTEGER)
    expect(tokensFor((10n ** 18n) as Usd, 1n as Rate, 0n)).toBe(Number.MAX_SAFE_INTEGER)
  })
})

test('division rounds up, and exactly where it can', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 20n), fc.bigInt(1n, 10n ** 10n), (a, b) => {
      const up = ceilDiv(a, b)
      return up * b >= a && (up - 1n) * b < a
    }),
    many,
  )
})

test('a price of more digits than a float holds is exact', () => {
  const parts = [{ tokens: 9_007_199_254_740_991, rate: 9_007_199_254_740_993n as Rate }]
  const exact = 9_007_199_254_740_991n * 9_007_199_254_740_993n * 1_000_000n
  const divisor = 10n ** 18n
  expect(costOf(parts, 0n)).toBe((exact + divisor - 1n) / divisor)
})
