import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { redisLedger } from '../../src/ledger/redis.ts'
import { TAIL } from '../../src/ledger/redis-scripts.ts'
import { quietLog } from '../../src/log.ts'
import { openRedis } from '../../src/store/redis.ts'
import type { Store } from '../../src/store/store.ts'
import { aCall, aTx, moves, postAll } from '../ledger/fixtures.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'

let redis: RedisProcess
const ends: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  redis = await startRedis()
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await redis.stop()
})

let named = 0
/** One instance; `token` is that of its lease. */
const instance = async (token = () => '', through = (store: Store) => store) => {
  const store = through(await openRedis({ url: `${redis.url}?name=heal`, log: quietLog }))
  const writer = `w${++named}`
  const ledger = await redisLedger({ store, clock: systemClock, log: quietLog, writer, token })
  const close = async () => {
    await ledger.close()
    await store.close()
  }
  ends.push(() => close().catch(() => {}))
  return { ledger, store }
}

const takes = (ledger: { post: (move: never) => Promise<unknown> }) =>
  expect
    .poll(
      () =>
        ledger.post(moves(aCall()).claim() as never).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000, interval: 200 },
    )
    .toBe(true)

const setLease = (store: Store, token: string) =>
  store.read('HSET', `${store.prefix}lease`, 'holder', 'somebody', 'token', token)

test('a flushed store that a new instance opens first gets back what the others remember', async () => {
  const { ledger } = await instance()
  const call = aCall()
  await postAll(ledger, moves(call).claim())
  const { epoch } = ledger
  await redis.cli('FLUSHALL')
  const { ledger: fresh } = await instance()
  await takes(ledger)
  await expect
    .poll(() => fresh.claimant(call.claim).catch(() => undefined), { timeout: 10_000 })
    .toBe(call.id)
  expect(ledger.epoch).toBeGreaterThan(epoch)
}, 30_000)

test('a store whose healer died is healed by another instance', async () => {
  const { ledger, store } = await instance()
  await postAll(ledger, moves(aCall()).claim())
  const inc = await redis.cli('HGET', `${store.prefix}meta`, 'inc')
  const meta = `${store.prefix}meta`
  await redis.cli('HSET', meta, 'healing', String(inc), 'until', Date.now() + 1_000)
  await takes(ledger)
  expect(await redis.cli('HGET', meta, 'healing')).toBeNull()
}, 30_000)

test('what an instance hands in when the others have finished healing is written too', async () => {
  const { ledger } = await instance()
  const late = (store: Store): Store => ({
    ...store,
    run: async (script, keys, args) => {
      if (script === TAIL) await new Promise((resolve) => setTimeout(resolve, 4_000))
      return store.run(script, keys, args)
    },
  })
  const { ledger: slow } = await instance(() => '', late)
  const [early, forgotten] = [aCall(), aCall()]
  await postAll(ledger, moves(early).claim())
  await postAll(slow, moves(forgotten).claim())
  await redis.cli('FLUSHALL')
  await takes(ledger)
  await expect
    .poll(() => ledger.claimant(forgotten.claim).catch(() => undefined), { timeout: 15_000 })
    .toBe(forgotten.id)
  expect(await ledger.claimant(early.claim)).toBe(early.id)
  await takes(slow)
}, 40_000)

test('transactions are written again also by an instance that does not lead', async () => {
  let token = '7'
  const { ledger, store } = await instance(() => token)
  const call = aCall()
  await setLease(store, '7')
  await postAll(ledger, moves(call).claim(), moves(call).stream(aTx(call, 1)))
  await redis.cli('FLUSHALL')
  // Somebody else leads by now.
  await setLease(store, '8')
  token = ''
  await takes(ledger)
  expect(await ledger.call(call.id)).toMatchObject({ settlement: { at: 'settling' } })
  expect(await checkInvariants(ledger, { now: 1_700_000_000_000 })).toEqual([])
}, 30_000)

test('a store that is flushed once more while it is being healed gets back what its instances remember', async () => {
  const { ledger, store } = await instance()
  const { ledger: other } = await instance()
  const [one, two] = [aCall(), aCall()]
  await postAll(ledger, moves(one).claim(), moves(one).dispatch)
  await postAll(other, moves(two).claim())
  await redis.cli('FLUSHALL')
  const healing = () => redis.cli('HGET', `${store.prefix}meta`, 'healing')
  await expect.poll(healing, { timeout: 5_000, interval: 20 }).not.toBeNull()
  const inc = await healing()
  const handedIn = () => redis.cli('ZCARD', `${store.prefix}tail:${inc}`)
  await expect.poll(handedIn, { timeout: 5_000, interval: 20 }).toBe(3)
  await redis.cli('FLUSHALL')
  await takes(ledger)
  expect(await other.call(one.id)).toMatchObject({ service: { at: 'dispatched' } })
  expect(await ledger.claimant(two.claim)).toBe(two.id)
}, 30_000)

test('an instance that missed two losses of the store hands in what was lost in the first', async () => {
  const { ledger, store } = await instance()
  const forgotten = aCall()
  await postAll(ledger, moves(forgotten).claim())
  // Lost and healed without it, many lines written, and an older copy of that promoted.
  const twice = ['inc', 'third', 'from', 'second', 'cut', 1_000]
  await redis.cli('DEL', `${store.prefix}s:${forgotten.id}`, `${store.prefix}c:${forgotten.claim}`)
  await redis.cli('HSET', `${store.prefix}meta`, ...twice)
  await takes(ledger)
  expect(await ledger.claimant(forgotten.claim)).toBe(forgotten.id)
}, 20_000)

test('a healing that nobody finishes is taken over although nothing is written', async () => {
  const { store } = await instance()
  const meta = `${store.prefix}meta`
  const inc = await redis.cli('HGET', meta, 'inc')
  await redis.cli('HSET', meta, 'healing', String(inc), 'until', Date.now() + 500)
  await expect.poll(() => redis.cli('HGET', meta, 'healing'), { timeout: 8_000 }).toBeNull()
}, 20_000)

test('a flushed store in which somebody only moved a bookmark can be opened anew', async () => {
  const { ledger, store } = await instance()
  await redis.cli('FLUSHALL')
  await expect(ledger.moveCursor('eip155:8453', 7n)).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await redis.cli('HSET', `${store.prefix}meta`, 'cursor:eip155:8453', '7')
  const { ledger: fresh } = await instance()
  await takes(fresh)
}, 20_000)
