import { expect, test } from 'vitest'
import { z } from 'zod'
import { appending, auditId, verifyAudit } from '../../src/accounts/audit.ts'
import { changing, createDesk } from '../../src/desk/desk.ts'
import { type Json, memoryRecords, type Records } from '../../src/store/records.ts'
import { handClock, ROOT } from '../support/desk.ts'

const logOf = async (rows: number) => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  for (let i = 1; i <= rows; i++) await append(records, i)
  return records
}
const append = async (records: Records, i: number) => {
  const actor = { user: 'operator:root', name: 'root', via: 'password' }
  const entry = {
    time: i,
    actor,
    what: 'x.y',
    at: 'site',
    path: [],
    before: { n: i },
    after: { b: 1, a: [i] },
  }
  await records.write(await appending(records, entry))
}
const alter = async (records: Records, seq: number, by: (value: Record<string, Json>) => Json) => {
  const row = (await records.get<Record<string, Json>>('audit', auditId(seq)))!
  await records.write([{ table: 'audit', id: row.id, value: by(row.value), keys: { org: 'site' } }])
}
const drop = (records: Records, seq: number) =>
  records.write([{ table: 'audit', id: auditId(seq), drop: true }])

test('a log that nobody touched holds, however long', async () => {
  const verdict = await verifyAudit(await logOf(1_203))
  expect(verdict).toMatchObject({ rows: 1_203, problems: [] })
  expect(await verifyAudit(await logOf(0))).toEqual({ rows: 0, head: '', problems: [] })
})

test('a store may give the fields back in another order', async () => {
  const records = await logOf(5)
  await alter(records, 3, (value) => Object.fromEntries(Object.entries(value).toReversed()))
  expect((await verifyAudit(records)).problems).toEqual([])
})

test.each<[string, (records: Records) => Promise<unknown>, RegExp]>([
  [
    'an altered row',
    (r) => alter(r, 4, (v) => ({ ...v, after: { n: 99 } })),
    /^row 000000000004: it was altered/,
  ],
  ['another actor', (r) => alter(r, 4, (v) => ({ ...v, actor: { user: 'x' } })), /^row 000000000004/],
  ['a new field', (r) => alter(r, 4, (v) => ({ ...v, more: 1 })), /^row 000000000004/],
  ['a row taken out', (r) => drop(r, 4), /rows are missing/],
  ['the first row taken out', (r) => drop(r, 1), /rows are missing/],
  ['the last row taken out', (r) => drop(r, 9), /the chain ends at 8, and should at 9/],
  [
    'two rows swapped',
    async (r) => {
      const [four, five] = await r.many<Json>('audit', [auditId(4), auditId(5)])
      await alter(r, 4, () => five!.value)
      await alter(r, 5, () => four!.value)
    },
    /000000000004/,
  ],
  [
    'a row put at the end',
    async (r) => {
      const last = (await r.get<Record<string, Json>>('audit', auditId(9)))!.value
      await r.write([{ table: 'audit', id: auditId(10), value: { ...last, seq: 10 } }])
    },
    /^row 000000000010/,
  ],
  [
    'a row that its organisation does not find any more',
    async (r) => {
      const row = (await r.get<Json>('audit', auditId(4)))!
      await r.write([{ table: 'audit', id: row.id, value: row.value, keys: { org: 'org_nobody' } }])
    },
    /^site: 1 of its 9 rows are not listed for it$/,
  ],
  [
    'a head that was put back',
    async (r) => {
      const { hash } = (await r.get<{ hash: string }>('audit', auditId(8)))!.value
      await r.write([{ table: 'audithead', id: 'head', value: { seq: 8, hash } }])
    },
    /the chain ends at 9, and should at 8/,
  ],
  [
    'a whole copy of the log with less in it',
    async (r) => {
      for (const seq of [7, 8, 9]) await drop(r, seq)
    },
    /the chain ends at 6/,
  ],
])('%s is found', async (_, touch, problem) => {
  const records = await logOf(9)
  await touch(records)
  const { problems } = await verifyAudit(records)
  expect(problems.length).toBeGreaterThan(0)
  expect(problems.join('\n')).toMatch(problem)
})

test('a log that grows while it is looked at holds', async () => {
  const records = await logOf(9)
  let more = 10
  const busy: Records = {
    ...records,
    list: async (table, range) => {
      const rows = await records.list<never>(table, range)
      // Somebody signs in just then.
      await append(records, more++)
      return rows
    },
  }
  expect(await verifyAudit(busy)).toMatchObject({ rows: 9, problems: [] })
  expect((await verifyAudit(records)).problems).toEqual([])
})

/** A desk with one thing that can be set. */
const thingDesk = (records: Records) => {
  const clock = { now: Date.now, sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)) }
  const operations = {
    'thing.set': changing({
      summary: 'A thing.',
      needs: 'tree.write',
      input: z.strictObject({ n: z.int() }),
      at: () => 'site',
      run: async (_, { n }) => ({
        result: n,
        writes: [{ table: 'things', id: `thing_${n}`, value: n, if: 0 }],
        after: { n },
      }),
    }),
  }
  return createDesk({ operations, records, clock, approve: async () => [] })
}

test('thirty changes at once all land in the log, one after the other', async () => {
  const records = slow(memoryRecords({ clock: handClock() }))
  const desk = thingDesk(records)
  const all = Array.from({ length: 30 }, (_, n) =>
    desk.run({ ...ROOT, user: `operator:${n % 15}` }, 'thing.set', { n }),
  )
  expect(await Promise.all(all)).toEqual(Array.from({ length: 30 }, (_, n) => n))
  expect(await verifyAudit(records)).toMatchObject({ rows: 30, problems: [] })
  expect(await records.list('things', { limit: 100 })).toHaveLength(30)
})

test('a change that others always come before is given up whole, and may be tried again', async () => {
  const records = memoryRecords({ clock: handClock() })
  const write: Records['write'] = async ([first]) => ({
    ok: false,
    stale: { table: first!.table, id: first!.id },
  })
  const desk = thingDesk({ ...records, write })
  await expect(desk.run(ROOT, 'thing.set', { n: 1 })).rejects.toMatchObject({
    code: 'busy_here',
    status: 503,
  })
  expect(await verifyAudit(records)).toMatchObject({ rows: 0, problems: [] })
})

/** Everybody reads before anybody writes. */
const slow = (records: Records): Records => ({
  ...records,
  get: async (table, id) => {
    const row = await records.get(table, id)
    await new Promise((done) => setTimeout(done, 1))
    return row as never
  },
})
