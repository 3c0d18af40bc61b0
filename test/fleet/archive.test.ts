import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createArchive, restore } from '../../src/ledger/archive.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { HEAL } from '../../src/ledger/redis-scripts.ts'
import { createTrimmer } from '../../src/ledger/redis-trim.ts'
import { SCHEMA_VERSION } from '../../src/ledger/schema.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { quietLog } from '../../src/log.ts'
import { openRedis } from '../../src/store/redis.ts'
import { ANN, aCall, aTx, BOOK, giveCredit, moves, postAll } from '../ledger/fixtures.ts'
import { openRedisLedger } from '../ledger/redis-ledger.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'

let redis: RedisProcess
const dir = mkdtempSync(join(tmpdir(), 'farebox-archive-'))
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  await redis.stop()
  rmSync(dir, { recursive: true, force: true })
})

let named = 0
const DAY = 86_400_000
const NOW = { now: 1_700_000_000_000 }
const open = async () => {
  const url = `redis://127.0.0.1:${redis.port}/0?name=a${++named}`
  const ledger = await openRedisLedger(url)
  const store = await openRedis({ url, log: quietLog })
  const archive = await sqliteLedger(join(dir, `${named}.db`))
  const trimmer = createTrimmer(store)
  const keeping = (keepMs: number) =>
    createArchive({ ledger, trimmer, archive, clock: systemClock, log: quietLog, keepMs })
  const close = async () => {
    await Promise.all([ledger.close(), archive.close(), store.close()])
  }
  const keys = async () => ((await redis.cli('KEYS', `{a${named}}:*`)) as string[]).length
  /** The store loses moves, as an instance finds it that does not live on; what copies it goes on. */
  const lost = async (why: 'back' | 'fork') => {
    await ledger.close()
    const meta = `${store.prefix}meta`
    const { inc } = await trimmer.incarnation()
    await store.run(HEAL, [meta], [SCHEMA_VERSION, inc, `after ${inc}`, 1, 1, why])
    const again = await openRedisLedger(url)
    const clock = systemClock
    const copying = createArchive({ ledger: again, trimmer, archive, clock, log: quietLog, keepMs: DAY })
    return { copying, close: () => Promise.all([again.close(), archive.close(), store.close()]) }
  }
  return { url, ledger, archive, keeping, keys, close, lost }
}
const figures = async (ledger: Ledger) => ({
  balances: await ledger.balances(),
  counters: Object.entries(await ledger.counters()).toSorted(),
})
const serve = async (ledger: Ledger, nonce: number, more: object = {}) => {
  const call = aCall(more)
  await postAll(ledger, moves(call).claim(), moves(call).stream(aTx(call, nonce)), moves(call).bill(30n))
  return call
}

test('the archive holds all of the ledger, the store only what is young or at work', async () => {
  const { ledger, archive, keeping, keys, close } = await open()
  await giveCredit(ledger, ANN, 50n)
  for (let i = 1; i <= 20; i++) await postAll(ledger, moves(await serve(ledger, i)).settled(i))
  const open20 = await serve(ledger, 21)
  const before = await keys()
  const last = await ledger.lastNonce(open20.chain, aTx(open20, 1).settler)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const { copied, dropped } = await keeping(1).tick()
  expect(copied).toBe(await ledger.lines())
  expect(dropped).toBeGreaterThanOrEqual(20)
  expect(await keys()).toBeLessThan(before / 3)
  expect(await figures(archive)).toEqual(await figures(ledger))
  expect(await checkInvariants(archive, NOW)).toEqual([])
  expect(await archive.calls(undefined, 100)).toHaveLength(22)
  expect((await ledger.calls(undefined, 100)).map((one) => one.id)).toEqual([open20.id])
  expect(await ledger.transactions(open20.id)).toHaveLength(1)
  expect(await ledger.lastNonce(open20.chain, aTx(open20, 1).settler)).toBe(last)
  // Work goes on.
  expect((await ledger.post(moves(open20).settled(22))).ok).toBe(true)
  expect((await keeping(1).tick()).copied).toBe(1)
  expect(await figures(archive)).toEqual(await figures(ledger))
  await close()
})

test('an authorization that can still be used is never forgotten, however old its call is', async () => {
  const { ledger, keeping, close } = await open()
  const soon = BigInt(Math.floor(Date.now() / 1000) + 60)
  const call = await serve(ledger, 1, { validBefore: soon })
  await ledger.post(moves(call).settled(1))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await keeping(1).tick()
  expect(await ledger.post(moves(aCall({ claim: call.claim })).claim())).toMatchObject({ why: 'claimed' })
  await close()
})

test('what is young stays', async () => {
  const { ledger, keeping, close } = await open()
  const call = await serve(ledger, 1)
  await ledger.post(moves(call).settled(1))
  expect(await keeping(60_000).tick()).toMatchObject({ dropped: 0 })
  expect(await ledger.transfers(BOOK, 0n, 1_000n)).toHaveLength(1)
  expect(await checkInvariants(ledger, NOW)).toEqual([])
  await close()
})

test('a store that lost everything is restored from the archive', async () => {
  const { ledger, archive, keeping, close } = await open()
  await giveCredit(ledger, ANN, 50n)
  for (let i = 1; i <= 5; i++) await postAll(ledger, moves(await serve(ledger, i)).settled(i))
  const call = await serve(ledger, 6)
  await keeping(1).tick()
  const into = await openRedisLedger(`redis://127.0.0.1:${redis.port}/0?name=b${named}`)
  expect(await restore(archive, into)).toBe(await ledger.lines())
  expect(await figures(into)).toEqual(await figures(ledger))
  expect(await into.post(moves(aCall({ claim: call.claim })).claim())).toMatchObject({ why: 'claimed' })
  expect(await checkInvariants(into, NOW)).toEqual([])
  await expect(restore(archive, into)).rejects.toThrow('not empty')
  await into.close()
  await close()
})

test('what was not copied yet when an older copy of the store was promoted is copied afterwards', async () => {
  const { ledger, archive, keeping, lost } = await open()
  await serve(ledger, 1)
  await keeping(DAY).tick()
  const late = await serve(ledger, 2)
  const { copying, close } = await lost('back')
  expect((await copying.tick()).copied).toBe(3)
  expect(await archive.call(late.id)).toMatchObject({ service: { at: 'served' } })
  await close()
})

test('the archive goes on after a store whose old lines are gone was found to have another history', async () => {
  const { ledger, archive, keeping, lost } = await open()
  for (let i = 1; i <= 20; i++) await postAll(ledger, moves(await serve(ledger, i)).settled(i))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await keeping(1).tick()
  const late = await serve(ledger, 21)
  const { copying, close } = await lost('fork')
  await copying.tick()
  expect(await archive.call(late.id)).toMatchObject({ service: { at: 'served' } })
  await close()
})
