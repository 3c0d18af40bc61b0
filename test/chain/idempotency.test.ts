import { appendPaymentIdentifierToExtensions } from '@x402/extensions/payment-identifier'
import OpenAI from 'openai'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { PaymentRequired } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signOffer } from '../support/pay.ts'
import { costingNothing } from '../support/refused.ts'
import { chunk, goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import { ask, CHARGE, channelBuyer, channelOf } from './channel-world.ts'

let world: World
let payer: LocalAccount
let count = 0
beforeAll(async () => {
  world = await startWorld({ x402: true })
})
beforeEach(async () => {
  world.upstream.script(goodAnswer)
  payer = await world.payer()
  count++
})
afterAll(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
  await world.close()
})

/** Signs a fresh quote of a request, by an authorization of its own. */
const signed = async (body: object = hello(), by: LocalAccount = payer) =>
  signOffer(by, offerOf(offersOf(await post(world.chat, body)), 'exact', { method: 'eip3009' }))
const send = (payment: unknown, headers: Record<string, string>, body: object = hello()) =>
  post(world.chat, body, { 'payment-signature': header(payment), ...headers })
const named = (name = `order-${count}`) => ({ 'idempotency-key': name })
const who = (by: LocalAccount = payer) => ({ 'x-farebox-payer': by.address })
const decoded = (text: string | null) => JSON.parse(Buffer.from(text ?? '', 'base64').toString())
const codeOf = async (response: Response) =>
  ((await response.json()) as { error?: { code: string } }).error?.code ?? 'none'

/** That a response says "this call was served, and its answer is not kept", with the receipt and the id of that call. */
const saysServed = async (response: Response, first: Response) => {
  expect([response.status, await codeOf(response)]).toEqual([409, 'answer_not_kept'])
  expect(response.headers.get('x-should-retry')).toBe('false')
  expect(response.headers.get('x-farebox-call')).toBe(first.headers.get('x-farebox-call'))
  const receipts = [first, response].map(
    (one) => decoded(one.headers.get('payment-response')).extensions.farebox,
  )
  // A transaction that came later changes the receipt, and nothing else does.
  const [before, after] = receipts.map(({ receipt }) => ({ ...receipt, transaction: '' }))
  expect(after).toEqual(before)
}

test('a call that is sent again under its name is told that it was served, and is not charged again', async () => {
  const payment = await signed()
  const first = await send(payment, named())
  expect(first.status).toBe(200)
  await first.text()
  await costingNothing(world, async () => {
    await saysServed(await send(payment, named()), first)
    // Signed once more, and not paid yet: neither may pay for the same call again.
    await saysServed(await send(await signed(), named()), first)
    await saysServed(await post(world.chat, hello(), { ...named(), ...who() }), first)
  })
})

test('a call that is being served is not begun again under its name, whatever pays for it', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  world.upstream.script(async (ask) => {
    await held
    await goodAnswer(ask)
  })
  const seen = world.upstream.seen.length
  const first = send(await signed(), named())
  while (world.upstream.seen.length === seen) await new Promise((resolve) => setTimeout(resolve, 5))
  const others = [
    await send(await signed(), named()),
    await post(world.chat, hello(), { ...named(), ...who() }),
  ]
  release()
  const served = await first
  expect(served.status).toBe(200)
  for (const other of others) {
    expect([other.status, await codeOf(other)]).toEqual([409, 'payment_in_flight'])
    expect(other.headers.get('x-farebox-call')).toBe(served.headers.get('x-farebox-call'))
  }
  expect(world.upstream.seen.length).toBe(seen + 1)
})

test('of many requests at once under one name, each with a payment of its own, one is served and charged', async () => {
  const payments = await Promise.all(Array.from({ length: 8 }, () => signed()))
  const seen = world.upstream.seen.length
  const answers = await Promise.all(payments.map((payment) => send(payment, named())))
  expect(answers.map((one) => one.status).toSorted()).toEqual([200, ...Array(7).fill(409)])
  expect(world.upstream.seen.length).toBe(seen + 1)
})

test('a call that failed may be tried again under its name', async () => {
  world.upstream.script(({ response }) => void response.writeHead(500).end())
  const failed = await send(await signed(), named())
  expect(failed.status).toBe(502)
  expect((await post(world.chat, hello(), { ...named(), ...who() })).status).toBe(402)
  world.upstream.script(goodAnswer)
  expect((await send(await signed(), named())).status).toBe(200)
})

