import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let later = 0
beforeAll(async () => {
  world = await startWorld({ options: { clock: { ...systemClock, now: () => Date.now() + later } } })
})
afterAll(() => world.close())

test('a payment that served its call is never answered with a new price, however late it comes again', async () => {
  const payer = await world.payer()
  const offer = offersOf(await post(world.chat, hello()))[0]!
  const paid = { 'payment-signature': header(await signOffer(payer, offer)) }
  const first = await post(world.chat, hello(), paid)
  expect(first.status).toBe(200)
  const asked = world.upstream.seen.length

  for (const [seconds, why] of [
    [100, 'the quote has expired'],
    [400, 'the authorization has expired'],
  ] as const) {
    later = seconds * 1000
    const again = await post(world.chat, hello(), paid)
    expect(again.status, why).toBe(409)
    expect(again.headers.get('x-farebox-call')).toBe(first.headers.get('x-farebox-call'))
    expect(((await again.json()) as { error: { code: string } }).error.code).toBe('payment_already_used')
  }
  expect(world.upstream.seen.length).toBe(asked)
  later = 0
})

test('a stranger who saw a settled payment on the chain does not learn the id of its call', async () => {
  const payer = await world.payer()
  const offer = offersOf(await post(world.chat, hello()))[0]!
  const payment = await signOffer(payer, offer)
  await post(world.chat, hello(), { 'payment-signature': header(payment) })
  const other = hello({ messages: [{ role: 'user', content: 'Say hullo!' }] })
  const theirs = offersOf(await post(world.chat, other))[0]!
  const stolen = await post(world.chat, other, {
    'payment-signature': header({ ...payment, accepted: theirs }),
  })
  expect(stolen.status).toBe(409)
  expect(stolen.headers.get('x-farebox-call')).toBeNull()
})
