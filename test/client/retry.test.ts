import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { AnswerLost, PaymentUnresolved } from '../../src/client/index.ts'
import { body, newBuyer, signatures } from './buyer.ts'
import {
  ANSWER,
  type Ask,
  answer,
  CALL,
  demand,
  honest,
  jumpingClock,
  offer,
  type Router,
  receiptFor,
  refuse,
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

/** Asks as usual, and does `first` with the first paid request and `then` with the later ones. */
const paidTurns = (first: (ask: Ask) => unknown, then: (ask: Ask) => unknown = answer) =>
  router.script((ask, shown) => {
    if (ask.path.startsWith('/v1/receipts/')) return giveReceipt(ask)
    if (!ask.paid) return ask.path === '/v1/chat/completions' ? demand(ask) : refuse(ask, 'not_found')
    return shown === 1 ? first(ask) : then(ask)
  })
const giveReceipt = async (ask: Ask) => {
  const signed = await sign(receiptFor(router.paid()[0]!, ANSWER))
  ask.response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(signed))
}
const giveCall = (ask: Ask, service: string, settlement: string) => {
  const { nonce } = router.paid()[0]!.paid!.payload.authorization
  ask.response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ nonce, service, settlement }))
}
const cut = (ask: Ask) => ask.response.destroy()
const bare = (status: number) => (ask: Ask) => ask.response.writeHead(status).end('<html>')

test.each([
  ['the connection drops after the payment was sent', cut],
  ['a proxy answers 503', bare(503)],
  ['a proxy answers 429', bare(429)],
  ['the ledger cannot be written', (ask: Ask) => refuse(ask, 'ledger_unavailable')],
  ['something goes wrong there', (ask: Ask) => refuse(ask, 'internal')],
  ['the instance is shutting down', (ask: Ask) => refuse(ask, 'shutting_down')],
  [
    'the answer breaks off in the middle',
    (ask: Ask) =>
      ask.response.writeHead(200, { 'content-length': '999', 'payment-response': 'x' }).write('{') &&
      setImmediate(() => cut(ask)),
  ],
])('when %s, the same signature is shown again', async (_, fault) => {
  paidTurns(fault)
  const { pay, events } = newBuyer()
  expect(await (await pay(router.chat, body())).text()).toBe(ANSWER)
  expect([router.paid().length, signatures(router.paid())]).toEqual([2, 1])
  expect(events.map((event) => event.type)).toEqual(['quote', 'signed', 'retry', 'paid', 'receipt'])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n })
})

test('when the router never answers, the payment stays reserved and the error says how to go on', async () => {
  paidTurns(cut, cut)
  const { pay } = newBuyer()
  const error = await pay(router.chat, body()).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(PaymentUnresolved)
  expect(error).toMatchObject({
    nonce: router.paid()[0]?.paid?.payload.authorization.nonce,
    callId: undefined,
  })
  expect(router.paid().length).toBeGreaterThan(3)
  expect(router.paid().length).toBeLessThan(20)
  expect(signatures(router.paid())).toBe(1)
  expect(pay.spending()).toMatchObject({ reserved: 10_000n, spent: 0n })
})

test('the next call for the same bytes shows the old signature first, and another call does not', async () => {
  paidTurns(cut, cut)
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(PaymentUnresolved)
  const before = router.seen.length
  router.script(honest)
  expect((await pay(router.chat, body('something else'))).status).toBe(200)
  expect((await pay(router.chat, body())).status).toBe(200)
  const later = router.seen.slice(before)
  expect(later.map((ask) => Boolean(ask.paid))).toEqual([false, true, true])
  expect(later[2]?.paid?.header).toBe(router.paid()[0]?.paid?.header)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 20_000n })
})

test('a retry after the caller gave up shows the old signature', async () => {
  const caller = new AbortController()
  paidTurns(() => caller.abort(new Error('too slow')))
  const { pay } = newBuyer()
  await expect(pay(router.chat, { ...body(), signal: caller.signal })).rejects.toThrow('too slow')
  expect(pay.spending().reserved).toBe(10_000n)
  expect((await pay(router.chat, body())).status).toBe(200)
  expect(signatures(router.paid())).toBe(1)
})

test('two retries at once do not share the old signature', async () => {
  paidTurns(cut, cut)
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(PaymentUnresolved)
  const old = router.paid()[0]?.paid?.header
  const before = router.seen.length
  router.script(honest)
  await Promise.all([pay(router.chat, body()), pay(router.chat, body())])
  const later = router.seen.slice(before).filter((ask) => ask.paid)
  expect(later.filter((ask) => ask.paid?.header === old)).toHaveLength(1)
  expect(signatures(later)).toBe(2)
})

test('a signature that can no longer be used is forgotten, but its money is not', async () => {
  const clock = jumpingClock()
  paidTurns(cut, cut)
  const { pay } = newBuyer({ clock })
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(PaymentUnresolved)
  clock.jump(400_000)
  router.script(honest)
  expect((await pay(router.chat, body())).status).toBe(200)
  expect(signatures(router.paid())).toBe(2)
  expect(pay.spending()).toMatchObject({ reserved: 10_000n, spent: 10_000n })
})

test('an answer that was served to a lost connection is not bought twice', async () => {
  paidTurns(cut, (ask) => refuse(ask, 'payment_already_used', { 'x-farebox-call': CALL }))
  const clock = jumpingClock()
  const { pay } = newBuyer({ clock })
  const error = await pay(router.chat, body()).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AnswerLost)
  expect(error).toMatchObject({ callId: CALL, receipt: { ok: true, signed: { receipt: { charged: '14' } } } })
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n, charged: 14n })
  await expect(pay(router.chat, body())).rejects.toBe(error)
  expect(signatures(router.paid())).toBe(1)
  clock.jump(61_000)
  router.script(honest)
  expect((await pay(router.chat, body())).status).toBe(200)
})

