import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { COUNTER, type Move } from '../../src/ledger/moves.ts'
import { LUA_SUMS } from '../../src/ledger/redis-lua.ts'
import { ANN, aCall, aTx, BOOK, creditOf, giveCredit, moves, postAll, usd } from '../ledger/fixtures.ts'
import { openRedisLedger } from '../ledger/redis-ledger.ts'
import { DURABLE, type RedisProcess, startRedis } from '../support/redis.ts'
import { startCluster, startReplica } from '../support/redis-fleet.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

let redis: RedisProcess
beforeAll(async () => {
  redis = await startRedis({ args: DURABLE })
})
afterAll(() => redis.stop())

let named = 0
const nameUrl = (port = redis.port) => `redis://127.0.0.1:${port}/0?name=t${++named}`
/** Whether a move was written; undefined while the store does not answer. */
const lands = (ledger: Ledger, move: Move): Promise<boolean | undefined> =>
  ledger.post(move).then(
    (one) => one.ok,
    () => undefined,
  )
const NOW = { now: 1_700_000_000_000 }

describe('several instances over one ledger', () => {
  test('of a thousand claims of one authorization on three instances, one wins', async () => {
    const url = nameUrl()
    const ledgers = await Promise.all([1, 2, 3].map(() => openRedisLedger(url)))
    const calls = Array.from({ length: 1000 }, () => aCall({ claim: 'one', nonce: '0x1' }))
    const posted = await Promise.all(calls.map((call, i) => ledgers[i % 3]!.post(moves(call).claim())))
    expect(posted.filter((one) => one.ok)).toHaveLength(1)
    expect(posted.filter((one) => !one.ok && one.why === 'claimed')).toHaveLength(999)
    for (const ledger of ledgers) expect(await ledger.counter(COUNTER.exposure)).toBe(100n)
    expect(await checkInvariants(ledgers[0]!, NOW)).toEqual([])
    await Promise.all(ledgers.map((one) => one.close()))
  })

  test('a limit for ten holds against five hundred calls on three instances', async () => {
    const url = nameUrl()
    const ledgers = await Promise.all([1, 2, 3].map(() => openRedisLedger(url)))
    const calls = Array.from({ length: 500 }, () => aCall())
    const posted = await Promise.all(
      calls.map((call, i) => ledgers[i % 3]!.post(moves(call).claim({ total: usd(1000) }))),
    )
    expect(posted.filter((one) => one.ok)).toHaveLength(10)
    expect(await ledgers[1]!.counter(COUNTER.exposure)).toBe(1000n)
    expect(await checkInvariants(ledgers[2]!, NOW)).toEqual([])
    await Promise.all(ledgers.map((one) => one.close()))
  })

  test('credit for ten calls is spent ten times, whoever asks', async () => {
    const url = nameUrl()
    const ledgers = await Promise.all([1, 2, 3].map(() => openRedisLedger(url)))
    await giveCredit(ledgers[0]!, ANN, 100n)
    const calls = Array.from({ length: 100 }, () =>
      aCall({ signed: 0n, exposed: usd(0), credit: 10n, ceiling: 10n }),
    )
    const posted = await Promise.all(calls.map((call, i) => ledgers[i % 3]!.post(moves(call).claim())))
    expect(posted.filter((one) => one.ok)).toHaveLength(10)
    expect(posted.filter((one) => !one.ok && one.why === 'short')).toHaveLength(90)
    expect(await creditOf(ledgers[1]!, ANN)).toBe(0n)
    await Promise.all(ledgers.map((one) => one.close()))
  })

  test('an instance goes on with a call that another one moved meanwhile', async () => {
    const url = nameUrl()
    const [a, b] = await Promise.all([openRedisLedger(url), openRedisLedger(url)])
    const call = aCall()
    await postAll(a, moves(call).claim(), moves(call).stream(aTx(call, 1)))
    await postAll(b, moves(call).settled(1))
    expect((await a.post(moves(call).bill(30n))).ok).toBe(true)
    expect(await b.call(call.id)).toMatchObject({ service: { at: 'served' }, settlement: { at: 'settled' } })
    expect(await b.post(moves(call).bill(30n))).toMatchObject({ ok: false, why: 'stale' })
    await Promise.all([a.close(), b.close()])
  })
})

