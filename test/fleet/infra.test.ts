import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { DURABLE, sharedRedis, startRedis } from '../support/redis.ts'
import { startCluster, startReplica, startSentinel } from '../support/redis-fleet.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const later = <T extends { stop: () => Promise<void> }>(started: T): T => {
  ends.push(started.stop)
  return started
}

const clientAt = (port: number, timeoutMs = 300): Redis => {
  const options = { commandTimeout: timeoutMs, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false }
  const client = new Redis({ host: '127.0.0.1', port, ...options })
  client.on('error', () => {})
  ends.push(() => client.disconnect())
  return client
}

const until = async (holds: () => Promise<boolean>, ms = 10_000): Promise<void> => {
  const end = Date.now() + ms
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error('waited in vain')
    await sleep(25)
  }
}

describe('a Redis for tests', () => {
  test('forgets on a restart, and remembers after a power cut when told to write everything down', async () => {
    const light = later(await startRedis())
    await light.cli('SET', 'a', '1')
    await light.restart()
    expect(await light.cli('GET', 'a')).toBeNull()

    const durable = later(await startRedis({ args: DURABLE }))
    const before = durable.pid
    await durable.cli('SET', 'a', '1')
    await durable.kill9()
    await expect(durable.cli('PING')).rejects.toThrow()
    await durable.restart()
    expect(await durable.cli('GET', 'a')).toBe('1')
    expect(durable.pid).not.toBe(before)
  })

  test('answers nothing while it is frozen and goes on afterwards', async () => {
    const redis = later(await startRedis())
    const client = clientAt(redis.port)
    expect(await client.ping()).toBe('PONG')
    redis.pause()
    await expect(client.ping()).rejects.toThrow(/timed out/i)
    redis.resume()
    expect(await client.ping()).toBe('PONG')
  })

  test('a shared one gives every test a name of its own', async () => {
    const shared = later(await sharedRedis())
    const [one, two] = [shared.url('fleet'), shared.url('fleet')]
    expect(one).toMatch(/^redis.*[?&]name=fleet-[0-9a-f]{10}$/)
    expect(one).not.toBe(two)
  })

  test('a Sentinel makes the replica the master when the master is gone', async () => {
    const master = later(await startRedis())
    const replica = later(await startReplica(master))
    const sentinel = later(await startSentinel({ master }))
    await master.cli('SET', 'a', '1')
    expect(await master.cli('WAIT', 1, 1000)).toBe(1)
    expect(await sentinel.master()).toBe(master.port)
    await master.kill9()
    await until(async () => (await sentinel.master()) === replica.port)
    await until(async () => (await replica.cli('SET', 'b', '2')) === 'OK')
    expect(await replica.cli('GET', 'a')).toBe('1')
  })

  test('three masters make a cluster that takes any key', async () => {
    const cluster = later(await startCluster(3))
    const hosts = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const client = new Cluster(hosts)
    ends.push(() => client.disconnect())
    const keys = ['a', 'b', 'c', 'd', 'e']
    for (const key of keys) await client.set(key, key)
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys)
    const held = await Promise.all(cluster.nodes.map((node) => node.cli('DBSIZE')))
    expect(held.filter((size) => Number(size) > 0).length).toBeGreaterThan(1)
  })
})

describe('a network for tests', () => {
  const behind = async () => {
    const redis = later(await startRedis())
    const proxy = await startTcpProxy(redis.port)
    ends.push(proxy.close)
    return { redis, proxy, client: clientAt(proxy.port) }
  }

  test('a slow network answers late, in order', async () => {
    const { proxy, client } = await behind()
    await client.ping()
    proxy.delay(100)
    const began = Date.now()
    const answers = await Promise.all([client.incr('n'), client.incr('n'), client.incr('n')])
    expect(answers).toEqual([1, 2, 3])
    expect(Date.now() - began).toBeGreaterThanOrEqual(95)
  })

  test('a lost reply leaves the write done', async () => {
    const { redis, proxy, client } = await behind()
    await client.ping()
    proxy.dropReplies(true)
    await expect(client.incr('n')).rejects.toThrow(/timed out/i)
    expect(await redis.cli('GET', 'n')).toBe('1')
    proxy.dropReplies(false)
    await until(async () => (await client.incr('n')) === 2)
  })

  test('a partition swallows everything, and what was under way arrives when it ends', async () => {
    const { redis, proxy, client } = await behind()
    await client.ping()
    proxy.partition(true)
    await expect(client.incr('n')).rejects.toThrow(/timed out/i)
    const late = clientAt(proxy.port, 5_000)
    const asked = late.get('n')
    await sleep(50)
    expect(await redis.cli('GET', 'n')).toBeNull()
    proxy.partition(false)
    expect(['1', null]).toContain(await asked)
    await until(async () => (await redis.cli('GET', 'n')) === '1')
    expect(await client.ping()).toBe('PONG')
  })

  test('a cut ends every connection, and the next one works', async () => {
    const { proxy, client } = await behind()
    await client.ping()
    expect(proxy.open()).toBe(1)
    proxy.cut()
    await until(async () => (await client.ping()) === 'PONG')
  })
})
