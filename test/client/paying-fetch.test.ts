import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  openSpending,
  PaymentRefused,
  type Policy,
  parseUsd,
  ReceiptRejected,
  type Usd,
  walletFromKey,
} from '../../src/client/index.ts'
import { body, newBuyer, signatures } from './buyer.ts'
import {
  ANSWER,
  answer,
  CALL,
  demand,
  honest,
  offer,
  type Router,
  receiptFor,
  refuse,
  SIGNER,
  settleResponse,
  sha256,
  sign,
  startRouter,
} from './router.ts'

let router: Router
beforeAll(async () => {
  router = await startRouter()
})
beforeEach(() => {
  router.seen.length = 0
  router.script(honest)
})
afterAll(() => router.close())

const refusalOf = async (policy: Policy, init = body()): Promise<PaymentRefused> => {
  const { pay } = newBuyer({ policy })
  const error = await pay(router.chat, init).catch((thrown: unknown) => thrown)
  expect(router.paid()).toHaveLength(0)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 0n })
  if (error instanceof PaymentRefused) return error
  throw new Error(`not refused: ${error}`)
}

test('a call is asked for, paid and answered, and its receipt is checked', async () => {
  const { pay, types, wallet } = newBuyer()
  const response = await pay(router.chat, body())
  expect([response.status, response.url, await response.text()]).toEqual([200, router.chat, ANSWER])
  expect(types()).toEqual(['quote', 'signed', 'paid', 'receipt'])
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { callId: CALL, charged: '14' } },
  })
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n, charged: 14n, lastHour: 10_000n })
  const [asked, paid] = router.seen
  expect(asked?.headers['x-farebox-payer']).toBe(wallet.address)
  expect(paid?.body).toBe(asked?.body)
  expect(paid?.paid?.accepted).toEqual(offer())
})

test('an authorization is valid for as long as the offer says, from a minute ago, and never for more than an hour', async () => {
  const now = Math.floor(Date.now() / 1000)
  const windowOf = async (maxTimeoutSeconds: number) => {
    router.script((ask) => (ask.paid ? answer(ask) : demand(ask, [offer({ maxTimeoutSeconds })])))
    await newBuyer().pay(router.chat, body())
    const { validAfter, validBefore } = router.paid().at(-1)!.paid!.payload.authorization
    return [
      Math.round((Number(validAfter) - now) / 10) * 10,
      Math.round((Number(validBefore) - now) / 10) * 10,
    ]
  }
  expect(await windowOf(300)).toEqual([-60, 300])
  expect(await windowOf(10_000_000)).toEqual([-60, 3600])
})

test('what is not a 402 comes back as it is, and so is a 402 without offers of x402 v2', async () => {
  const { pay } = newBuyer()
  router.script(({ response }) => response.writeHead(418, { 'x-own': '1' }).end('tea'))
  const teapot = await pay(router.chat)
  expect([teapot.status, teapot.headers.get('x-own'), await teapot.text()]).toEqual([418, '1', 'tea'])
  router.script(({ response }) => response.writeHead(402).end('pay by cheque'))
  const cheque = await pay(router.chat)
  expect([cheque.status, await cheque.text()]).toEqual([402, 'pay by cheque'])
})

test.each([
  ['above_call_limit', { maxPerCall: '0.009999' }],
  ['above_total_limit', { maxTotal: '0.009999' }],
  ['above_hour_limit', { maxPerHour: '0.009999' }],
  ['host_not_allowed', { hosts: ['api.example'] }],
  ['chain_not_allowed', { chains: ['eip155:8453'] }],
  ['asset_not_allowed', { assets: [] }],
  ['inspection_refused', { inspect: async () => false }],
] as const)(
  'a call that the policy does not allow is refused before anything is signed: %s',
  async (code, policy) => {
    const error = await refusalOf(policy)
    expect(error.code).toBe(code)
    expect(error.offers).toHaveLength(1)
    expect(error.message).toContain(error.hint)
  },
)

test('an offer that is not for us to pay is refused', async () => {
  router.script((ask) => demand(ask, [{ ...offer(), scheme: 'upto' }]))
  expect(await refusalOf({})).toMatchObject({ code: 'no_payable_offer' })
})

test('a host that may not be paid is not told our address', async () => {
  await refusalOf({ hosts: ['api.example'] })
  expect(router.seen[0]?.headers['x-farebox-payer']).toBeUndefined()
})