test('who has lost the lease can store no transaction, and everything else still', async () => {
  const url = nameUrl()
  const name = url.slice(url.indexOf('name=') + 5)
  let token = '5'
  const ledger = await openRedisLedger(url, () => token)
  await redis.cli('HSET', `{${name}}:lease`, 'token', '5')
  const call = aCall()
  await ledger.post(moves(call).claim())
  await redis.cli('HSET', `{${name}}:lease`, 'token', '6')
  await expect(ledger.post(moves(call).stream(aTx(call, 1)))).rejects.toMatchObject({
    code: 'ledger_unavailable',
  })
  expect(await ledger.transactions(call.id)).toEqual([])
  expect((await ledger.post(moves(call).dispatch)).ok).toBe(true)
  token = '6'
  expect((await ledger.post(moves(call).stream(aTx(call, 1)))).ok).toBe(true)
  await ledger.close()
})

test('sums of any size are exact in Lua', async () => {
  const digits = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
  const small = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n })
  const rows = fc.sample(fc.tuple(fc.oneof(digits, small), fc.oneof(digits, small)), 2_000)
  const lua = `${LUA_SUMS} local sums = {} for i = 1, #ARGV, 2 do sums[#sums + 1] = add(ARGV[i], ARGV[i + 1]) end return sums`
  const sums = (await redis.cli('EVAL', lua, 0, ...rows.flat().map(String))) as string[]
  expect(sums).toEqual(rows.map(([a, b]) => (a + b).toString()))
})

