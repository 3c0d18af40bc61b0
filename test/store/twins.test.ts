import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { redisAlive } from '../../src/store/alive.ts'
import { type Board, memoryBoard, redisBoard } from '../../src/store/board.ts'
import { type Lease, redisLease } from '../../src/store/lease.ts'
import { openRedis, parseStoreUrl } from '../../src/store/redis.ts'
import type { Store } from '../../src/store/store.ts'
import { memoryTally, redisTally, type Tally } from '../../src/store/tally.ts'
import { sharedRedis } from '../support/redis.ts'

let redis: Awaited<ReturnType<typeof sharedRedis>>
const open: Store[] = []
beforeAll(async () => {
  redis = await sharedRedis()
})
afterAll(async () => {
  for (const store of open) await store.close()
  await redis.stop()
})
const connect = async (url = redis.url()): Promise<Store> => {
  const store = await openRedis({ url, log: quietLog })
  open.push(store)
  return store
}
const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const clock: Clock = systemClock

const tallyContract = (name: string, make: () => Promise<Tally>) =>
  describe(`${name} tally`, () => {
    test('what may happen twice happens twice, whoever asks at once', async () => {
      const tally = await make()
      const taken = await Promise.all(Array.from({ length: 50 }, () => tally.take('a', 2, 60_000)))
      expect(taken.filter(Boolean)).toHaveLength(2)
      expect(await tally.take('b', 1, 60_000)).toBe(true)
      expect(await tally.take('c', 0, 60_000)).toBe(false)
    })

    test('what was given back may happen again, and no more than before', async () => {
      const tally = await make()
      await tally.take('a', 1, 60_000)
      await tally.giveBack('a')
      await tally.giveBack('a')
      expect(await tally.take('a', 1, 60_000)).toBe(true)
      expect(await tally.take('a', 1, 60_000)).toBe(false)
    })

    test('a count ends', async () => {
      const tally = await make()
      await tally.take('a', 1, 60)
      expect(await tally.take('a', 1, 60)).toBe(false)
      await after(90)
      expect(await tally.take('a', 1, 60)).toBe(true)
    })
  })
tallyContract('the memory', async () => memoryTally({ clock }))
tallyContract('the Redis', async () => redisTally({ store: await connect() }))

const boardContract = (name: string, make: () => Promise<Board>) =>
  describe(`${name} board`, () => {
    test('a note is read at once, found under its beginning, and ends by itself', async () => {
      const board = await make()
      board.write('host a', '1', 80)
      board.write('host b', '2', 60_000)
      board.write('other', '3', 60_000)
      expect(board.read('host a')).toBe('1')
      expect(board.under('host ')).toEqual({ 'host a': '1', 'host b': '2' })
      await after(120)
      expect(board.under('host ')).toEqual({ 'host b': '2' })
      board.erase('host b')
      expect(board.read('host b')).toBeUndefined()
      board.stop()
    })
  })
boardContract('the memory', async () => memoryBoard({ clock }))
boardContract('the Redis', async () => {
  const board = redisBoard({ store: await connect(), clock, log: quietLog })
  board.start()
  return board
})

test('what one instance notes, the others read within about a second, and what it erases they forget', async () => {
  const url = redis.url()
  const boards = await Promise.all(
    [1, 2].map(async () => redisBoard({ store: await connect(url), clock, log: quietLog })),
  )
  for (const board of boards) board.start()
  boards[0]!.write('host a', 'down', 60_000)
  await expect.poll(() => boards[1]!.read('host a'), { timeout: 2_000 }).toBe('down')
  boards[0]!.erase('host a')
  await expect.poll(() => boards[1]!.read('host a'), { timeout: 2_000 }).toBeUndefined()
  expect(boards[0]!.read('host a')).toBeUndefined()
  for (const board of boards) board.stop()
})

test('of several instances one has the lease; when it goes, the next has a higher token', async () => {
  const url = redis.url()
  const told: string[] = []
  const leases: Lease[] = []
  for (const holder of ['a', 'b', 'c']) {
    const lease = redisLease({ store: await connect(url), log: quietLog, holder, ttlMs: 600 })
    const say = (what: string) => async () => void told.push(`${holder} ${what}`)
    await lease.start({ gain: say('gains'), loss: say('loses') })
    leases.push(lease)
  }
  expect(leases.map((one) => one.isHeld())).toEqual([true, false, false])
  const first = leases[0]!.token()
  await leases[0]!.stop()
  await expect.poll(() => leases.filter((one) => one.isHeld()).length, { timeout: 3_000 }).toBe(1)
  const next = leases.find((one) => one.isHeld())!
  expect(Number(next.token())).toBeGreaterThan(Number(first))
  expect(told.slice(0, 2)).toEqual(['a gains', 'a loses'])
  await Promise.all(leases.map((one) => one.stop()))
})