test('the policy is shown the price in dollars before it is paid', async () => {
  const seen: unknown[] = []
  const { pay } = newBuyer({ policy: { inspect: (quote) => seen.push(quote) > 0 } })
  await pay(router.chat, body())
  expect(seen).toMatchObject([{ usd: 10_000n, amount: 10_000n, asset: { symbol: 'TEST' }, url: router.chat }])
})

test('fifty calls at once spend no more than the limit allows', async () => {
  const { pay } = newBuyer({ policy: { maxTotal: '0.2', maxPerHour: '0.1' } })
  const answers = await Promise.allSettled(Array.from({ length: 50 }, () => pay(router.chat, body())))
  expect(answers.filter((one) => one.status === 'fulfilled')).toHaveLength(10)
  const reasons = answers.flatMap((one) =>
    one.status === 'rejected' ? [(one.reason as PaymentRefused).code] : [],
  )
  expect(new Set(reasons)).toEqual(new Set(['above_hour_limit']))
  expect(signatures(router.paid())).toBe(10)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 100_000n, charged: 140n })
})

test('clients that share a spending share its limit', async () => {
  const spending = openSpending({ maxTotal: parseUsd('0.015') as Usd })
  const [one, two] = [newBuyer({ spending }), newBuyer({ spending })]
  expect((await one.pay(router.chat, body())).status).toBe(200)
  await expect(two.pay(router.chat, body())).rejects.toMatchObject({
    code: 'above_total_limit',
    limit: '0.005',
  })
})

test('a second price is judged like the first: a router cannot raise it after the signature', async () => {
  router.script((ask, shown) => {
    if (shown === 1) demand(ask, [offer({ amount: '5000000' })], 'quote_expired')
    else honest(ask, shown)
  })
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toMatchObject({ code: 'above_call_limit' })
  expect(router.paid()).toHaveLength(1)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 0n })
})