describe('a store that fails', () => {
  test('a claim whose reply was lost is still the caller’s', async () => {
    const proxy = await startTcpProxy(redis.port)
    const ledger = await openRedisLedger(nameUrl(proxy.port))
    const call = aCall()
    proxy.dropReplies(true)
    const posting = ledger.post(moves(call).claim())
    await new Promise((resolve) => setTimeout(resolve, 150))
    proxy.dropReplies(false)
    proxy.cut()
    expect(await posting).toMatchObject({ ok: true })
    expect((await ledger.journal(0, 10)).map(({ move }) => move.type)).toEqual(['claim'])
    await ledger.close()
    await proxy.close()
  })

  test('a store that is away is said to be within a second, and nothing is taken', async () => {
    const proxy = await startTcpProxy(redis.port)
    const ledger = await openRedisLedger(nameUrl(proxy.port))
    for (const away of [() => proxy.partition(true), () => void proxy.cut()]) {
      away()
      proxy.partition(true)
      const started = performance.now()
      await expect(ledger.post(moves(aCall()).claim())).rejects.toMatchObject({ code: 'ledger_unavailable' })
      expect(performance.now() - started).toBeLessThan(1_500)
      proxy.partition(false)
      proxy.cut()
      await expect.poll(() => ledger.lines().catch(() => -1), { timeout: 5_000 }).toBeGreaterThanOrEqual(0)
    }
    expect((await ledger.post(moves(aCall()).claim())).ok).toBe(true)
    await ledger.close()
    await proxy.close()
  })

  test('a store that starts again has every move that was answered', async () => {
    const own = await startRedis({ args: DURABLE })
    const ledger = await openRedisLedger(nameUrl(own.port))
    const call = aCall()
    await postAll(ledger, moves(call).claim(), moves(call).stream(aTx(call, 1)))
    const { epoch } = ledger
    await own.kill9()
    await own.restart()
    await expect.poll(() => lands(ledger, moves(call).bill(10n)), { timeout: 8_000 }).toBe(true)
    // Nobody can say what it was told to forget: older quotes are refused.
    await expect.poll(() => ledger.epoch, { timeout: 4_000 }).toBeGreaterThan(epoch)
    expect(await checkInvariants(ledger, NOW)).toEqual([])
    await ledger.close()
    await own.stop()
  })

  test('a flushed store raises the epoch and gets back what its instances remember', async () => {
    const own = await startRedis()
    const url = nameUrl(own.port)
    const [a, b] = await Promise.all([openRedisLedger(url), openRedisLedger(url)])
    await giveCredit(a, ANN, 50n)
    const [mine, theirs] = [aCall(), aCall()]
    await postAll(a, moves(mine).claim(), moves(mine).stream(aTx(mine, 1)))
    await postAll(b, moves(theirs).claim(), moves(mine).settled(1))
    await a.post(moves(mine).bill(30n))
    const before = await a.balances()
    const { epoch } = a
    await own.cli('FLUSHALL')
    await expect.poll(() => lands(a, moves(theirs).bill(10n, aTx(theirs, 2))), { timeout: 9_000 }).toBe(true)
    await expect.poll(() => b.epoch, { timeout: 5_000 }).toBe(a.epoch)
    expect(a.epoch).toBeGreaterThan(epoch)
    expect(await b.call(mine.id)).toMatchObject({ service: { at: 'served' }, settlement: { at: 'settled' } })
    expect(await a.post(moves(aCall({ claim: mine.claim })).claim())).toMatchObject({
      ok: false,
      why: 'claimed',
    })
    expect(await checkInvariants(b, NOW)).toEqual([])
    expect((await a.balances()).find((row) => row.account === 'revenue')!.value).toBeGreaterThanOrEqual(
      before.find((row) => row.account === 'revenue')!.value,
    )
    await Promise.all([a.close(), b.close()])
    await own.stop()
  })

  test('an old copy that is promoted is brought up to what the instances remember', async () => {
    const master = await startRedis()
    const replica = await startReplica(master)
    const own = await startTcpProxy(master.port)
    const ledger = await openRedisLedger(nameUrl(own.port))
    const call = aCall()
    await ledger.post(moves(call).claim())
    await master.cli('WAIT', 1, 2000)
    // From here on the replica hears nothing.
    await replica.cli('REPLICAOF', 'NO', 'ONE')
    await postAll(ledger, moves(call).stream(aTx(call, 1)), moves(call).settled(1))
    const { epoch } = ledger
    own.retarget(replica.port)
    own.cut()
    await expect.poll(() => lands(ledger, moves(call).bill(10n)), { timeout: 9_000 }).toBe(true)
    expect(ledger.epoch).toBeGreaterThan(epoch)
    expect(await ledger.call(call.id)).toMatchObject({
      service: { at: 'served' },
      settlement: { at: 'settled' },
    })
    expect(await checkInvariants(ledger, NOW)).toEqual([])
    await ledger.close()
    await own.close()
    await Promise.all([master.stop(), replica.stop()])
  })
})

test('while no replica keeps up, what runs is ended and nothing new is taken', async () => {
  const master = await startRedis()
  const replica = await startReplica(master)
  const ledger = await openRedisLedger(`${nameUrl(master.port)}&wait=1`)
  const [call, next] = [aCall(), aCall()]
  expect((await ledger.post(moves(call).claim())).ok).toBe(true)
  replica.pause()
  expect((await ledger.post(moves(call).bill(0n))).ok).toBe(true)
  await expect(ledger.post(moves(next).claim())).rejects.toMatchObject({ code: 'ledger_unavailable' })
  replica.resume()
  const again = () => lands(ledger, moves(next).claim())
  await expect.poll(again, { timeout: 8_000 }).toBe(true)
  await ledger.close()
  await Promise.all([replica.stop(), master.stop()])
})

test('a ledger lives on a Cluster', async () => {
  const cluster = await startCluster(3)
  const ledger = await openRedisLedger(cluster.url)
  const call = aCall()
  await postAll(
    ledger,
    moves(call).claim(),
    moves(call).stream(aTx(call, 1)),
    moves(call).bill(30n),
    moves(call).settled(1),
  )
  expect(await ledger.transfers(BOOK, 0n, 10_000n)).toHaveLength(1)
  expect(await checkInvariants(ledger, NOW)).toEqual([])
  await ledger.close()
  await cluster.stop()
})
