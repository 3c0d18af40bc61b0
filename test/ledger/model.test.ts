import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { openBooks, type QueryName, type SyncBooks } from '../../src/ledger/sqlite-books.ts'
import { sharedRedis } from '../support/redis.ts'
import { EDGES } from './edges.ts'
import { anyCommand, sameByName, type Twins } from './model.ts'
import { openRedisLedger } from './redis-ledger.ts'

// A run that fails prints its seed; SEED repeats it, RUNS makes it longer.
const seed = process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}
const runs = Number(process.env['RUNS'] ?? 150)
const timeout = Math.max(120_000, runs * 500)

const dir = mkdtempSync(join(tmpdir(), 'farebox-model-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const sequences = (open: () => Promise<Omit<Twins, 'taken'>>, taken: Set<string>) =>
  fc.asyncProperty(fc.commands([anyCommand()], { maxCommands: 40, size: 'max' }), async (commands) => {
    const twins = await open()
    try {
      await fc.asyncModelRun(() => ({ model: { known: [] }, real: { ...twins, taken } }), commands)
      await sameByName(twins)
      expect(await checkInvariants(twins.memory, { now: 0 })).toEqual([])
    } finally {
      await twins.memory.close()
      await twins.sqlite.close()
    }
  })

test('whatever happens to calls, errands and channels, in whatever order, both ledgers agree and hold all that they promise', {
  timeout,
}, async () => {
  const taken = new Set<string>()
  // One clock for both, and SQLite in this thread: so that even the seals of the journals are the same.
  const open = async () => {
    let now = 1_700_000_000_000
    const tick = () => now
    const next = () => {
      now += 7
    }
    const memory = memoryLedger({ clock: { ...systemClock, now: tick } })
    return { memory, sqlite: inThread(openBooks(':memory:', tick)), next, sealed: true }
  }
  await fc.assert(sequences(open, taken), { numRuns: runs, ...seed })
  expect([...taken].toSorted()).toEqual([...EDGES].toSorted())
})

test('the same holds for the ledger in its own thread and file', { timeout }, async () => {
  let files = 0
  const open = async () => ({
    memory: memoryLedger({ clock: systemClock }),
    sqlite: await sqliteLedger(join(dir, `${++files}.db`)),
    next: () => {},
    sealed: false,
  })
  await fc.assert(sequences(open, new Set()), { numRuns: Math.ceil(runs / 60), ...seed })
})

test('the same holds for the ledger in Redis', { timeout }, async () => {
  const redis = await sharedRedis()
  const open = async () => ({
    memory: memoryLedger({ clock: systemClock }),
    sqlite: await openRedisLedger(redis.url()),
    next: () => {},
    sealed: false,
  })
  try {
    await fc.assert(sequences(open, new Set()), { numRuns: Math.ceil(runs / 8), ...seed })
  } finally {
    await redis.stop()
  }
})

/** The queries of the books under the names that the memory ledger has. */
const inThread = (books: SyncBooks): Ledger => {
  const names = Object.keys(memoryLedger({ clock: systemClock })) as (keyof Ledger)[]
  const queries = names.map((name) => [
    name,
    (...args: never[]) => Promise.resolve(books.query(name as QueryName, args as never)),
  ])
  return {
    ...(Object.fromEntries(queries) as Ledger),
    post: async (move) => books.post([move])[0]!,
    epoch: books.epoch,
    close: async () => books.close(),
  }
}