test('a stream is served once under its name as well', async () => {
  const body = hello({ stream: true })
  const first = await send(await signed(body), named(), body)
  expect(await first.text()).toContain('[DONE]')
  const again = await send(await signed(body), named(), body)
  expect([again.status, await codeOf(again)]).toEqual([409, 'answer_not_kept'])
})

test('another request under the same name is refused, once its payer is known, and costs nothing', async () => {
  expect((await send(await signed(), named())).status).toBe(200)
  const other = hello({ max_tokens: 51 })
  await costingNothing(world, async () => {
    const refused = await send(await signed(other), named(), other)
    const text = await refused.text()
    expect(refused.status).toBe(409)
    expect(text).toContain('idempotency_conflict')
    expect(text).not.toContain('call_')
    expect(refused.headers.get('x-farebox-call')).toBeNull()
  })
})

test('a name is of no use to a stranger', async () => {
  const first = await send(await signed(), named())
  const id = first.headers.get('x-farebox-call')!
  const other = hello({ max_tokens: 52 })
  await costingNothing(world, async () => {
    // He names the payer, without a payment and with one that he cannot sign for.
    const asked = await post(world.chat, other, { ...named(), ...who() })
    const forged = await signed(other)
    forged.payload.signature = (await signed(other, await world.payer(0n))).payload.signature
    const tried = await send(forged, named(), other)
    for (const answer of [asked, tried]) {
      expect(answer.status).toBe(402)
      expect(await answer.text()).not.toMatch(/conflict|answer_not_kept/)
      expect(answer.headers.get('x-farebox-call')).toBeNull()
    }
  })
  // Nor can he take it: names belong to their payers.
  const stranger = await world.payer()
  const his = await send(await signed(hello(), stranger), named())
  expect(his.status).toBe(200)
  expect(his.headers.get('x-farebox-call')).not.toBe(id)
})

test('the payment-identifier of x402 names a call like the header does', async () => {
  const asked = await post(world.chat, hello())
  const { extensions } = decoded(asked.headers.get('payment-required')) as PaymentRequired
  const name = `identifier_${count}_0123456789`
  const identified = async () => {
    const added = appendPaymentIdentifierToExtensions(structuredClone(extensions!), name)
    return { ...(await signed()), extensions: added }
  }
  const first = await send(await identified(), {})
  expect(first.status).toBe(200)
  await saysServed(await send(await identified(), {}), first)
  await saysServed(await send(await identified(), named(name)), first)
  await saysServed(await post(world.chat, hello(), { ...named(name), ...who() }), first)
  const differs = await send(await identified(), named('another'))
  expect([differs.status, await codeOf(differs)]).toEqual([400, 'invalid_request'])
})

test.each([
  ['', 'empty'],
  ['x'.repeat(256), 'too long'],
  ['caf\u00e9', 'not ASCII'],
])('a name that is %j is refused: %s', async (name) => {
  const answer = await post(world.chat, hello(), { 'idempotency-key': name })
  expect([answer.status, await codeOf(answer)]).toEqual([400, 'invalid_request'])
})

test('the OpenAI SDK does not repeat a named call by itself', async () => {
  const payment = await signed()
  await (await send(payment, named())).text()
  let requests = 0
  const counting: typeof fetch = (...args) => {
    requests++
    return fetch(...args)
  }
  const openai = new OpenAI({
    apiKey: 'none',
    baseURL: `${world.farebox.url}/v1`,
    fetch: counting,
    maxRetries: 3,
  })
  const headers = { ...named(), 'payment-signature': header(payment) }
  await expect(openai.chat.completions.create(hello() as never, { headers })).rejects.toThrow('409')
  expect(requests).toBe(1)
})

test('a call that broke off is not begun again under its name', async () => {
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'Hello' }))
    setTimeout(() => response.destroy(), 20)
  })
  const body = hello({ stream: true })
  const first = await send(await signed(body), named(), body)
  expect(await first.text()).toContain('stream_broken')
  const again = await send(await signed(body), named(), body)
  expect([again.status, await codeOf(again)]).toEqual([409, 'answer_not_kept'])
})

test('a call that is paid from a channel is served once under its name', async () => {
  const buyer = channelBuyer(world, payer)
  const buy = (body: object) => {
    const request = ask(body)
    return buyer.fetch(world.chat, { ...request, headers: { ...request.headers, ...named() } })
  }
  const first = await buy(hello())
  expect(first.status).toBe(200)
  await saysServed(await buy(hello()), first)
  const other = await buy(hello({ max_tokens: 51 }))
  expect([other.status, await codeOf(other)]).toEqual([409, 'idempotency_conflict'])
  expect((await channelOf(world, payer)).charged).toBe(CHARGE)
})
