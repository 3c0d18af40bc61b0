import { afterAll, beforeAll, expect, test } from 'vitest'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

test('a request without payment is told its price and costs nothing', async () => {
  const response = await post(world.chat, hello())
  expect(response.status).toBe(402)
  expect(response.headers.get('cache-control')).toContain('no-store')
  const offer = offersOf(response)[0]!
  expect(offer).toMatchObject({ scheme: 'exact', network: `eip155:${world.net.chainId}` })
  expect(world.upstream.seen).toHaveLength(0)
})

test('one payment pays once, however often it is sent at once', async () => {
  const payer = await world.payer()
  const before = world.upstream.seen.length
  const offer = offersOf(await post(world.chat, hello()))[0]!
  const paid = { 'payment-signature': header(await signOffer(payer, offer)) }
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(world.chat, hello(), paid)))
  const statuses = answers.map((one) => one.status)
  expect(statuses.filter((one) => one === 200)).toHaveLength(1)
  expect(statuses.filter((one) => one === 409)).toHaveLength(49)
  expect(world.upstream.seen.length - before).toBe(1)
})

test('what was not used becomes credit, and the next quote of the same payer is lower by it', async () => {
  const payer = await world.payer()
  const answer = await buy(world.chat, payer, hello())
  expect(answer.status).toBe(200)
  await world.settle()
  const ceiling = BigInt(offersOf(await post(world.chat, hello()))[0]!.amount)
  const lower = offersOf(await post(world.chat, hello(), { 'x-farebox-payer': payer.address }))[0]!
  // 10 input tokens at $1 and 2 output tokens at $2 per million are 14 micro-dollars.
  expect(BigInt(lower.amount)).toBe(14n)
  expect(BigInt(lower.amount)).toBeLessThan(ceiling)
  const again = await buy(world.chat, payer, hello(), { 'x-farebox-payer': payer.address })
  expect(again.status).toBe(200)
})
