import { connect } from 'node:net'
import { Agent, fetch as fetchFrom } from 'undici'
import type { LocalAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import type { Config } from '../../src/config.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import { claimKey } from '../../src/payment/check.ts'
import { catalogOf, model, prices } from '../support/models.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { sharedRedis } from '../support/redis.ts'
import { costingNothing, type Watched } from '../support/refused.ts'
import { chunk, goodAnswer, startUpstream, type Upstream } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let other: Upstream
const routers: Farebox[] = []
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

beforeAll(async () => {
  world = await startWorld()
  other = await startUpstream()
})
beforeEach(() => {
  world.upstream.script(goodAnswer)
  other.script(goodAnswer)
})
afterEach(async () => {
  for (const router of routers.splice(0)) {
    expect(await checkInvariants(router.deps.ledger, { now: Date.now() })).toEqual([])
    await router.close(500)
  }
})
afterAll(async () => {
  await other.close()
  await world.close()
})

type More = {
  limits?: { [K in keyof Config['limits']]?: Partial<Config['limits'][K]> }
  server?: Partial<Config['server']>
  maxConcurrent?: number
  store?: string
}

const at = (provider: string) => ({ provider, model: `${provider}-model`, prices: prices('1', '2') })

/** A router on the world's chain with limits of its own; `test/two` answers at the world's provider, then at another. */
const open = async ({ limits = {}, server = {}, maxConcurrent = 512, store = 'memory:' }: More) => {
  const { config } = world
  const [up] = config.providers
  const farebox = await startFarebox(
    {
      ...config,
      store,
      catalog: catalogOf(model('test/small'), model('test/two', { hosts: [at('up'), at('other')] })),
      limits: { ...config.limits, ...limits } as Config['limits'],
      server: { ...config.server, ...server },
      providers: [
        { ...up!, maxConcurrent },
        { ...up!, id: 'other', baseUrl: other.url },
      ],
    },
    { log: quietLog },
  )
  routers.push(farebox)
  return { farebox, chat: `${farebox.url}/v1/chat/completions` }
}

/** What must not change, with the settler of this router at rest. */
const watched = (farebox: Farebox): Watched => ({
  farebox,
  rpc: world.rpc,
  upstream: world.upstream,
  settle: async () => {
    const settler = farebox.deps.settler(`eip155:${world.net.chainId}`)
    for (let i = 0; i < 200 && settler.pending() > 0; i++) {
      await settler.tick()
      await pause(20)
    }
  },
})

/** Posts from one of this machine's own addresses. */
const postFrom = async (
  address: string,
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
) => {
  const agent = new Agent({ localAddress: address })
  try {
    const response = await fetchFrom(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      dispatcher: agent,
    })
    await response.arrayBuffer()
    return response
  } finally {
    await agent.close()
  }
}

const statuses = async (n: number, ask: () => Promise<{ status: number }>): Promise<number[]> => {
  const found: number[] = []
  for (let i = 0; i < n; i++) found.push((await ask()).status)
  return found
}
const paymentOf = async (chat: string, account: LocalAccount, body: unknown = hello()) => {
  const asked = await post(chat, body)
  return signOffer(account, offersOf(asked)[0]!)
}

