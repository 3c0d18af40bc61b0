import fc from 'fast-check'
import { expect, test } from 'vitest'
import { capped, dearer, raised } from '../../src/settle/fees.ts'

const fees = (maxFee: bigint, tip: bigint) => ({ maxFee, tip })
const CAP = 500n

test.each([
  ['pays what blocks ask: it stands', fees(100n, 2n), 50n, fees(102n, 2n), undefined],
  [
    'cannot pay the base fee: it is replaced by what a new one would pay',
    fees(100n, 2n),
    120n,
    fees(242n, 2n),
    fees(242n, 3n),
  ],
  [
    'could pay the base fee but not its tip: it is replaced',
    fees(100n, 2n),
    99n,
    fees(200n, 2n),
    fees(200n, 3n),
  ],
  ['tips less than blocks ask now: it is replaced', fees(100n, 2n), 10n, fees(30n, 10n), fees(113n, 10n)],
  [
    'is behind by little: it rises by an eighth, or no node would take it',
    fees(100n, 8n),
    95n,
    fees(104n, 8n),
    fees(113n, 10n),
  ],
  ['would rise above the cap: it is waited for', fees(450n, 2n), 480n, fees(500n, 2n), undefined],
  [
    'would rise far above the cap: it goes up to the cap',
    fees(100n, 2n),
    5_000n,
    fees(500n, 2n),
    fees(500n, 3n),
  ],
])('a transaction that %s', (_, paid, baseFee, wanted, expected) => {
  expect(dearer(paid, baseFee, wanted, CAP)).toEqual(expected)
})

test('a replacement is always dearer by a tenth in both fees, and never above the cap', () => {
  const wei = fc.bigInt({ min: 0n, max: 10n ** 13n })
  fc.assert(
    fc.property(wei, wei, wei, wei, wei, fc.bigInt({ min: 1n, max: 10n ** 13n }), (a, b, base, c, d, cap) => {
      const paid = capped(fees(a, b), cap)
      const next = dearer(paid, base, capped(fees(c, d), cap), cap)
      if (!next) return
      expect(next.maxFee * 10n).toBeGreaterThanOrEqual(paid.maxFee * 11n)
      expect(next.tip * 10n).toBeGreaterThanOrEqual(paid.tip * 11n)
      expect(next.maxFee).toBeLessThanOrEqual(cap)
      expect(next.tip).toBeLessThanOrEqual(next.maxFee)
    }),
  )
})

test('the cap holds for the tip as well', () => {
  expect(capped(fees(900n, 700n), CAP)).toEqual(fees(500n, 500n))
  expect(raised(fees(0n, 0n))).toEqual(fees(1n, 1n))
})
