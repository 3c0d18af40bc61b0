import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { createAnalytics } from '../../src/analytics/analytics.ts'
import { createFollower } from '../../src/analytics/follower.ts'
import { systemClock } from '../../src/clock.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import type { Move } from '../../src/ledger/moves.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { redisRecords } from '../../src/store/records-redis.ts'
import { sqliteRecords } from '../../src/store/records-sqlite.ts'
import { openRedis } from '../../src/store/redis.ts'
import { AT, aBill, aCall, moves, postAll, word } from '../ledger/fixtures.ts'
import { anyCommand } from '../ledger/model.ts'
import { sharedRedis } from '../support/redis.ts'
import { dice, live, numberOf, used, worn } from './history.ts'
import { plainly, rolled, waiting } from './plain.ts'

const clock = { ...systemClock, now: () => AT + 3 * 86_400_000 }
const newLedger = () => memoryLedger({ clock })
const newRecords = () => memoryRecords({ clock })
const log = quietLog

const follow = (ledger: Ledger, records: Records, facts: { page?: number; mostRows?: number } = {}) =>
  createFollower({ ledger, records, log, now: clock.now, ...facts })
const toTheEnd = async ({ step }: { step: () => Promise<number> }): Promise<void> => {
  while ((await step()) > 0);
}

/** A history of some calls, and what it comes to. */
const history = async (calls: number, seed = 1) => {
  const ledger = newLedger()
  await live(ledger, calls, dice(seed))
  return { ledger, expected: await plainly(ledger) }
}

/** A ledger whose calls have an account and tags, and whose bills have a cost. */
const dressed = (ledger: Ledger, after: () => Promise<void>): Ledger => {
  const dress = (move: Move): Move => {
    if (move.type === 'claim') return { ...move, call: worn(move.call, numberOf(move.call.id)) }
    if (move.type === 'bill')
      return { ...move, bill: used(move.bill, numberOf(`${move.id}${move.bill.charged}`)) }
    return move
  }
  const post = (async (move: Move) => {
    const posted = await ledger.post(dress(move))
    await after()
    return posted
  }) as Ledger['post']
  return { ...ledger, post }
}

test('whatever happens to calls and errands, the rollups are their plain sum in every place', {
  timeout: 60_000,
}, async () => {
  const runs = Number(process.env['RUNS'] ?? 8)
  const run = fc.asyncProperty(
    fc.commands([anyCommand()], { maxCommands: 60, size: 'max' }),
    fc.integer({ min: 1, max: 9 }),
    async (commands, often) => {
      const records = newRecords()
      const [memory, other] = [newLedger(), newLedger()]
      const early = follow(memory, records, { page: 1 + (often % 5) })
      let posts = 0
      // One follower goes along while things happen; another one reads it all afterwards.
      const along = async () => void (++posts % often === 0 && (await early.step()))
      const twins = {
        memory: dressed(memory, along),
        sqlite: dressed(other, async () => {}),
        next: () => {},
        sealed: false,
        taken: new Set<string>(),
      }
      await fc.asyncModelRun(() => ({ model: { known: [] }, real: twins }), commands)
      const expected = await plainly(memory)
      await toTheEnd(early)
      expect(await rolled(records)).toEqual(expected)
      const late = newRecords()
      await toTheEnd(follow(memory, late, { mostRows: often * 20 }))
      expect(await rolled(late)).toEqual(expected)
    },
  )
  await fc.assert(run, { numRuns: runs, ...(process.env['SEED'] && { seed: Number(process.env['SEED']) }) })
})

