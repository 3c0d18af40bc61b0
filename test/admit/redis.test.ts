import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Buckets } from '../../src/admit/buckets.ts'
import type { Rate } from '../../src/admit/gcra.ts'
import { blockOf, redisBuckets } from '../../src/admit/redis.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { openRedis } from '../../src/store/redis.ts'
import type { Store } from '../../src/store/store.ts'
import { type RedisProcess, startRedis } from '../support/redis.ts'
import { startCluster } from '../support/redis-fleet.ts'
import { contract, newKey, oks, pause } from './contract.ts'

const open = (url: string) => openRedis({ url, log: quietLog })
// A busy machine may be slow to answer: only the test that takes Redis away is about waiting.
const instance = (store: Store, waitMs = 5_000): Buckets =>
  redisBuckets({ store, clock, log: quietLog, waitMs })

let redis: RedisProcess
const stores: Store[] = []
const connected = async (): Promise<Store> => {
  const store = await open(redis.url)
  stores.push(store)
  return store
}
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  for (const store of stores) await store.close()
  await redis.stop()
})

contract({ name: 'shared through Redis', open: async () => instance(await connected()) })

const RATE: Rate = { perSecond: 10, burst: 100 }

/** Asks at several instances in turn, a little at a time as callers do; returns how many got in. */
const ask = async (fleet: readonly Buckets[], key: string, n: number, rate = RATE): Promise<number> => {
  let allowed = 0
  for (let i = 0; i < n; i++) {
    allowed += oks([await fleet[i % fleet.length]!.take(key, rate)])
    if (i % 20 === 19) await pause(1)
  }
  return allowed
}

test('the instances of a fleet share one limit: together they let in at most a block each above it', async () => {
  const fleet = [instance(await connected()), instance(await connected()), instance(await connected())]
  const from = performance.now()
  const allowed = await ask(fleet, newKey(), 600)
  const earned = ((performance.now() - from) / 1000) * RATE.perSecond
  expect(allowed).toBeGreaterThanOrEqual(RATE.burst)
  expect(allowed).toBeLessThanOrEqual(RATE.burst + earned + 3 * blockOf(RATE) + 1)
})

test('asked all at once they hold to it too', async () => {
  const fleet = [instance(await connected()), instance(await connected())]
  const key = newKey()
  const taken = await Promise.all(
    Array.from({ length: 1_000 }, async (_, i) => fleet[i % 2]!.take(key, RATE)),
  )
  expect(oks(taken)).toBeGreaterThanOrEqual(RATE.burst)
  expect(oks(taken)).toBeLessThanOrEqual(RATE.burst + 2 * blockOf(RATE) + 2)
})

test('what was used up at one instance is used up at the other', async () => {
  const [first, second] = [instance(await connected()), instance(await connected())]
  const rate = { perSecond: 1, burst: 10 }
  const key = newKey()
  expect(await ask([first], key, 20, rate)).toBe(10)
  await pause(20)
  expect(await ask([second], key, 20, rate)).toBeLessThanOrEqual(blockOf(rate) + 1)
})

test('a caller who asks seldom costs Redis nothing, and what a busy one leaves there goes away by itself', async () => {
  const store = await connected()
  const buckets = instance(store)
  await redis.cli('FLUSHALL')
  for (let i = 0; i < 1_000; i++) await buckets.take(newKey(), RATE)
  await pause(20)
  expect(await store.read('DBSIZE')).toBe(0)
  const key = newKey()
  await ask([buckets], key, 150)
  await pause(20)
  const name = `rl:{farebox:${key}}`
  expect(await store.read('EXISTS', name)).toBe(1)
  const ttl = Number(await store.read('PTTL', name))
  expect(ttl).toBeGreaterThan(0)
  expect(ttl).toBeLessThanOrEqual(20_001)
})

test('while Redis does not answer each instance goes by its own buckets, nobody waits long, and nothing fails', async () => {
  const own = await startRedis()
  const store = await open(own.url)
  const buckets = instance(store, 100)
  try {
    await own.pause()
    const from = performance.now()
    const taken = await Promise.all(Array.from({ length: 300 }, async () => buckets.take('a', RATE)))
    expect(performance.now() - from).toBeLessThan(400)
    expect(oks(taken)).toBeGreaterThanOrEqual(RATE.burst)
    expect(oks(taken)).toBeLessThanOrEqual(RATE.burst + 5)
    await own.resume()
    await own.kill9()
    await pause(50)
    const alone = Array.from({ length: 300 }, () => buckets.take('b', RATE))
    expect(oks(await Promise.all(alone))).toBe(RATE.burst)
    // Not even a promise once it is known: nothing is asked of what is away.
    expect(buckets.take('c', RATE)).toEqual({ ok: true, left: RATE.burst - 1 })
    await own.restart()
    await expect.poll(() => store.read('PING').catch(() => ''), { timeout: 5_000 }).toBe('PONG')
    await pause(1_100)
    const other = await open(own.url)
    await ask([buckets], 'c', 150)
    await pause(20)
    expect(await ask([instance(other)], 'c', 50)).toBeLessThanOrEqual(blockOf(RATE) + 2)
    await other.close()
  } finally {
    await store.close()
    await own.stop()
  }
})

test('in a Cluster the keys are spread over its nodes, and instances share them all the same', async () => {
  const cluster = await startCluster(3)
  const [one, two] = [await open(cluster.url), await open(cluster.url)]
  try {
    const [first, second] = [instance(one), instance(two)]
    const rate = { perSecond: 1, burst: 10 }
    const keys = Array.from({ length: 30 }, newKey)
    for (const key of keys) expect(await ask([first], key, 12, rate)).toBe(10)
    await pause(50)
    for (const key of keys) expect(await ask([second], key, 5, rate)).toBeLessThanOrEqual(2)
    const sizes = await Promise.all(cluster.nodes.map((node) => node.cli('DBSIZE')))
    expect(sizes.map(Number).every((size) => size > 0)).toBe(true)
  } finally {
    await one.close()
    await two.close()
    await cluster.stop()
  }
}, 60_000)
