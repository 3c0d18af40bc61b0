/**
 * Instances of two adjacent versions share one store while a fleet is replaced one by one, and a router that was rolled
 * back finds what a newer one wrote. So a reader of any version must keep what it does not know:
 * - fields of a subject that it has never heard of survive each move that it makes, as they are;
 * - amounts in them stay text until a version that knows them reads them, and lose no digit;
 * - fields inside a state (service, settlement) live as long as that state, so a version may put there only what
 *   means nothing once the state is left;
 * - a state that it has never heard of is left alone: no move of its own fits, and it says so.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { aCall, aTx, moves, postAll } from './fixtures.ts'

const dir = mkdtempSync(join(tmpdir(), 'farebox-versions-'))
let files = 0
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Changes what is stored, as a newer version might have written it. */
const rewrite = (path: string, id: string, change: (stored: Record<string, unknown>) => unknown): void => {
  const db = new DatabaseSync(path)
  const { json } = db.prepare('SELECT json FROM subjects WHERE id = ?').get(id) as { json: string }
  db.prepare('UPDATE subjects SET json = ? WHERE id = ?').run(JSON.stringify(change(JSON.parse(json))), id)
  db.close()
}
const stored = (path: string, id: string): Record<string, unknown> => {
  const db = new DatabaseSync(path)
  const { json } = db.prepare('SELECT json FROM subjects WHERE id = ?').get(id) as { json: string }
  db.close()
  return JSON.parse(json)
}
const claimed = async () => {
  const path = join(dir, `${++files}.db`)
  const call = aCall()
  const ledger = await sqliteLedger(path)
  await postAll(ledger, moves(call).claim())
  await ledger.close()
  return { path, call }
}

const NEWS = {
  tenant: 'org_1',
  surcharge: '123456789012345678901234567890',
  flags: { beta: true, ratio: 0.25, amount: '7', nothing: null, list: ['1', { gas: '2' }] },
}

test('what a newer version wrote into a call is still there after this version has served and settled it', async () => {
  const { path, call } = await claimed()
  rewrite(path, call.id, (before) => ({ ...before, ...NEWS }))
  const ledger = await sqliteLedger(path)
  const { stream, bill, settled } = moves(call)
  await postAll(ledger, stream(aTx(call, 1)), bill(60n), settled(1))
  const read = await ledger.call(call.id)
  expect(read).toMatchObject({ tenant: 'org_1', surcharge: NEWS.surcharge })
  await ledger.close()
  expect(stored(path, call.id)).toMatchObject({ ...NEWS, settlement: { at: 'settled' } })
})

test('a state that only a newer version knows is left alone', async () => {
  const { path, call } = await claimed()
  rewrite(path, call.id, (before) => ({ ...before, service: { at: 'paused', until: 9 } }))
  const ledger = await sqliteLedger(path)
  const { bill, stream } = moves(call)
  for (const move of [stream(aTx(call, 1)), bill(60n), { type: 'release', id: call.id, why: 'x' } as const])
    expect(await ledger.post(move)).toMatchObject({ ok: false, why: 'stale' })
  await ledger.close()
  expect(stored(path, call.id)).toMatchObject({ service: { at: 'paused', until: 9 } })
})

test('a ledger of another schema is refused in words, before anything is read or written', async () => {
  const { path } = await claimed()
  const db = new DatabaseSync(path)
  db.prepare("UPDATE meta SET value = '99' WHERE key = 'schema'").run()
  db.close()
  await expect(sqliteLedger(path)).rejects.toThrow('The ledger has schema 99')
})