test('a lease whose duties cannot be taken up goes to somebody else', async () => {
  const url = redis.url()
  const [bad, good] = await Promise.all(
    ['bad', 'good'].map(async (holder) =>
      redisLease({ store: await connect(url), log: quietLog, holder, ttlMs: 600 }),
    ),
  )
  const gain = async () => {
    throw new Error('no chain')
  }
  await bad!.start({ gain, loss: async () => {} })
  await good!.start({ gain: async () => {}, loss: async () => {} })
  await expect.poll(() => good!.isHeld(), { timeout: 3_000 }).toBe(true)
  await Promise.all([bad, good].map((one) => one!.stop()))
})

test('a lease that the store forgets while it is taken up is laid down and taken up once more, never twice at once', async () => {
  const store = await connect()
  const lease = redisLease({ store, log: quietLog, holder: 'slow', ttlMs: 500 })
  const told: string[] = []
  const say = (what: string) => async () => {
    told.push(what)
    await new Promise((resolve) => setTimeout(resolve, 350))
  }
  await lease.start({ gain: say('gains'), loss: say('loses') })
  for (let times = 0; times < 3; times++) {
    await store.read('DEL', `${store.prefix}lease`)
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  await expect.poll(() => told.length, { timeout: 5_000 }).toBeGreaterThan(2)
  await lease.stop()
  const turns = Array.from({ length: told.length / 2 }, () => ['gains', 'loses'])
  expect(told).toEqual(turns.flat())
})

test('an instance that says nothing is dead, one that has ended is not', async () => {
  const store = await connect()
  const [a, b] = ['a', 'b'].map((me) => redisAlive({ store, log: quietLog, me, deadMs: 300, beatMs: 100 }))
  await a!.start()
  await b!.start()
  expect([...(await a!.names())].toSorted()).toEqual(['a', 'b'])
  expect(await a!.died('b')).toBe(false)
  b!.pause()
  await expect.poll(() => a!.died('b'), { timeout: 2_000 }).toBe(true)
  expect([...(await a!.names())]).toEqual(['a'])
  await b!.stop()
  expect(await a!.died('b')).toBe(false)
  expect(await a!.died(randomBytes(3).toString('hex'))).toBe(false)
  await a!.stop()
})

test('after an outage of the store nobody is dead before they could say that they live', async () => {
  const store = await connect()
  const away = new Set<string>()
  const [a, b] = ['a', 'b'].map((me) => {
    const run: Store['run'] = (...asked) =>
      away.has(me) ? Promise.reject(new Error('away')) : store.run(...asked)
    return redisAlive({ store: { ...store, run }, log: quietLog, deadMs: 500, beatMs: 100, me })
  })
  await a!.start()
  await b!.start()
  away.add('a').add('b')
  await after(700)
  away.delete('a')
  expect(await a!.died('b')).toBe(false)
  await after(150)
  expect(await a!.died('b')).toBe(false)
  away.delete('b')
  await after(150)
  b!.pause()
  await expect.poll(() => a!.died('b'), { timeout: 3_000 }).toBe(true)
  await a!.stop()
})

test('a lease whose holder died goes on to the next in time, although the clock of the store went back an hour', async () => {
  const store = await connect()
  const left = ['holder', 'dead', 'until', Date.now() + 3_600_000, 'token', '7']
  await store.read('HSET', `${store.prefix}lease`, ...left)
  const lease = redisLease({ store, log: quietLog, holder: 'next', ttlMs: 500 })
  await lease.start({ gain: async () => {}, loss: async () => {} })
  expect(lease.isHeld()).toBe(false)
  await expect.poll(lease.isHeld, { timeout: 3_000 }).toBe(true)
  await lease.stop()
})

test('a store URL says what it is, or what is wrong with it', () => {
  expect(parseStoreUrl('redis://:secret@h:1/2?name=x')).toMatchObject({
    kind: 'single',
    hosts: [{ host: 'h', port: 1 }],
    db: 2,
    name: 'x',
    password: 'secret',
    shown: 'redis://h:1/2',
  })
  expect(parseStoreUrl('redis+sentinel://a:1,b/0?master=m')).toMatchObject({
    kind: 'sentinel',
    hosts: [{ port: 1 }, { host: 'b', port: 26379 }],
    master: 'm',
  })
  expect(parseStoreUrl('redis+cluster://[::1]:7,b:8')).toMatchObject({
    kind: 'cluster',
    hosts: [{ host: '::1' }, {}],
  })
  expect(parseStoreUrl('rediss://u:p@h')).toMatchObject({ tls: true, username: 'u', password: 'p' })
  expect(() => parseStoreUrl('http://h')).toThrow('redis://')
  expect(() => parseStoreUrl('redis://h/0?name={x}')).toThrow('name')
})
