import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterAll, expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { decode, encode } from '../../src/ledger/codec.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger, Posted } from '../../src/ledger/ledger.ts'
import type { Payable } from '../../src/ledger/moves.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { openBooks } from '../../src/ledger/sqlite-books.ts'
import { ledgerContract } from './contract.ts'
import { ANN, aCall, aTx, BOOK, giveCredit, moves, postAll, standing } from './fixtures.ts'

const dir = mkdtempSync(join(tmpdir(), 'farebox-ledger-'))
let files = 0
const newFile = () => join(dir, `ledger-${++files}.db`)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

ledgerContract('the SQLite', async () => {
  const ledger = await sqliteLedger(newFile())
  return { ledger, close: ledger.close }
})

const everything = async (ledger: Ledger) => ({
  calls: await ledger.calls(undefined, 1000),
  open: await ledger.open(),
  journal: await ledger.journal(0, 1000),
  balances: await ledger.balances(),
  counters: await ledger.counters(),
  transfers: await ledger.transfers(BOOK, 0n, 10_000n),
  epoch: ledger.epoch,
})

test('a ledger that is closed and opened again is the same to the last line, and goes on', async () => {
  const path = newFile()
  const first = await sqliteLedger(path)
  await giveCredit(first, ANN, 50n)
  const [open, served] = [aCall(), aCall({ credit: 20n })]
  await postAll(first, moves(open).claim(), moves(open).stream(aTx(open, 1)))
  await postAll(
    first,
    moves(served).claim(),
    moves(served).bill(110n, aTx(served, 2)),
    moves(served).settled(2),
  )
  const before = await everything(first)
  await first.close()
  const second = await sqliteLedger(path)
  expect(await everything(second)).toEqual(before)
  expect(await second.transactions(open.id)).toEqual([aTx(open, 1)])
  expect((await second.post(moves(open).bill(10n))).ok).toBe(true)
  expect(await second.post(moves(aCall({ claim: served.claim })).claim())).toMatchObject({
    ok: false,
    why: 'claimed',
  })
  expect(await checkInvariants(second, { now: 0 })).toEqual([])
  await second.close()
})

test('closing writes what was posted before, and takes nothing afterwards', async () => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  const calls = Array.from({ length: 50 }, () => aCall())
  const posting = Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
  await ledger.close()
  expect((await posting).every((one) => one.ok)).toBe(true)
  await expect(ledger.post(moves(aCall()).claim())).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await expect(ledger.call('any')).rejects.toMatchObject({ code: 'ledger_unavailable' })
  const again = await sqliteLedger(path)
  expect(await again.calls(undefined, 100)).toHaveLength(50)
  await again.close()
})

test('journal, postings and claims can only be added to, whoever has the file', async () => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  await giveCredit(ledger, ANN, 50n)
  const raw = new DatabaseSync(path)
  for (const [table, key] of [
    ['journal', 'seq'],
    ['postings', 'id'],
    ['claims', 'claim'],
  ] as const) {
    const forbidden = [
      `UPDATE ${table} SET ${key} = ${key}`,
      `DELETE FROM ${table}`,
      `INSERT OR REPLACE INTO ${table} SELECT * FROM ${table}`,
      `INSERT INTO ${table} SELECT * FROM ${table} WHERE true ON CONFLICT DO UPDATE SET ${key} = ${key}`,
    ]
    for (const sql of forbidden) expect(() => raw.exec(sql), sql).toThrow(`${table} is append-only`)
  }
  raw.close()
  expect(await checkInvariants(ledger, { now: 0 })).toEqual([])
  await ledger.close()
})

test('of two processes that claim the same authorizations at once, one gets each', async () => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  const other = fork(fileURLToPath(new URL('other-process.ts', import.meta.url)), [path], { execArgv: [] })
  try {
    await once(other, 'message')
    const mine = Array.from({ length: 60 }, () => aCall())
    const theirs = mine.map(({ claim }) => aCall({ claim })).toReversed()
    const answer = once(other, 'message')
    other.send(encode(theirs.map((call) => moves(call).claim())))
    const ours: Posted<Payable>[] = []
    // One at a time, so that both processes take turns.
    for (const call of mine) ours.push(await ledger.post(moves(call).claim()))
    const others = decode<Posted<Payable>[]>((await answer)[0]).toReversed()
    for (const [i, one] of ours.entries()) {
      expect([one.ok, others[i]!.ok].toSorted()).toEqual([false, true])
      const winner = one.ok ? mine[i]!.id : theirs.toReversed()[i]!.id
      expect((await ledger.callByClaim(mine[i]!.claim))?.id).toBe(winner)
    }
    // What the other process did to a call that we had in hand is seen here.
    const held = ours.find((one) => one.ok)!.call as Call
    expect((await ledger.call(held.id))?.service.at).toBe('claimed')
    const released = once(other, 'message')
    other.send(encode([moves(held).release]))
    await released
    expect((await ledger.call(held.id))?.service.at).toBe('released')
    expect(await checkInvariants(ledger, { now: 0 })).toEqual([])
  } finally {
    const ended = once(other, 'exit')
    other.disconnect()
    await ended
    await ledger.close()
  }
})

