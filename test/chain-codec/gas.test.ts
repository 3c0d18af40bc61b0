import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { execute } from '../../src/chain/executor.ts'
import { aggregateGas, batchGas, claimGas, itemGas, transactionGas } from '../../src/chain/gas.ts'
import { anyBytes, hex } from './vectors.ts'

test('a transaction is given what its bytes cost beside its work, and no less than the floor for bytes', () => {
  expect(transactionGas('0x', 0n)).toBe(21_000n)
  expect(transactionGas('0x00ff', 1_000n)).toBe(21_000n + 4n + 16n + 1_000n)
  expect(transactionGas('0x00ff', 0n, 2)).toBe(21_000n + 4n + 16n + 50_000n)
  const large: Hex = `0x${'ff'.repeat(1_000)}`
  expect(transactionGas(large, 0n)).toBe(21_000n + 40_000n)
  expect(transactionGas(large, 100_000n)).toBe(21_000n + 16_000n + 100_000n)
})

test('a batch can give every item its cap after all others used theirs', () => {
  const items = fc.array(
    fc.record({ target: hex(20), data: anyBytes, gas: fc.bigInt({ min: 1n, max: 700_000n }) }),
    { minLength: 1, maxLength: 20 },
  )
  fc.assert(
    fc.property(items, fc.nat({ max: 3 }), (batch, delegations) => {
      const data = execute(batch)
      const reserve = (item: (typeof batch)[number]) => 7_000n + BigInt(item.data.length / 2 - 1)
      let left = batchGas(batch, data, delegations) - transactionGas(data, 0n, delegations)
      let reserved = batch.reduce((sum, item) => sum + reserve(item), 0n)
      for (const item of batch) {
        const spare = left - reserved
        // The executor's own rule.
        expect(spare - spare / 64n).toBeGreaterThanOrEqual(item.gas)
        left -= item.gas + reserve(item)
        reserved -= reserve(item)
      }
    }),
  )
})

test('a dearer item is given more', () => {
  expect(itemGas('upto', { withPermit: true })).toBeGreaterThan(itemGas('upto'))
  expect(itemGas('permit2', { contractPayer: true })).toBeGreaterThan(itemGas('permit2') + 400_000n)
  expect(claimGas(1)).toBe(itemGas('claim'))
  expect(claimGas(10)).toBeGreaterThan(213_000n)
  expect(aggregateGas('0x', 630_000n, 2)).toBe(21_000n + 640_000n + 12_000n)
})
