import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'

const dir = mkdtempSync(join(tmpdir(), 'farebox-bookmark-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
let files = 0

const twins: [name: string, open: () => Promise<Ledger>][] = [
  ['memory', async () => memoryLedger({ clock: systemClock })],
  ['SQLite', () => sqliteLedger(join(dir, `${++files}.db`))],
]

describe.each(twins)('the %s ledger', (_, open) => {
  test('remembers how far each chain was compared, and never goes back', async () => {
    const ledger = await open()
    expect(await ledger.cursor('eip155:1')).toBe(undefined)
    for (const block of [7n, 100n, 9n]) await ledger.moveCursor('eip155:1', block)
    await ledger.moveCursor('eip155:10', 3n)
    expect([await ledger.cursor('eip155:1'), await ledger.cursor('eip155:10')]).toEqual([100n, 3n])
    await ledger.close()
  })

  test('raises its epoch and never lowers it', async () => {
    const ledger = await open()
    const first = ledger.epoch
    expect(await ledger.raiseEpoch(first - 5)).toBe(first)
    expect(await ledger.raiseEpoch(first + 5)).toBe(first + 5)
    expect(ledger.epoch).toBe(first + 5)
    expect(await ledger.bookedBlocks('eip155:1/0x0')).toBe(undefined)
    expect(await ledger.sent('eip155:1', '0x5e7', 0, 10)).toEqual([])
    await ledger.close()
  })
})

test('an epoch and a bookmark outlive the process', async () => {
  const path = join(dir, 'twice.db')
  const first = await sqliteLedger(path)
  const epoch = await first.raiseEpoch(first.epoch + 50)
  await first.moveCursor('eip155:1', 12n)
  await first.close()
  const second = await sqliteLedger(path)
  expect([second.epoch, await second.cursor('eip155:1')]).toEqual([epoch, 12n])
  await second.close()
})