test('a payment is never sent where a redirect points', async () => {
  const caught: unknown[] = []
  const elsewhere = createServer((request, response) => {
    caught.push(request.headers['payment-signature'])
    response.end('thanks')
  })
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
  const there = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/v1/chat/completions`
  router.script((ask) => (ask.paid ? ask.response.writeHead(307, { location: there }).end() : demand(ask)))
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toMatchObject({ name: 'PaymentUnresolved' })
  expect(caught).toEqual([])
  expect(pay.spending()).toMatchObject({ reserved: 10_000n })
  await new Promise((resolve) => elsewhere.close(resolve))
})

test('a price that a redirect leads to is not paid', async () => {
  router.script((ask) => {
    if (ask.path === '/v1/chat/completions') ask.response.writeHead(307, { location: '/elsewhere' }).end()
    else demand(ask)
  })
  expect(await refusalOf({})).toMatchObject({ code: 'redirected' })
})

test('the bytes that were priced are the bytes that are paid for, whatever form they came in', async () => {
  const { pay } = newBuyer()
  const stream = () => new Blob(['{"text":"streamed"}']).stream()
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
  await pay(new Request(router.chat, { ...init, body: '{"text":"request"}' }))
  await pay(router.chat, { ...init, body: stream(), duplex: 'half' })
  await pay(new URL(router.chat), { ...init, body: new TextEncoder().encode('{"text":"bytes"}') })
  await pay(router.chat, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
  await pay(router.chat)
  const sent = router.seen.map((ask) => `${ask.method} ${ask.headers['content-type']} ${ask.body}`)
  expect(sent.filter((_, i) => i % 2 === 0)).toEqual(sent.filter((_, i) => i % 2 === 1))
  expect(sent.filter((_, i) => i % 2 === 0)).toEqual([
    'POST application/json {"text":"request"}',
    'POST application/json {"text":"streamed"}',
    'POST application/json {"text":"bytes"}',
    'POST application/x-www-form-urlencoded;charset=UTF-8 a=b',
    'GET undefined ',
  ])
})

test.each([
  ['its responseDigest is', { responseDigest: sha256('another answer') }],
  ['more than the 10000 quoted', { charged: '10001' }],
  ['its nonce is', { nonce: sha256('another payment') }],
  ['were signed', { signed: '20000', credited: '19986' }],
] as const)('a tampered receipt is reported, and is not counted as charged: %s', async (words, change) => {
  router.script((ask) => (ask.paid ? answer(ask, change) : demand(ask)))
  const { pay } = newBuyer()
  expect(await (await pay(router.chat, body())).text()).toBe(ANSWER)
  expect(pay.lastReceipt?.ok).toBe(false)
  expect(pay.lastReceipt?.problems.join()).toContain(words)
  expect(pay.spending()).toMatchObject({ spent: 10_000n, charged: 0n })
})

test('a receipt for another request is reported', async () => {
  const { pay } = newBuyer()
  const chat = { model: 'test/small', messages: [{ role: 'user', content: 'Hi' }] }
  await pay(router.chat, { ...body(), body: JSON.stringify(chat) })
  expect(pay.lastReceipt?.problems.join()).toContain('its requestDigest is')
})

test('a router that changes who signs its receipts is reported, and not paid where receipts are required', async () => {
  const other = privateKeyToAccount(generatePrivateKey())
  const changed = offer({ extra: { ...offer().extra, signer: other.address } })
  const turn = async (policy: Policy) => {
    const { pay } = newBuyer({ policy })
    router.script(honest)
    await pay(router.chat, body())
    router.script(async (ask) => {
      if (!ask.paid) return demand(ask, [changed])
      const signed = await sign(receiptFor(ask, ANSWER), other)
      ask.response
        .writeHead(200, { 'content-type': 'application/json', 'payment-response': settleResponse(signed) })
        .end(ANSWER)
    })
    const second = await pay(router.chat, body()).catch((error: unknown) => error)
    return { second, pay }
  }
  const reported = await turn({})
  expect(reported.pay.lastReceipt?.problems.join()).toContain(`not by ${SIGNER}`)
  const required = await turn({ receipt: 'require' })
  expect(required.second).toMatchObject({ code: 'signer_changed' })
  expect(required.pay.spending().spent).toBe(10_000n)
})

test('an answer without a good receipt is withheld where receipts are required, and is not bought again by a retry', async () => {
  router.script((ask) => (ask.paid ? answer(ask, { charged: '10001' }) : demand(ask)))
  const { pay } = newBuyer({ policy: { receipt: 'require' } })
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(ReceiptRejected)
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(ReceiptRejected)
  expect(router.paid()).toHaveLength(1)
})

test('a receipt that the answer does not carry is fetched', async () => {
  router.script(async (ask) => {
    if (ask.path === `/v1/receipts/${CALL}`) {
      const signed = await sign(receiptFor(router.paid()[0]!, ANSWER))
      return ask.response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(signed))
    }
    if (!ask.paid) return demand(ask)
    return ask.response
      .writeHead(200, { 'content-type': 'application/json', 'x-farebox-call': CALL })
      .end(ANSWER)
  })
  const { pay } = newBuyer()
  await pay(router.chat, body())
  expect(pay.lastReceipt).toMatchObject({ ok: true })
})

test("a router's refusal comes back in its own words, and its money is free again", async () => {
  const { pay, types } = newBuyer()
  router.script((ask) => (ask.paid ? demand(ask, [offer()], 'insufficient_funds') : demand(ask)))
  const poor = await pay(router.chat, body())
  expect([poor.status, ((await poor.json()) as { error: { code: string } }).error.code]).toEqual([
    402,
    'insufficient_funds',
  ])
  router.script((ask) => (ask.paid ? refuse(ask, 'upstream_failed') : demand(ask)))
  const failed = await pay(router.chat, body())
  expect([failed.status, failed.headers.get('x-should-retry')]).toEqual([502, 'false'])
  expect(types().filter((type) => type === 'refused')).toHaveLength(2)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 0n })
})

test('a call that failed after its payment had settled is counted as spent', async () => {
  router.script((ask) => (ask.paid ? refuse(ask, 'upstream_failed_credited') : demand(ask)))
  const { pay } = newBuyer()
  expect((await pay(router.chat, body())).status).toBe(502)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n, charged: 0n })
})

test('a listener that throws does not stop a payment', async () => {
  const { pay } = newBuyer({
    onEvent: () => {
      throw new Error('broken pipe')
    },
  })
  expect((await pay(router.chat, body())).status).toBe(200)
})

test('a wallet that does not sign costs nothing', async () => {
  const wallet = {
    ...walletFromKey(generatePrivateKey()),
    signTypedData: () => Promise.reject(new Error('the vault is sealed')),
  }
  const { pay } = newBuyer({ wallet })
  await expect(pay(router.chat, body())).rejects.toThrow('the vault is sealed')
  expect(pay.spending().reserved).toBe(0n)
})

test('a wrong key is refused without being repeated', () => {
  const key = `${'0'.repeat(63)}g`
  expect(() => walletFromKey(key)).toThrow(/64 hex digits/)
  expect(() => walletFromKey('0'.repeat(64))).toThrow(/not a valid/)
  expect(() => walletFromKey(key)).not.toThrow(key)
})