describe('the rollups are the plain sum of all calls', () => {
  const dir = mkdtempSync(join(tmpdir(), 'farebox-analytics-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const same = async (records: Records, calls: number) => {
    const { ledger, expected } = await history(calls)
    const two = [follow(ledger, records, { page: 40 }), follow(ledger, records, { page: 60, mostRows: 100 })]
    await Promise.all(two.map(toTheEnd))
    const first = await rolled(records)
    expect(first).toEqual(expected)
    expect(await waiting(records)).toEqual([])
    await two[0]!.rebuild()
    expect(await rolled(records)).toEqual({})
    await toTheEnd(two[1]!)
    expect(await rolled(records)).toEqual(expected)
  }
  test('in memory, with two followers at once, and again when built anew', () => same(newRecords(), 150))
  test('in SQLite', async () => {
    const records = await sqliteRecords({ path: join(dir, 'records.db'), clock })
    await same(records, 80)
    await records.close()
  })
  test('in Redis', async () => {
    const redis = await sharedRedis()
    const store = await openRedis({ url: redis.url(), log })
    const records = redisRecords({ store, clock: systemClock })
    // Redis forgets hours by its own clock, and these are years old.
    const { ledger, expected } = await history(60)
    const days = Object.fromEntries(Object.entries(expected).filter(([name]) => name.split('/')[1] === 'd'))
    const [one, other] = [0, 1].map(() =>
      createFollower({ ledger, records, log, now: systemClock.now, page: 50, mostRows: 150 }),
    )
    await Promise.all([toTheEnd(one!), toTheEnd(other!)])
    expect(await rolled(records)).toEqual(days)
    await one!.rebuild()
    await toTheEnd(other!)
    expect(await rolled(records)).toEqual(days)
    await store.close()
    await redis.stop()
  })
})

test.each(['before the write', 'after it'])(
  'a follower that dies %s, at whichever step, counts nothing twice and leaves nothing out',
  async (when) => {
    const { ledger, expected } = await history(16, 7)
    for (let fatal = 0; ; fatal++) {
      const records = newRecords()
      let writes = 0
      let died = false
      const dying: Records = {
        ...records,
        write: async (wanted) => {
          const dies = writes++ === fatal
          if (dies && when === 'before the write') throw new Error('died')
          const done = await records.write(wanted)
          if (dies) throw new Error('died')
          return done
        },
      }
      const run = (one: { step: () => Promise<number> }) =>
        toTheEnd(one).catch(() => {
          died = true
        })
      const first = follow(ledger, dying, { page: 15 })
      await run(first)
      // Another one takes over; then the first one, that was only away, goes on too.
      await toTheEnd(follow(ledger, records, { page: 30 }))
      await toTheEnd(first)
      expect(await rolled(records)).toEqual(expected)
      if (!died) break
    }
  },
)

test('a follower that was leader before, and is again, does not go on with what it remembers', async () => {
  const ledger = newLedger()
  const records = newRecords()
  const [one, other] = [follow(ledger, records), follow(ledger, records)]
  const call = worn(aCall(), 2)
  const { claim, settle, stream, bill, settled, refund } = moves(call)
  await postAll(ledger, claim(), settle(txOf(call.id)))
  await toTheEnd(one)
  await postAll(ledger, stream(), bill(30n))
  await toTheEnd(other)
  await postAll(ledger, refund, settled(3))
  await toTheEnd(one)
  expect((await plainly(ledger))['org_a/d/total/2023-11-15/-']).toMatchObject({ refunded: '30', gas: '21' })
  expect(await rolled(records)).toEqual(await plainly(ledger))
  expect(await waiting(records)).toEqual([])
})

test('a call counts on the day of its claim once it has ended, and gas that was spent before waits for it', async () => {
  const ledger = newLedger()
  const records = newRecords()
  const call = worn(aCall({ settleFirst: true }), 2)
  const { claim, settled, stream, bill, settle } = moves(call)
  await postAll(ledger, claim(), settle({ ...txOf(call.id) }), settled(9))
  const one = follow(ledger, records)
  await toTheEnd(one)
  expect(await rolled(records)).toEqual({})
  expect(await waiting(records)).toHaveLength(1)
  await postAll(ledger, stream(), bill(30n))
  await toTheEnd(one)
  expect((await rolled(records))['org_a/d/chain/2023-11-15/eip155:8453']).toMatchObject({
    calls: 1,
    gas: '21',
  })
  expect(await waiting(records)).toEqual([])
})

const txOf = (id: string) => ({
  hash: word(77),
  chain: 'eip155:8453' as const,
  settler: word(1).slice(0, 42) as `0x${string}`,
  nonce: 77,
  raw: '0xf8' as const,
  maxFee: 1n,
  tip: 1n,
  items: [id],
  at: AT,
})

test('what is given back moves the refunds of its day and nothing else', async () => {
  const ledger = newLedger()
  const records = newRecords()
  const call = worn(aCall(), 2)
  const { claim, stream, bill, settle, settled, refund } = moves(call)
  await postAll(ledger, claim(), settle(txOf(call.id)), stream(), bill(30n), settled(1))
  const one = follow(ledger, records)
  await toTheEnd(one)
  const before = await rolled(records)
  await postAll(ledger, refund)
  await toTheEnd(one)
  const after = await rolled(records)
  expect(Object.keys(after)).toEqual(Object.keys(before))
  for (const [name, row] of Object.entries(before)) expect(after[name]).toEqual({ ...row, refunded: '30' })
})

test('callers cannot make endless rows: beyond so many tags of a day all others count together', async () => {
  const ledger = newLedger()
  const [records, again] = [newRecords(), newRecords()]
  for (let n = 0; n < 30; n++) {
    const call = aCall({ account: ['org_a'], tags: { run: `r${n % 20}`, other: `o${n}` } })
    await postAll(ledger, moves(call).claim(), { type: 'reject', id: call.id, why: 'x' })
  }
  const most = { ledger, log, now: clock.now, mostTags: 10 }
  await toTheEnd(createFollower({ ...most, records, page: 7 }))
  const rows = await records.list<{ calls: number }>('rollups', { prefix: 'org_a/d/tag/', limit: 100 })
  expect(rows).toHaveLength(11)
  const byName = Object.fromEntries(rows.map(({ id, value }) => [id.split('/')[4], value.calls]))
  expect(byName['run=r0']).toBe(2)
  // Each call once, though both of its tags are among the others.
  expect(byName['other']).toBe(25)
  await toTheEnd(createFollower({ ...most, records: again }))
  expect(await rolled(again)).toEqual(await rolled(records))
})

test('a journal that is another than the one that was counted is counted from its beginning', async () => {
  const { ledger } = await history(10, 3)
  const records = newRecords()
  const analytics = createAnalytics({ ledger, records, clock, log })
  await analytics.idle()
  expect(await analytics.behind()).toBe(0)
  const { ledger: other, expected } = await history(12, 4)
  const next = createAnalytics({ ledger: other, records, clock, log })
  await next.idle()
  expect(await rolled(records)).toEqual(expected)
  const none = newLedger()
  const last = createAnalytics({ ledger: none, records, clock, log })
  await last.idle()
  expect(await rolled(records)).toEqual({})
})

test('it follows by itself while it is started, also after the store was away', async () => {
  const ledger = newLedger()
  const records = newRecords()
  let away = true
  const flaky: Records = {
    ...records,
    write: async (writes) => {
      if (away) throw new Error('away')
      return records.write(writes)
    },
  }
  const analytics = createAnalytics({ ledger, records: flaky, clock, log, everyMs: 5 })
  analytics.start()
  await live(ledger, 5, dice(9))
  await new Promise((resolve) => setTimeout(resolve, 20))
  away = false
  while ((await analytics.behind()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await analytics.stop()
  expect(await rolled(records)).toEqual(await plainly(ledger))
  await postAll(ledger, moves(aCall()).claim())
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await analytics.behind()).toBe(1)
})

test('hours are told one by one, and forgotten after sixty days', async () => {
  const ledger = newLedger()
  let now = AT
  const moving = { ...clock, now: () => now }
  const records = memoryRecords({ clock: moving })
  const call = aCall({ at: AT - 3_600_000, account: ['org_a'] })
  await postAll(ledger, moves(call).claim(), {
    type: 'bill',
    id: call.id,
    bill: aBill(30n),
    partial: false,
    due: true,
  })
  const analytics = createAnalytics({ ledger, records, clock: moving, log })
  await analytics.idle()
  expect((await analytics.hourly('org_a', 3)).map(({ calls, spend }) => [calls, spend])).toEqual([
    [0, 0n],
    [1, 30n],
    [0, 0n],
  ])
  now += 61 * 86_400_000
  await analytics.rebuild()
  await analytics.idle()
  const rows = await records.list('rollups', { limit: 100 })
  expect(rows.map(({ id }) => id.split('/')[1])).not.toContain('h')
  expect(rows.length).toBeGreaterThan(5)
})
