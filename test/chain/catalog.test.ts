import { afterAll, beforeAll, expect, test } from 'vitest'
import { pricedOn } from '../../src/config/catalog.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let google: Upstream
beforeAll(async () => {
  google = await startUpstream()
  world = await startWorld({ providers: `  - { id: google, type: openai, baseUrl: "${google.url}" }` })
})
afterAll(async () => {
  await world.close()
  await google.close()
})

const on = (day: string) => world.farebox.reload(() => pricedOn(world.config, day))
const ask = { ...hello(), model: 'gemini-3.6-flash' }
const chargedOf = async (response: Response): Promise<bigint> => {
  const call = await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!)
  return call && 'bill' in call.service ? call.service.bill.charged : -1n
}

test('a model of the built-in catalogue is sold at the price of the day, and an open quote keeps its own', async () => {
  await on('2026-12-31')
  const payer = await world.payer()
  const [offer] = offersOf(await post(world.chat, ask))
  const fresh = await buy(world.chat, payer, ask)
  // 10 tokens in at 0.75 and 2 out at 3.75 dollars a million.
  expect([fresh.status, await chargedOf(fresh)]).toEqual([200, 15n])
  expect(await on('2027-01-01')).toEqual({ ok: true, changed: ['catalog.prices'] })
  const old = await post(world.chat, ask, { 'payment-signature': header(await signOffer(payer, offer!)) })
  expect([old.status, await chargedOf(old)]).toEqual([200, 15n])
  const dear = await buy(world.chat, payer, ask)
  expect([dear.status, await chargedOf(dear)]).toEqual([200, 30n])
  expect(google.seen.map((one) => one.body['model'])).toEqual([ask.model, ask.model, ask.model])
})
