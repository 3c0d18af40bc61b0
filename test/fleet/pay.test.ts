import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import { channelBuyer } from '../chain/channel-world.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { DURABLE, type RedisProcess, startRedis } from '../support/redis.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let redis: RedisProcess
let world: World
/** Instances beside that of the world, each behind a proxy of its own. */
let proxies: TcpProxy[]
let fleet: Farebox[]

const storeAt = (port: number) => `redis://127.0.0.1:${port}/0?name=fleet` as const
const another = (port: number) => startFarebox({ ...world.config, store: storeAt(port) }, { log: quietLog })

beforeAll(async () => {
  redis = await startRedis({ args: DURABLE })
  proxies = await Promise.all([0, 1].map(() => startTcpProxy(redis.port)))
  world = await startWorld({ store: storeAt(redis.port), x402: true })
  fleet = [world.farebox, ...(await Promise.all(proxies.map(({ port }) => another(port))))]
})
afterAll(async () => {
  for (const one of fleet?.slice(1) ?? []) await one.close(500)
  await world?.close()
  for (const proxy of proxies ?? []) await proxy.close()
  await redis?.stop()
})
beforeEach(() => world.upstream.script(goodAnswer))

const chat = (i: number) => `${fleet[i]!.url}/v1/chat/completions`
const leader = () => fleet.findIndex((one) => one.leads())
const follower = () => fleet.findIndex((one, i) => i > 0 && !one.leads())
const sign = async (i: number, body: object = hello()) => {
  const payer = await world.payer()
  const [offer] = offersOf(await post(chat(i), body)).filter((one) => one.scheme === 'exact')
  return { payer, body, payment: header(await signOffer(payer, offer!)) }
}
const pay = (
  i: number,
  { body, payment }: { body: object; payment: string },
  more: Record<string, string> = {},
) => post(chat(i), body, { 'payment-signature': payment, ...more })
const settledOf = async (i: number, id: string) => (await fleet[i]!.deps.ledger.call(id))?.settlement.at

test('one instance leads', () => {
  expect(fleet.filter((one) => one.leads())).toHaveLength(1)
})

test('a quote of one instance is paid at another, settled by the leader, and known to all', async () => {
  const signed = await sign(0)
  const paid = await pay(follower(), signed)
  expect(paid.status).toBe(200)
  const id = paid.headers.get('x-farebox-call')!
  await expect.poll(() => settledOf(0, id), { timeout: 10_000 }).toBe('settled')
  for (const one of fleet) {
    const state = (await (await fetch(`${one.url}/v1/calls/${id}`)).json()) as { state: string }
    expect(state.state).toBe('settled')
  }
})

test('one payment sent to all instances at once is served once', async () => {
  const signed = await sign(1)
  const before = world.upstream.seen.length
  const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => pay(i % 3, signed)))
  const count = (status: number) => answers.filter((one) => one.status === status).length
  expect([count(200), count(409)]).toEqual([1, 59])
  expect(world.upstream.seen.length).toBe(before + 1)
})

test('what must be paid first is, at an instance that does not settle', async () => {
  const signed = await sign(follower(), hello({ model: 'test/large', max_tokens: 1_000 }))
  const paid = await pay(follower(), signed)
  expect(paid.status).toBe(200)
  const call = await fleet[0]!.deps.ledger.call(paid.headers.get('x-farebox-call')!)
  expect(call).toMatchObject({ settleFirst: true, settlement: { at: 'settled' } })
})

test('a channel is used at every instance in turn, deposit and all', async () => {
  const buyer = channelBuyer({ ...world, farebox: fleet[0]! }, await world.payer())
  for (let i = 0; i < 6; i++) {
    const answer = await buyer.fetch(chat(i % 3), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(hello()),
    })
    expect(answer.status).toBe(200)
  }
})

test('calls on one channel at several instances wait for each other', async () => {
  const buyer = channelBuyer({ ...world, farebox: fleet[0]! }, await world.payer())
  const ask = (i: number) =>
    buyer.fetch(chat(i), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(hello()),
    })
  expect((await ask(0)).status).toBe(200)
  world.upstream.script(async (asked) => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    await goodAnswer(asked)
  })
  const first = ask(1)
  await expect
    .poll(async () => (await fleet[0]!.deps.ledger.openChannels()).some((one) => one.busy))
    .toBe(true)
  // Its voucher was made before the first was charged: it waits, and then is told what to sign.
  const second = ask(2)
  expect([(await first).status, (await second).status]).toEqual([200, 200])
})

test('when the leader ends, another takes over what was due', async () => {
  const first = leader()
  const signed = await sign(first)
  const paid = await pay(follower(), signed)
  const id = paid.headers.get('x-farebox-call')!
  expect(first).toBe(0)
  await fleet[0]!.close(500)
  await expect.poll(() => fleet.slice(1).some((one) => one.leads()), { timeout: 10_000 }).toBe(true)
  await expect.poll(() => settledOf(1, id), { timeout: 10_000 }).toBe('settled')
  await world.restart()
  fleet[0] = world.farebox
})

test('an instance without its store says so within a second, and what is free goes on', async () => {
  const cut = follower()
  const signed = await sign(cut)
  const proxy = proxies[cut - 1]!
  proxy.partition(true)
  for (let i = 0; i < 3; i++) {
    const started = performance.now()
    const refused = await pay(cut, signed)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(performance.now() - started).toBeLessThan(2_000)
  }
  expect((await post(chat(cut), hello())).status).toBe(402)
  expect((await fetch(`${fleet[cut]!.url}/v1/models`)).status).toBe(200)
  expect((await fetch(`${fleet[cut]!.url}/readyz`)).status).toBe(503)
  // Elsewhere the same payment is served.
  const before = world.upstream.seen.length
  expect((await pay(0, signed)).status).toBe(200)
  proxy.partition(false)
  proxy.cut()
  await expect.poll(async () => (await pay(cut, signed)).status, { timeout: 8_000 }).toBe(409)
  expect(world.upstream.seen.length).toBe(before + 1)
})

test('the ledger holds what it promises, whoever asks', async () => {
  for (const one of fleet) {
    await expect
      .poll(() => checkInvariants(one.deps.ledger, { now: Date.now() }), { timeout: 10_000 })
      .toEqual([])
  }
})
