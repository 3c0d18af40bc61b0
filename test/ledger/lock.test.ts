import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { lockLedger } from '../../src/ledger/lock.ts'

const dir = mkdtempSync(join(tmpdir(), 'farebox-lock-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('a ledger is served by one process at a time, and by the next as soon as that one has ended', () => {
  const path = join(dir, 'ledger.db')
  const first = lockLedger(path)
  expect(() => lockLedger(path)).toThrow('another Farebox is serving')
  first.release()
  lockLedger(path).release()
})
