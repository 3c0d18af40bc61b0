import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assetKey, chainNumber, toUnits, toUsd } from '../src/assets.ts'
import type { Usd } from '../src/money.ts'

const many = { numRuns: 2_000 }
const usd = fc.bigInt(0n, 10n ** 24n - 1n).map((value) => value as Usd)

describe('dollars and token units', () => {
  const decimals = fc.nat(24)

  test('what we charge is rounded up: never below the price, and above it by less than a unit', () => {
    fc.assert(
      fc.property(usd, decimals, (value, decimals) => {
        // Compared in units of 10^-30 dollars, where both sides are whole.
        const price = value * 10n ** 24n
        const paid = toUnits(value, decimals) * 10n ** BigInt(30 - decimals)
        return paid >= price && paid - price < 10n ** BigInt(30 - decimals)
      }),
      many,
    )
  })

  test('what we credit is rounded down: never above the units, and below them by less than a micro-dollar', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 30n), decimals, (units, decimals) => {
        const worth = units * 10n ** BigInt(30 - decimals)
        const credited = toUsd(units, decimals) * 10n ** 24n
        return credited <= worth && worth - credited < 10n ** 24n
      }),
      many,
    )
  })

  test('there and back never costs the payer nor us a micro-dollar', () => {
    fc.assert(
      fc.property(
        usd,
        fc.integer({ min: 6, max: 24 }),
        (value, decimals) => toUsd(toUnits(value, decimals), decimals) === value,
      ),
      many,
    )
    fc.assert(
      fc.property(usd, decimals, (value, decimals) => toUsd(toUnits(value, decimals), decimals) >= value),
      many,
    )
  })

  test.each([
    [6, 50_000n, 50_000n],
    [18, 1n, 10n ** 12n],
    [2, 50_000n, 5n],
    [2, 50_001n, 6n],
    [0, 1n, 1n],
  ])('with %s decimals, %s micro-dollars are %s units', (decimals, value, units) => {
    expect(toUnits(value as Usd, decimals)).toBe(units)
  })
})

test('an asset is named by its chain and address', () => {
  expect(assetKey({ chain: 'eip155:8453', address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913' })).toBe(
    'eip155:8453/0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
  )
  expect(chainNumber('eip155:8453')).toBe(8453)
})
