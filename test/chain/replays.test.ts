import { afterAll, beforeAll, expect, test } from 'vitest'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { chunk } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ store: 'sqlite' })
})
afterAll(() => world.close())

type Payment = Awaited<ReturnType<typeof signOffer>>
type Hex = `0x${string}`

const paid = async (body: unknown = hello()): Promise<Payment> => {
  const payment = await signOffer(await world.payer(), offersOf(await post(world.chat, body))[0]!)
  return payment
}
const send = (payment: unknown, body: unknown = hello()) =>
  post(world.chat, body, { 'payment-signature': header(payment) })
const signing = (payment: Payment, signature: Hex): Payment => ({
  ...payment,
  payload: { ...payment.payload, signature },
})
const changing = (payment: Payment, change: Partial<Payment['payload']['authorization']>): Payment => ({
  ...payment,
  payload: { ...payment.payload, authorization: { ...payment.payload.authorization, ...change } },
})

const upper = (hex: Hex): Hex => `0x${hex.slice(2).toUpperCase()}`
const recased = (payment: Payment): Payment => {
  const { from, nonce } = payment.payload.authorization
  return signing(
    changing(payment, { from: upper(from), nonce: upper(nonce) }),
    upper(payment.payload.signature),
  )
}
/** The other v of the two, by whatever name. */
const withV = (signature: string, byV: Record<string, string>): Hex =>
  `${signature.slice(0, 130)}${byV[signature.slice(130)]}` as Hex
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const highS = (signature: Hex): Hex => {
  const s = ORDER - BigInt(`0x${signature.slice(66, 130)}`)
  return withV(`${signature.slice(0, 66)}${s.toString(16).padStart(64, '0')}${signature.slice(130)}`, {
    '1b': '1c',
    '1c': '1b',
  })
}
const reversed = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, inner]) => [key, reversed(inner)]),
      )
    : value
const used = /^409 payment_already_used This authorization has paid for a call already\.$/
const malformed = /^400 payment_malformed /
const unsigned = /^402 payment_signature_invalid /

const SPELLINGS: [title: string, spell: (payment: Payment) => string, expected: RegExp][] = [
  ['the same bytes', (one) => header(one), used],
  ['upper-case hex', (one) => header(recased(one)), used],
  [
    'v as 0 or 1',
    (one) => header(signing(one, withV(one.payload.signature, { '1b': '00', '1c': '01' }))),
    malformed,
  ],
  [
    'the other v',
    (one) => header(signing(one, withV(one.payload.signature, { '1b': '1c', '1c': '1b' }))),
    unsigned,
  ],
  ['the twin with the high s', (one) => header(signing(one, highS(one.payload.signature))), malformed],
  [
    'base64url without padding',
    (one) => header(one).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
    used,
  ],
  ['white space in the JSON', (one) => Buffer.from(JSON.stringify(one, null, 3)).toString('base64'), used],
  ['keys in another order', (one) => header(reversed(one)), used],
  ['more keys', (one) => header({ ...one, resource: { url: 'x' }, extensions: {} }), used],
  [
    'a plus before the amount',
    (one) => header(changing(one, { value: `+${one.payload.authorization.value}` })),
    malformed,
  ],
  [
    'a space before the amount',
    (one) => header(changing(one, { value: ` ${one.payload.authorization.value}` })),
    malformed,
  ],
  [
    'a zero before the amount',
    (one) => header(changing(one, { value: `0${one.payload.authorization.value}` })),
    malformed,
  ],
  [
    'the amount in hex',
    (one) => header(changing(one, { value: `0x${BigInt(one.payload.authorization.value).toString(16)}` })),
    malformed,
  ],
  [
    'a zero before validBefore',
    (one) => header(changing(one, { validBefore: `0${one.payload.authorization.validBefore}` })),
    malformed,
  ],
  [
    'the nonce as a number',
    (one) => header(changing(one, { nonce: BigInt(one.payload.authorization.nonce).toString() as Hex })),
    malformed,
  ],
]

test.each(SPELLINGS)('a used payment spelled with %s buys nothing more', async (_, spell, expected) => {
  const payment = await paid()
  expect((await send(payment)).status).toBe(200)
  const again = await costingNothing(world, async () =>
    told(await post(world.chat, hello(), { 'payment-signature': spell(payment) })),
  )
  expect(again.says).toMatch(expected)
})

test('a used payment is told where its receipt is, and not to sign again', async () => {
  const payment = await paid()
  const first = await send(payment)
  const id = first.headers.get('x-farebox-call')
  const again = await send(payment)
  expect(again.headers.get('x-farebox-call')).toBe(id)
  expect(again.headers.get('payment-required')).toBeNull()
  expect((await told(again)).hint).toBe(
    `Do not sign again for that call: its receipt is at /v1/receipts/${id}. A new call needs a new quote.`,
  )
})

test('a used payment buys nothing after a restart either, however it is spelled', async () => {
  const payment = await paid()
  expect((await send(payment)).status).toBe(200)
  await world.restart()
  for (const one of [payment, recased(payment)]) {
    expect((await costingNothing(world, async () => told(await send(one)))).says).toMatch(used)
  }
})

test('a payment of a call that runs is told to wait for it', async () => {
  let go = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  world.upstream.script(async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'Hello' }))
    await gate
    write(chunk({}, 'stop'))
    response.end('data: [DONE]\n\n')
  })
  const body = hello({ stream: true })
  const payment = await paid(body)
  const running = await send(payment, body)
  const id = running.headers.get('x-farebox-call')
  const { says, hint } = await told(await send(payment, body))
  expect(says).toBe('409 payment_in_flight This authorization is being served by another request.')
  expect(hint).toBe(`Do not sign again. GET /v1/calls/${id} until it ends.`)
  go()
  expect(await running.text()).toContain('[DONE]')
  expect((await fetch(`${world.farebox.url}/v1/calls/${id}`)).status).toBe(200)
})