test('who asks for prices too often is told when to come back; it costs nothing, and paid calls go on', async () => {
  const { farebox, chat } = await open({ limits: { unpaid: { perAddress: { perSecond: 0.5, burst: 4 } } } })
  const payer = await world.payer()
  const payment = await paymentOf(chat, payer)
  expect(await statuses(3, () => post(chat, hello()))).toEqual([402, 402, 402])
  const refused = await costingNothing(watched(farebox), () => post(chat, hello()))
  expect(refused.status).toBe(429)
  expect(Object.fromEntries(refused.headers)).toMatchObject({
    'retry-after': '2',
    'x-should-retry': 'true',
    'cache-control': 'no-store, private',
    'ratelimit-policy': '"unpaid-address";q=4;w=8',
    ratelimit: '"unpaid-address";r=0;t=2',
  })
  expect(await refused.json()).toEqual({
    error: {
      message: 'Too many requests from this address.',
      type: 'invalid_request_error',
      code: 'rate_limited',
      param: null,
      hint: 'Send the same request again after the Retry-After seconds, with the same payment if it had one: nothing was charged.',
      docs: '/llms.txt#rate_limited',
    },
  })
  // Quotes, lists and paths that do not exist are of the same kind; whether the process lives is always told.
  expect((await post(`${farebox.url}/v1/quote`, hello())).status).toBe(429)
  expect((await fetch(`${farebox.url}/v1/models`)).status).toBe(429)
  expect((await fetch(`${farebox.url}/nowhere`)).status).toBe(429)
  expect((await fetch(`${farebox.url}/healthz`)).status).toBe(200)
  const paid = await post(chat, hello(), { 'payment-signature': header(payment) })
  expect(paid.status).toBe(200)
  expect(farebox.admit.admission.refused()).toEqual({ 'unpaid address': 4 })
})

test('a payer above its limit is refused before anything is claimed, and the same payment pays a moment later', async () => {
  const { farebox, chat } = await open({ limits: { paid: { perPayer: { perSecond: 0.25, burst: 1 } } } })
  const payer = await world.payer()
  const [first, second] = [await paymentOf(chat, payer), await paymentOf(chat, payer)]
  expect((await post(chat, hello(), { 'payment-signature': header(first) })).status).toBe(200)
  const refused = await costingNothing(watched(farebox), () =>
    post(chat, hello(), { 'payment-signature': header(second) }),
  )
  expect([refused.status, refused.headers.get('payment-required')]).toEqual([429, null])
  expect(refused.headers.get('ratelimit')).toBe(`"paid-payer";r=0;t=${refused.headers.get('retry-after')}`)
  expect(await refused.json()).toMatchObject({ error: { message: 'Too many requests from this payer.' } })
  // Somebody else is not concerned.
  expect((await buy(chat, await world.payer(), hello())).status).toBe(200)
  await pause(1_000 * Number(refused.headers.get('retry-after')))
  expect((await post(chat, hello(), { 'payment-signature': header(second) })).status).toBe(200)
})

test('a stranger cannot use up the limit of a payer: only a payment with its signature counts', async () => {
  const { chat } = await open({ limits: { paid: { perPayer: { perSecond: 0.01, burst: 2 } } } })
  const payer = await world.payer()
  const stranger = privateKeyToAccount(generatePrivateKey())
  const posed = async () => {
    const asked = await post(chat, hello())
    const signed = await signOffer(stranger, offersOf(asked)[0]!, { from: payer.address })
    return post(chat, hello(), { 'payment-signature': header(signed) })
  }
  expect(await statuses(6, posed)).toEqual([402, 402, 402, 402, 402, 402])
  expect(await statuses(3, () => buy(chat, payer, hello()))).toEqual([200, 200, 429])
})

test('a flood of one address does not keep another from paying', async () => {
  const { farebox, chat } = await open({ limits: { unpaid: { perAddress: { perSecond: 1, burst: 5 } } } })
  const payer = await world.payer()
  const payments = [await paymentOf(chat, payer), await paymentOf(chat, payer)]
  const flood = Promise.all(Array.from({ length: 300 }, () => postFrom('127.0.0.2', chat, hello())))
  for (const payment of payments) {
    const paid = await postFrom('127.0.0.3', chat, hello(), { 'payment-signature': header(payment) })
    expect(paid.status).toBe(200)
  }
  const flooded = (await flood).map(({ status }) => status)
  expect(flooded.filter((status) => status === 402).length).toBeLessThanOrEqual(10)
  expect(flooded.filter((status) => status === 429).length).toBeGreaterThanOrEqual(290)
  expect((await postFrom('127.0.0.3', chat, hello())).status).toBe(402)
  expect(farebox.admit.admission.refused()['unpaid address']).toBeGreaterThanOrEqual(290)
})

