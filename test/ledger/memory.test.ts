import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { ledgerContract } from './contract.ts'

ledgerContract('the memory', async () => {
  const ledger = memoryLedger({ clock: systemClock })
  return { ledger, close: ledger.close }
})

test('the epoch of a new store is above that of every older one', () => {
  const at = (ms: number) => memoryLedger({ clock: { ...systemClock, now: () => ms } }).epoch
  expect(at(1_700_000_001_000)).toBeGreaterThan(at(1_700_000_000_000))
})
