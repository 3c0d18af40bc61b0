import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock as clock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { openRecords, openStore } from '../../src/main/fleet.ts'
import { memoryRecords, type Put, type Records } from '../../src/store/records.ts'
import { LISTING } from '../../src/store/records-file.ts'
import { redisRecords } from '../../src/store/records-redis.ts'
import { sqliteRecords } from '../../src/store/records-sqlite.ts'
import { openRedis } from '../../src/store/redis.ts'
import { type Store, script } from '../../src/store/store.ts'
import { sharedRedis } from '../support/redis.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { recordsContract } from './records-contract.ts'

const dir = mkdtempSync(join(tmpdir(), 'farebox-records-'))
const toClose: { close: () => Promise<void> }[] = []
let redis: Awaited<ReturnType<typeof sharedRedis>>
beforeAll(async () => {
  redis = await sharedRedis()
})
afterAll(async () => {
  for (const one of toClose) await one.close()
  await redis.stop()
  rmSync(dir, { recursive: true, force: true })
})
const closing = <T extends { close: () => Promise<void> }>(one: T): T => {
  toClose.push(one)
  return one
}
let files = 0
const newFile = () => join(dir, `${files++}.db-desk`)
const openFile = async (path: string) => closing(await sqliteRecords({ path, clock }))
const connect = async (url: string): Promise<Store> => closing(await openRedis({ url, log: quietLog }))
const thing = (id: string, rest: Partial<Put> = {}): Put => ({ table: 'things', id, value: id, ...rest })

describe('records in memory', () =>
  recordsContract(async () => {
    const records = memoryRecords({ clock })
    return async () => records
  }))

describe('records in a SQLite file', () => {
  recordsContract(async () => {
    const path = newFile()
    return () => openFile(path)
  })

  test('a file that is opened again holds what was written, to the last row', async () => {
    const path = newFile()
    const first = await openFile(path)
    const writing = [thing('a'), thing('b', { keys: { org: 'o1' } })].map((one) => first.write([one]))
    await Promise.all([...writing, first.close()])
    await expect(first.get('things', 'a')).rejects.toMatchObject({ code: 'ledger_unavailable' })
    const second = await openFile(path)
    expect(await second.list('things', { limit: 9, key: ['org', 'o1'] })).toEqual([
      { id: 'b', value: 'b', version: 1 },
    ])
    expect(await second.write([thing('a', { if: 1 })])).toEqual({ ok: true })
  })

  test('rows whose time has come leave the file', async () => {
    const path = newFile()
    const records = await openFile(path)
    const past = Array.from({ length: 70 }, (_, i) => thing(`${i}`, { until: 1, keys: { org: 'o1' } }))
    await records.write(past)
    await records.write([thing('a')])
    const file = new DatabaseSync(path)
    expect(
      file.prepare('SELECT (SELECT count(*) FROM rows) rows, (SELECT count(*) FROM keys) keys').get(),
    ).toEqual({ rows: 1, keys: 0 })
    file.close()
  })

  test('a listing reads what it returns, and sorts nothing', async () => {
    const path = newFile()
    await openFile(path)
    const file = new DatabaseSync(path)
    const plan = (sql: string) =>
      (file.prepare(`EXPLAIN QUERY PLAN ${sql} DESC LIMIT 9`).all() as { detail: string }[]).map(
        ({ detail }) => detail,
      )
    expect(plan(LISTING.byId)).toEqual([
      'SEARCH r USING INDEX sqlite_autoindex_rows_1 (tbl=? AND id>? AND id<?)',
    ])
    expect(plan(LISTING.byKey)).toEqual([
      'SEARCH k USING PRIMARY KEY (tbl=? AND name=? AND value=? AND id>? AND id<?)',
      'SEARCH r USING INTEGER PRIMARY KEY (rowid=?)',
    ])
    file.close()
  })

  test('a file that cannot be opened says so', async () => {
    await expect(sqliteRecords({ path: join(dir, 'no', 'such.db'), clock })).rejects.toThrow(
      'cannot be opened',
    )
  })
})