test('X-Forwarded-For counts only when a trusted proxy wrote it', async () => {
  const limits = { unpaid: { perAddress: { perSecond: 0.01, burst: 2 } } }
  const as = (chat: string, forwarded: string, from = '127.0.0.1') =>
    postFrom(from, chat, hello(), { 'x-forwarded-for': forwarded })
  const open1 = await open({ limits })
  let n = 0
  // A new claim each time helps nobody.
  expect(await statuses(4, () => as(open1.chat, `203.0.113.${n++}`))).toEqual([402, 402, 429, 429])

  const behind = await open({ limits, server: { trustedProxies: ['127.0.0.2'] } })
  const proxied = (forwarded: string) => as(behind.chat, forwarded, '127.0.0.2')
  expect(await statuses(3, () => proxied('203.0.113.1'))).toEqual([402, 402, 429])
  expect(await statuses(3, () => proxied('198.51.100.7, 203.0.113.1'))).toEqual([429, 429, 429])
  expect(await statuses(2, () => proxied('203.0.113.2'))).toEqual([402, 402])
  // IPv6 callers have a /64 to move in, and one bucket for it.
  n = 0
  expect(await statuses(3, () => proxied(`2001:db8:1:2::${++n}`))).toEqual([402, 402, 429])
  // From another address the header is but words.
  expect(await statuses(3, () => as(behind.chat, '203.0.113.9'))).toEqual([402, 402, 429])
})

test('the instances of a fleet count together', async () => {
  const redis = await sharedRedis()
  try {
    const store = redis.url()
    const limits = { unpaid: { perAddress: { perSecond: 0.01, burst: 20 } } }
    const fleet = [await open({ limits, store }), await open({ limits, store })]
    let n = 0
    const asked = await statuses(60, () => post(fleet[n++ % 2]!.chat, hello()))
    const allowed = asked.filter((status) => status === 402).length
    expect(allowed).toBeGreaterThanOrEqual(20)
    // A block of each instance, a tenth of the burst, may come on top.
    expect(allowed).toBeLessThanOrEqual(24)
    expect(asked.filter((status) => status === 429).length).toBe(60 - allowed)
    for (const router of routers.splice(0)) await router.close(500)
  } finally {
    await redis.stop()
  }
})

test('sign-ins are counted for themselves', async () => {
  const { farebox, chat } = await open({ limits: { signIn: { perAddress: { perSecond: 0.01, burst: 2 } } } })
  const account = () => fetch(`${farebox.url}/v1/account`)
  expect(await statuses(3, account)).toEqual([401, 401, 429])
  expect((await post(chat, hello())).status).toBe(402)
})

/** Holds the first answer of a provider back until it is let go. */
const holding = (upstream: Upstream) => {
  let letGo = () => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  upstream.script(async (ask) => {
    await held
    return goodAnswer(ask)
  })
  return letGo
}

test('a provider that has as many calls as it takes lets others wait a little; then they are refused and charged nothing', async () => {
  const { farebox, chat } = await open({ maxConcurrent: 1 })
  const seen = world.upstream.seen.length
  const letGo = holding(world.upstream)
  const first = buy(chat, await world.payer(), hello())
  await expect.poll(() => world.upstream.seen.length).toBe(seen + 1)
  const payer = await world.payer()
  const refused = await buy(chat, payer, hello())
  expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('x-should-retry')]).toEqual(
    [503, '1', 'false'],
  )
  expect(await refused.json()).toMatchObject({
    error: {
      code: 'overloaded',
      message: 'Every provider of this model has as many calls as it takes.',
      hint: 'Try again after the Retry-After seconds. Nothing was charged and this authorization will never be submitted.',
    },
  })
  const id = refused.headers.get('x-farebox-call')!
  expect((await farebox.deps.ledger.call(id))?.service).toMatchObject({ at: 'released', why: 'overloaded' })
  expect(farebox.deps.gates.states()['up']).toEqual({ limit: 1, inFlight: 1, waiting: 0, turnedAway: 1 })
  // One that comes while the place becomes free gets it.
  const third = buy(chat, await world.payer(), hello())
  await expect.poll(() => farebox.deps.gates.states()['up']?.waiting, { timeout: 5_000 }).toBe(1)
  letGo()
  expect([(await first).status, (await third).status]).toEqual([200, 200])
  expect(farebox.deps.gates.states()['up']).toMatchObject({ inFlight: 0, waiting: 0 })
  expect(await world.balance(payer.address)).toBe(10_000_000n)
})

