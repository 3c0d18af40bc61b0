import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { systemClock } from '../../src/clock.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { hello, startWorld, type World } from '../support/world.ts'

/** A clock that can be put forward. */
let ahead = 0
const clock: Clock = { now: () => Date.now() + ahead, sleep: systemClock.sleep }

let world: World
beforeAll(async () => {
  world = await startWorld({ options: { clock } })
})
afterAll(() => world.close())

const AGAIN = 'Send the request again without a payment header, and sign the new quote.'
const offerFor = async (body: unknown, headers = {}) => offersOf(await post(world.chat, body, headers))[0]!
const pay = (payment: unknown, body: unknown = hello(), headers = {}) =>
  post(world.chat, body, { 'payment-signature': header(payment), ...headers })

test.each([
  ['another message', { messages: [{ role: 'user', content: 'Say goodbye.' }] }],
  ['a longer message', { messages: [{ role: 'user', content: 'Say hello.'.repeat(100) }] }],
  ['another model', { model: 'test/large' }],
  ['another max_tokens', { max_tokens: 1000 }],
  ['no max_tokens', { max_tokens: undefined }],
  ['max_tokens by its other name', { max_tokens: undefined, max_completion_tokens: 50 }],
  ['a stream', { stream: true }],
  ['two choices', { n: 2 }],
  ['a fallback model', { models: ['test/large'] }],
  ['another provider preference', { provider: { allow_fallbacks: false } }],
  ['a tool', { tools: [{ type: 'function', function: { name: 'f' } }] }],
])('a quote for one request does not pay for %s', async (_, change) => {
  const payer = await world.payer()
  const payment = await signOffer(payer, await offerFor(hello()))
  const { says, hint } = await costingNothing(world, async () => told(await pay(payment, hello(change))))
  expect(says).toBe('402 quote_body_mismatch The quote is for another request than this one.')
  expect(hint).toBe('Send exactly the request that was quoted, or pay the new quote.')
  // The authorization was not touched: it still pays for what it was signed for.
  expect((await pay(payment)).status).toBe(200)
})

test('the same request with its fields in another order is the same request', async () => {
  const payer = await world.payer()
  const payment = await signOffer(payer, await offerFor(hello({ temperature: 1 })))
  const reordered = Object.fromEntries(Object.entries(hello({ temperature: 1 })).reverse())
  expect((await pay(payment, JSON.stringify(reordered, null, 2))).status).toBe(200)
})

test('a quote is honoured until it expires, and not a second longer', async () => {
  const payer = await world.payer()
  const offer = await offerFor(hello())
  ahead = 88_000
  const late = await pay(await signOffer(payer, offer))
  expect(late.status).toBe(200)
  ahead = 92_000
  const payment = await signOffer(payer, offer)
  const { says, hint } = await costingNothing(world, async () => told(await pay(payment)))
  ahead = 0
  expect(says).toBe('402 quote_expired The quote has expired.')
  expect(hint).toBe(AGAIN)
})

test('a quote from before the ledger was lost is refused, because what was claimed then is not known', async () => {
  const payer = await world.payer()
  const payment = await signOffer(payer, await offerFor(hello()))
  await world.settle()
  ahead = 2_000
  await world.restart()
  const { says } = await costingNothing(world, async () => told(await pay(payment)))
  ahead = 0
  expect(says).toBe('402 quote_expired The quote has expired.')
})

test('a quote that uses the credit of one payer cannot be paid by another', async () => {
  const [rich, other] = [await world.payer(), await world.payer()]
  expect((await buy(world.chat, rich, hello())).status).toBe(200)
  await world.settle()
  const offer = await offerFor(hello(), { 'x-farebox-payer': rich.address })
  expect(BigInt(offer.amount)).toBeLessThan(BigInt((await offerFor(hello())).amount))
  const payment = await signOffer(other, offer)
  const { says, hint } = await costingNothing(world, async () => told(await pay(payment)))
  expect(says).toBe('402 quote_payer_mismatch The quote is for another payer.')
  expect(hint).toBe(AGAIN)
})

test('credit pays once, however many quotes were given for it', async () => {
  const payer = await world.payer()
  expect((await buy(world.chat, payer, hello())).status).toBe(200)
  await world.settle()
  const named = { 'x-farebox-payer': payer.address }
  const offers = await Promise.all(Array.from({ length: 8 }, () => offerFor(hello(), named)))
  const payments = await Promise.all(offers.map((offer) => signOffer(payer, offer)))
  const before = world.upstream.seen.length
  const answers = await Promise.all(payments.map((payment) => pay(payment)))
  const refused = await Promise.all(answers.filter((one) => one.status !== 200).map(told))
  expect(answers.filter((one) => one.status === 200)).toHaveLength(1)
  expect(world.upstream.seen.length - before).toBe(1)
  expect(new Set(refused.map((one) => one.says))).toEqual(
    new Set(['402 credit_spent The credit in this quote has been used by another call meanwhile.']),
  )
  expect(refused[0]!.hint).toBe(AGAIN)
  await world.settle()
  const { ledger } = world.farebox.deps
  const mine = (await ledger.balances()).filter((row) => row.account.endsWith(payer.address.toLowerCase()))
  for (const row of mine) expect(row.value, row.account).toBeGreaterThanOrEqual(0n)
})