describe('records in Redis', () => {
  recordsContract(async () => {
    const url = redis.url()
    const store = await connect(url)
    let first: Store | undefined = store
    return async () => {
      const mine = first ?? (await connect(url))
      first = undefined
      return redisRecords({ store: mine, clock })
    }
  })

  test('a write whose reply was lost counts once, and is answered as the first time', async () => {
    const url = redis.url()
    const port = Number(/:(\d+)\//.exec(url)![1])
    const proxy = await startTcpProxy(port)
    const records = redisRecords({ store: await connect(url.replace(`:${port}/`, `:${proxy.port}/`)), clock })
    const direct = redisRecords({ store: await connect(url), clock })
    await records.write([thing('a')])
    proxy.dropReplies(true)
    const writing = records.write([thing('a', { if: 1 }), thing('b', { if: 0 })])
    await expect.poll(() => direct.get('things', 'b')).toBeDefined()
    proxy.dropReplies(false)
    proxy.cut()
    expect(await writing).toEqual({ ok: true })
    expect((await direct.get('things', 'a'))?.version).toBe(2)

    proxy.partition(true)
    const begun = Date.now()
    const away = { code: 'ledger_unavailable' }
    await Promise.all([
      expect(records.get('things', 'a')).rejects.toMatchObject(away),
      expect(records.revision('things')).rejects.toMatchObject(away),
      expect(records.list('things', { limit: 1 })).rejects.toMatchObject(away),
      expect(records.write([thing('a')])).rejects.toMatchObject(away),
    ])
    expect(Date.now() - begun).toBeLessThan(4_000)
    await proxy.close()
  })

  test('rows whose time has come leave nothing behind, whether they are listed or not', async () => {
    const store = await connect(redis.url())
    const records = redisRecords({ store, clock })
    const past = Array.from({ length: 15 }, (_, i) => thing(`${i}`, { until: 1, keys: { org: 'o1' } }))
    await records.write(past)
    await records.write([thing('a', { keys: { org: 'o2' } })])
    const count = (key: string) => store.read('ZCARD', `${store.prefix}rec:${key}`)
    expect(await Promise.all([count('things:ids'), count('things:by:org:o1'), count('due')])).toEqual([
      1, 0, 0,
    ])
  })

  test('a listing that meets a row whose time has come is not kept by it again', async () => {
    const store = await connect(redis.url())
    const records = redisRecords({ store, clock })
    await records.write([thing('a', { until: 1, keys: { org: 'o1' } }), thing('b')])
    const ids = () => store.read('ZRANGE', `${store.prefix}rec:things:ids`, 0, -1)
    // What was there before the sweep came to it.
    await store.run(script("redis.call('ZADD', KEYS[1], 0, 'a')"), [`${store.prefix}rec:things:ids`], [])
    expect(await ids()).toEqual(['a', 'b'])
    expect(await records.list('things', { limit: 1 })).toMatchObject([{ id: 'b' }])
    expect(await ids()).toEqual(['b'])
  })

  test('a row that was written again, or dropped, leaves nothing of what it was', async () => {
    const store = await connect(redis.url())
    const records = redisRecords({ store, clock })
    const until = Date.now() + 60_000
    await records.write([
      thing('a', { until, keys: { org: 'o1' } }),
      thing('b', { until, keys: { org: 'o1' } }),
    ])
    await records.write([thing('a', { keys: { org: 'o2' } }), { table: 'things', id: 'b', drop: true }])
    const kept = (await store.read('KEYS', `${store.prefix}rec:*`)) as string[]
    expect(
      kept
        .filter((key) => !key.includes(':op:'))
        .map((key) => key.split('rec:')[1])
        .toSorted(),
    ).toEqual(['rev', 'things:by:org:o2', 'things:ids', 'things:row:a'])
  })

  test('a row that came back under other keys is not swept with what it was', async () => {
    const store = await connect(redis.url())
    const records = redisRecords({ store, clock })
    await records.write([thing('a', { until: 1, keys: { org: 'o1', team: 't1' } })])
    await records.write([thing('a', { keys: { org: 'o1' } }), thing('b')])
    await records.write([thing('b')])
    const by = async (index: string, value: string) =>
      (await records.list('things', { key: [index, value], limit: 9 })).map(({ id }) => id)
    expect([await by('org', 'o1'), await by('team', 't1')]).toEqual([['a'], []])
  })

  test('after a flush a revision is none that was there before', async () => {
    const store = await connect(redis.url())
    const records = redisRecords({ store, clock })
    await records.write([thing('a')])
    const before = await records.revision('things')
    const erase = `for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end`
    await store.run({ lua: erase, sha: '' }, [`${store.prefix}rec:rev`], [`${store.prefix}rec:`])
    expect(await records.revision('things')).not.toBe(before)
    await clock.sleep(2)
    await records.write([thing('b')])
    expect(await records.revision('things')).toBeGreaterThan(before)
    expect(await records.list('things', { limit: 9 })).toHaveLength(1)
  })
})

test('a command beside the router writes what the router reads at once', async () => {
  const redisUrl = redis.url()
  for (const store of [`sqlite:${join(dir, 'farebox.db')}`, redisUrl]) {
    const archive = { file: undefined, keepDays: 30 }
    const opened = await openStore({ store, archive } as Parameters<typeof openStore>[0], clock, quietLog)
    const beside: Records = await openRecords(store, clock)
    const before = await opened.records.revision('things')
    await beside.write([thing('a')])
    expect((await opened.records.get('things', 'a'))?.value).toBe('a')
    expect(await opened.records.revision('things')).toBeGreaterThan(before)
    await beside.close()
    await opened.close()
  }
})
