import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRate, type Rate } from '../../src/money.ts'
import { most, price } from '../../src/quote/price.ts'
import { prices } from '../support/models.ts'

const tokens = fc.record({
  fresh: fc.nat(10_000_000),
  cached: fc.nat(10_000_000),
  written: fc.nat(10_000_000),
  output: fc.nat(10_000_000),
})
const rate = fc.bigInt({ min: 0n, max: 10n ** 15n }).map((value) => value as Rate)
const rates = fc.record({ input: rate, output: rate, cachedInput: rate, cacheWrite: rate })
const margin = fc.bigInt({ min: 0n, max: 2_000_000n })
const of = ({
  fresh,
  cached,
  written,
  output,
}: {
  fresh: number
  cached: number
  written: number
  output: number
}) => ({
  input: fresh + cached + written,
  cached,
  written,
  output,
})

test.each([
  [{ input: 0, cached: 0, output: 0 }, prices('1', '2'), 0n, 0n],
  [{ input: 10, cached: 0, output: 2 }, prices('1', '2'), 0n, 14n],
  [{ input: 1, cached: 0, output: 0 }, prices('0.000000000001', '0'), 0n, 1n],
  [{ input: 1_000_000, cached: 0, output: 0 }, prices('0.15', '0.60'), 0n, 150_000n],
  [{ input: 1_000_000, cached: 400_000, output: 0 }, prices('1', '2', '0.1'), 0n, 640_000n],
  [{ input: 1_000_000, cached: 0, output: 1_000_000 }, prices('1', '2'), 50_000n, 3_150_000n],
  // Two thirds of a micro-dollar twice are four thirds, not two times one.
  [{ input: 2, cached: 0, output: 2 }, prices('0.333333333333', '0.333333333333'), 0n, 2n],
] as const)('%j costs what the price list says, rounded up once', (used, list, more, expected) => {
  expect(price(used, list, more)).toBe(expected)
})

test('the price is the exact sum, rounded up to a micro-dollar', () => {
  fc.assert(
    fc.property(tokens, rates, margin, (used, list, more) => {
      const cost = price(of(used), list, more)
      const exact =
        (BigInt(used.fresh) * list.input +
          BigInt(used.cached) * list.cachedInput +
          BigInt(used.written) * list.cacheWrite +
          BigInt(used.output) * list.output) *
        (1_000_000n + more)
      const unit = 10n ** 18n
      expect(cost * unit).toBeGreaterThanOrEqual(exact)
      expect((cost - 1n) * unit).toBeLessThan(exact)
    }),
  )
})

test('more tokens, a higher rate or a higher margin never cost less', () => {
  fc.assert(
    fc.property(tokens, tokens, rates, rates, margin, margin, (a, b, list, other, low, high) => {
      const more = {
        fresh: a.fresh + b.fresh,
        cached: a.cached + b.cached,
        written: a.written + b.written,
        output: a.output + b.output,
      }
      const dearer = {
        input: (list.input + other.input) as Rate,
        output: (list.output + other.output) as Rate,
        cachedInput: (list.cachedInput + other.cachedInput) as Rate,
        cacheWrite: (list.cacheWrite + other.cacheWrite) as Rate,
      }
      const cost = price(of(a), list, low)
      expect(price(of(more), list, low)).toBeGreaterThanOrEqual(cost)
      expect(price(of(a), dearer, low)).toBeGreaterThanOrEqual(cost)
      expect(price(of(a), list, low + high)).toBeGreaterThanOrEqual(cost)
    }),
  )
})

const tiered = {
  ...prices('1', '2', '0.1'),
  cacheWrite: parseRate('1.25') as Rate,
  tiers: [{ over: 200_000, ...prices('2', '3', '0.2') }],
}

test('a request whose input passes the threshold costs the dearer price as a whole', () => {
  const at = (input: number) => price({ input, cached: 0, output: 1_000_000 }, tiered, 0n)
  expect([at(200_000), at(200_001)]).toEqual([2_200_000n, 3_400_002n])
})

test('nothing that is used ever costs more than the most that it was said to', () => {
  const part = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      rates,
      rates,
      fc.nat(400_000),
      fc.nat(400_000),
      part,
      part,
      part,
      part,
      margin,
      (base, dear, input, output, ...rest) => {
        const [used, cached, written, produced, more] = rest
        const list = { ...base, tiers: [{ over: 150_000, ...dear }] }
        const real = Math.floor(used * input)
        const fact = {
          input: real,
          cached: Math.floor((real * cached) / 2),
          written: Math.floor((real * written) / 2),
          output: Math.floor(output * produced),
        }
        expect(price(fact, list, more)).toBeLessThanOrEqual(most(input, output, list, true, more))
        expect(price({ ...fact, written: 0 }, list, more)).toBeLessThanOrEqual(
          most(input, output, list, false, more),
        )
      },
    ),
  )
})