test.each([
  ['payment_already_used', 9_986n, '$0.009986 of it are credit'],
  ['answer_lost', 10_000n, '$0.01 of it are credit'],
] as const)(
  '%s for a lost answer is an error that names the call and the credit',
  async (code, credited, words) => {
    paidTurns(cut, (ask) => refuse(ask, code, { 'x-farebox-call': CALL }))
    const error = await newBuyer()
      .pay(router.chat, body())
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AnswerLost)
    expect(error).toMatchObject({ callId: CALL, credited })
    expect(String(error)).toContain(`The call ${CALL} was paid and its answer is lost; ${words}`)
  },
)

test('a call that is in flight is waited for, by its id', async () => {
  let looks = 0
  router.script((ask, shown) => {
    if (ask.path === `/v1/calls/${CALL}`)
      return looks++ < 3 ? giveCall(ask, 'dispatched', 'none') : giveCall(ask, 'served', 'settling')
    if (ask.path === `/v1/receipts/${CALL}`) return giveReceipt(ask)
    if (!ask.paid) return demand(ask)
    return shown === 1 ? cut(ask) : refuse(ask, 'payment_in_flight', { 'x-farebox-call': CALL })
  })
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(AnswerLost)
  expect(looks).toBe(4)
  expect(signatures(router.paid())).toBe(1)
})

test('a call that the router gave up when we were cut off is bought anew, once', async () => {
  let paid = 0
  paidTurns(cut, (ask) =>
    ++paid === 1 ? refuse(ask, 'payment_released', { 'x-farebox-call': CALL }) : answer(ask),
  )
  const { pay } = newBuyer()
  expect(await (await pay(router.chat, body())).text()).toBe(ANSWER)
  expect([router.paid().length, signatures(router.paid())]).toEqual([3, 2])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n })
})

test('a call that a look at its state shows to be released is bought anew', async () => {
  router.script((ask, shown) => {
    if (ask.path === `/v1/calls/${CALL}`) return giveCall(ask, 'released', 'none')
    if (!ask.paid) return demand(ask)
    return shown === 1 ? refuse(ask, 'internal', { 'x-farebox-call': CALL }) : answer(ask)
  })
  const { pay } = newBuyer()
  expect((await pay(router.chat, body())).status).toBe(200)
  expect([router.paid().length, signatures(router.paid())]).toEqual([2, 2])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n })
})

test('a look at another call decides nothing', async () => {
  router.script((ask, shown) => {
    if (ask.path === `/v1/calls/${CALL}`)
      return ask.response
        .writeHead(200)
        .end(JSON.stringify({ nonce: '0x', service: 'released', settlement: 'none' }))
    if (!ask.paid) return demand(ask)
    return shown === 1 ? refuse(ask, 'internal', { 'x-farebox-call': CALL }) : answer(ask)
  })
  await newBuyer().pay(router.chat, body())
  expect(signatures(router.paid())).toBe(1)
})

test.each(['quote_expired', 'quote_invalid', 'payment_rejected_before'] as const)(
  '%s is cured by one new signature, and by no more',
  async (code) => {
    paidTurns((ask) => demand(ask, [offer()], code))
    const { pay } = newBuyer()
    expect((await pay(router.chat, body())).status).toBe(200)
    expect([router.seen.length, signatures(router.paid())]).toEqual([3, 2])
    router.seen.length = 0
    router.script((ask) => (ask.paid ? demand(ask, [offer()], code) : demand(ask)))
    expect((await pay(router.chat, body())).status).toBe(402)
    expect(signatures(router.paid())).toBe(2)
    expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n })
  },
)

test('when other calls took our credit, a price without credit is asked for', async () => {
  paidTurns((ask) => demand(ask, [offer({ amount: '5' })], 'credit_spent'))
  const { pay } = newBuyer()
  expect((await pay(router.chat, body())).status).toBe(200)
  expect(router.seen.map((ask) => [Boolean(ask.paid), 'x-farebox-payer' in ask.headers])).toEqual([
    [false, true],
    [true, true],
    [false, false],
    [true, true],
  ])
})

test('an expired quote does not free a payment that an earlier request may have used', async () => {
  paidTurns(cut, (ask) => demand(ask, [offer()], 'quote_expired'))
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toMatchObject({
    name: 'PaymentUnresolved',
    routerCode: 'quote_expired',
  })
  expect(signatures(router.paid())).toBe(1)
  expect(pay.spending()).toMatchObject({ reserved: 10_000n })
})

test('a 402 after payment without a reason that we know frees nothing', async () => {
  router.script((ask) => demand(ask, [offer()], 'payment_required'))
  const { pay } = newBuyer()
  router.script((ask) => (ask.paid ? ask.response.writeHead(402).end('{}') : demand(ask)))
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(PaymentUnresolved)
  expect(pay.spending()).toMatchObject({ reserved: 10_000n })
})

test('a payment that waits for its settlement is not signed again, and is not taken for an answer', async () => {
  router.script((ask) =>
    ask.paid ? refuse(ask, 'settlement_pending', { 'x-farebox-call': CALL }) : demand(ask),
  )
  const { pay } = newBuyer()
  await expect(pay(router.chat, body())).rejects.toMatchObject({
    callId: CALL,
    routerCode: 'settlement_pending',
  })
  expect(pay.spending()).toMatchObject({ reserved: 10_000n })
})

test('an unpaid request that fails is not repeated by us', async () => {
  router.script(cut)
  await expect(newBuyer().pay(router.chat, body())).rejects.toThrow('fetch failed')
  expect(router.seen).toHaveLength(1)
})
