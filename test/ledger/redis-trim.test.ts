import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBudgets } from '../../src/accounts/budget.ts'
import type { Budget } from '../../src/accounts/node.ts'
import { systemClock } from '../../src/clock.ts'
import { createArchive } from '../../src/ledger/archive.ts'
import type { Call, Drawn } from '../../src/ledger/call.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { createTrimmer } from '../../src/ledger/redis-trim.ts'
import { quietLog } from '../../src/log.ts'
import { openRedis } from '../../src/store/redis.ts'
import { sharedRedis } from '../support/redis.ts'
import { aCall, aTx, moves, postAll } from './fixtures.ts'
import { openRedisLedger } from './redis-ledger.ts'

let redis: Awaited<ReturnType<typeof sharedRedis>>
beforeAll(async () => {
  redis = await sharedRedis()
})
afterAll(() => redis.stop())

const DAY = 86_400_000
const NOW = Date.parse('2026-11-21T21:58:31Z')

const budget = (id: string, change: Partial<Budget>): Budget => ({
  id,
  per: 'day',
  limit: '100',
  kind: 'hard',
  window: 'calendar',
  zone: 'Europe/Berlin',
  alerts: [],
  ...change,
})
const BUDGETS = [
  budget('b1', { per: 'hour' }),
  budget('b2', { per: 'month' }),
  budget('b3', { per: 'month', window: 'rolling' }),
  budget('b4', { per: 'total' }),
]

const open = async () => {
  const url = redis.url()
  const [ledger, store] = [await openRedisLedger(url), await openRedis({ url, log: quietLog })]
  const archive = memoryLedger({ clock: systemClock })
  const tidy = (now: () => number = () => NOW) => {
    const clock = { ...systemClock, now }
    const trimmer = createTrimmer(store)
    return createArchive({ ledger, trimmer, archive, clock, log: quietLog, keepMs: 1e12 })
  }
  const { drawOf } = createBudgets()
  const drawn = (at: number): Drawn[] => BUDGETS.map((one) => drawOf('key_1', one, at)!.drawn)
  const serve = async (at: number): Promise<Call> => {
    const call = aCall({ budgets: drawn(at) })
    await postAll(ledger, moves(call).claim(), moves(call).bill(30n, aTx(call, Math.floor(at / DAY))))
    return call
  }
  const close = async () => {
    await Promise.all([ledger.close(), store.close()])
  }
  const budgets = async () =>
    Object.keys(await ledger.counters())
      .filter((name) => name.startsWith('budget:'))
      .toSorted()
  return { ledger, tidy, drawn, serve, budgets, close }
}

test('counters of windows that ended long ago are dropped, those that still count and all others stay', async () => {
  const { ledger, tidy, drawn, serve, budgets, close } = await open()
  const days = [400, 200, 91, 60, 1]
  for (const day of days) await serve(NOW - day * DAY)
  const others = async () =>
    Object.entries(await ledger.counters()).filter(([name]) => !name.startsWith('budget:'))
  const before = [await others(), await ledger.counter('budget:key_1:b4:total')]
  expect(await budgets()).toHaveLength(16)
  await tidy().tick()
  const kept = [60, 1].flatMap((day) => drawn(NOW - day * DAY).map(({ counter }) => counter))
  expect(await budgets()).toEqual([...new Set(kept)].toSorted())
  expect([await others(), await ledger.counter('budget:key_1:b4:total')]).toEqual(before)
  await close()
})

test('a refund of a call whose window is forgotten disturbs nothing that counts', async () => {
  const { ledger, tidy, serve, budgets, close } = await open()
  const call = await serve(NOW - 400 * DAY)
  await serve(NOW)
  await tidy().tick()
  const kept = await budgets()
  expect((await ledger.post(moves(call).refund)).ok).toBe(true)
  expect(await ledger.counter('budget:key_1:b4:total')).toBe(30n)
  await tidy().tick()
  expect(await budgets()).toEqual(kept)
  await close()
})

test('all counters are looked at once an hour and no oftener', async () => {
  const { tidy, serve, budgets, close } = await open()
  let now = NOW
  const archive = tidy(() => now)
  await archive.tick()
  await serve(NOW - 400 * DAY)
  await archive.tick()
  expect(await budgets()).toHaveLength(4)
  now += 3_600_000
  await archive.tick()
  expect(await budgets()).toEqual(['budget:key_1:b4:total'])
  await close()
})