test('where the model has another host, that one answers instead', async () => {
  const { chat } = await open({ maxConcurrent: 1 })
  const letGo = holding(world.upstream)
  const seen = world.upstream.seen.length
  const first = buy(chat, await world.payer(), hello({ model: 'test/two' }))
  await expect.poll(() => world.upstream.seen.length).toBe(seen + 1)
  const second = await buy(chat, await world.payer(), hello({ model: 'test/two' }))
  expect([second.status, second.headers.get('x-farebox-provider')]).toEqual([200, 'other'])
  letGo()
  expect((await first).headers.get('x-farebox-provider')).toBe('up')
})

test('every place at a provider comes back, however the call ends', async () => {
  const { farebox, chat } = await open({ maxConcurrent: 2 })
  const stream = hello({ stream: true })
  const free = () =>
    expect.poll(() => farebox.deps.gates.states()['up']?.inFlight, { timeout: 5_000 }).toBe(0)
  const pay = async (body: unknown, signal?: AbortSignal) => {
    const payment = await paymentOf(chat, await world.payer(), body)
    return post(chat, body, { 'payment-signature': header(payment) }, signal)
  }
  await (await pay(stream)).text()
  await free()
  world.upstream.script(({ response }) => void response.writeHead(500).end())
  expect((await pay(stream)).status).toBe(502)
  await free()
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'Hel' }))
    setTimeout(() => response.destroy(), 50)
  })
  await (await pay(stream)).text()
  await free()
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'Hel' }))
  })
  const leaver = new AbortController()
  await (await pay(stream, leaver.signal)).body!.getReader().read()
  expect(farebox.deps.gates.states()['up']?.inFlight).toBe(1)
  leaver.abort()
  await free()
  world.upstream.script(() => {})
  const early = new AbortController()
  const asked = pay(stream, early.signal).catch(() => {})
  await expect.poll(() => farebox.deps.gates.states()['up']?.inFlight).toBe(1)
  early.abort()
  await asked
  await free()
})

test('a reader that takes nothing is cut: its provider is stopped, and it pays for what was delivered', async () => {
  const { farebox, chat } = await open({ server: { readerMs: 400 } })
  const body = hello({ stream: true, max_tokens: 1000 })
  const payment = await paymentOf(chat, await world.payer(), body)
  const padding = 'x'.repeat(200_000)
  let written = 0
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => {
      if (written < 900) write({ ...chunk({ content: ' word' }), system_fingerprint: padding })
      written++
    }, 2)
    response.on('close', () => clearInterval(timer))
  })
  const text = JSON.stringify(body)
  const socket = connect(Number(new URL(chat).port), '127.0.0.1').pause()
  socket.on('error', () => {})
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nPAYMENT-SIGNATURE: ${header(payment)}\r\n\r\n${text}`,
  )
  await expect.poll(() => farebox.admit.cuts(), { timeout: 10_000 }).toEqual({ slow_reader: 1 })
  await expect.poll(() => world.upstream.seen.at(-1)?.closedEarly, { timeout: 2_000 }).toBe(true)
  const { from, nonce } = payment.payload.authorization
  const [chain, address] = [payment.accepted.network, payment.accepted.asset.toLowerCase() as Hex]
  const signed = { kind: 'eip3009', from: from.toLowerCase() as Hex, nonce } as const
  const claim = claimKey({ chain, address }, signed)
  const billed = async () => (await farebox.deps.ledger.callByClaim(claim))?.service
  await expect.poll(billed).toMatchObject({ at: 'partial' })
  const service = await billed()
  if (!service || !('bill' in service)) throw new Error('it has no bill')
  expect(service.bill.charged).toBeGreaterThan(0n)
  expect(service.bill.usage.output).toBeLessThan(written)
  socket.destroy()
})