test('concurrent moves share transactions: five hundred at once take a handful', async () => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  const claim = () => ledger.post(moves(aCall()).claim())
  const opened = commits(path)
  for (let i = 0; i < 20; i++) await claim()
  expect(commits(path) - opened).toBe(20)
  await Promise.all(Array.from({ length: 500 }, claim))
  expect(await ledger.calls(undefined, 1000)).toHaveLength(520)
  expect(commits(path) - opened - 20).toBeLessThanOrEqual(10)
  await ledger.close()
})

/** Transactions in the write-ahead log: the last frame of each says how large the file is after it. */
const commits = (path: string): number => {
  const log = readFileSync(`${path}-wal`)
  const frame = 24 + log.readUInt32BE(8)
  let found = 0
  for (let at = 32; at + frame <= log.length; at += frame) {
    const current = log.compare(log, 16, 24, at + 8, at + 16) === 0
    if (current && log.readUInt32BE(at + 4) > 0) found++
  }
  return found
}

test.each([
  ['the disk is full', 'ROLLBACK'],
  ['a write is refused', 'ABORT'],
])('when %s nothing of the transaction is kept, and the next one works again', async (_, how) => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  const [held, next] = [aCall(), aCall()]
  await ledger.post(moves(held).claim())
  const before = [await standing(ledger), await ledger.journal(0, 10)]
  const raw = new DatabaseSync(path)
  raw.exec(
    `CREATE TRIGGER full BEFORE INSERT ON postings BEGIN SELECT RAISE(${how}, 'database or disk is full'); END`,
  )
  const refused = [moves(held).dispatch, moves(next).claim(), moves(held).bill(10n, aTx(held, 1))].map(
    (move) => ledger.post(move),
  )
  for (const one of refused) await expect(one).rejects.toMatchObject({ code: 'ledger_unavailable' })
  expect(await ledger.call(held.id)).toEqual(held)
  expect(await ledger.call(next.id)).toBeUndefined()
  expect([await standing(ledger), await ledger.journal(0, 10)]).toEqual(before)
  raw.exec('DROP TRIGGER full')
  raw.close()
  expect((await ledger.post(moves(held).dispatch)).ok).toBe(true)
  expect((await ledger.post(moves(next).claim())).ok).toBe(true)
  expect((await ledger.post(moves(held).bill(10n, aTx(held, 1)))).ok).toBe(true)
  expect(await checkInvariants(ledger, { now: 0 })).toEqual([])
  await ledger.close()
})

test('while another program holds the file, a move is refused after some seconds and not kept', async () => {
  const path = newFile()
  const ledger = await sqliteLedger(path)
  const raw = new DatabaseSync(path)
  raw.exec('BEGIN IMMEDIATE')
  const call = aCall()
  await expect(ledger.post(moves(call).claim())).rejects.toMatchObject({ code: 'ledger_unavailable' })
  raw.exec('ROLLBACK')
  raw.close()
  expect(await ledger.call(call.id)).toBeUndefined()
  expect((await ledger.post(moves(call).claim())).ok).toBe(true)
  expect(await ledger.journal(0, 10)).toHaveLength(1)
  await ledger.close()
})

test('the epoch of a new file is above that of every older one, and stays when it is opened again', () => {
  const [older, newer] = [newFile(), newFile()]
  const epochAt = (path: string, ms: number) => {
    const books = openBooks(path, () => ms)
    books.close()
    return books.epoch
  }
  const first = epochAt(older, 1_700_000_000_000)
  expect(epochAt(newer, 1_700_000_001_000)).toBeGreaterThan(first)
  expect(epochAt(older, 1_800_000_000_000)).toBe(first)
})

test('a file that cannot be opened, or is of another version, is refused with the reason', async () => {
  await expect(sqliteLedger(dir)).rejects.toThrow('unable to open database file')
  const path = newFile()
  openBooks(path, Date.now).close()
  const raw = new DatabaseSync(path)
  raw.exec("UPDATE meta SET value = '99' WHERE key = 'schema'")
  raw.close()
  await expect(sqliteLedger(path)).rejects.toThrow('The ledger has schema 99')
})

test('a ledger whose thread has died refuses what waits for it, and closes', async () => {
  const threads: Worker[] = []
  const seen = (worker: Worker) => void threads.push(worker)
  process.on('worker', seen)
  const [ledger, closing] = [await sqliteLedger(newFile()), await sqliteLedger(newFile())]
  process.removeListener('worker', seen)
  const waiting = ledger.post(moves(aCall()).claim())
  const closed = closing.close()
  for (const thread of threads) void thread.terminate()
  await expect(waiting).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await expect(ledger.lines()).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await ledger.close()
  await closed
})
