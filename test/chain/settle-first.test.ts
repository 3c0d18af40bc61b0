import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { bookOf, COUNTER } from '../../src/ledger/moves.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'
import { offersOf, post } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello } from '../support/world.ts'

let stage: Stage
let router: Hostile

beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.close())
beforeEach(async () => {
  await stage.reset()
  stage.world.upstream.script(goodAnswer)
  router = await stage.open()
})
afterEach(async () => {
  expect(await checkInvariants(router.ledger, { now: Date.now() })).toEqual([])
  await router.close()
})

/** A thousand tokens at $200 per million: $0.20, above the $0.05 that is served on trust. */
const dear = hello({ model: 'test/large', max_tokens: 1_000 })
const asked = () => stage.world.upstream.seen.length
const credit = (call: Call) => router.ledger.balance(bookOf(call), `credit:${call.payer}`)
/** The one call that is open now, once its transaction is known to the chain. */
const onItsWay = async (): Promise<Call> => {
  await expect.poll(() => router.settler.pending()).toBe(1)
  const [call] = await router.ledger.open()
  await router.sent(call!.id)
  return call!
}

test('a call above the limit is paid before any provider hears of it', async () => {
  await stage.hold()
  const before = asked()
  const payer = await stage.payer()
  const answer = router.pay(payer, {}, dear)
  await onItsWay()
  expect(asked()).toBe(before)
  await stage.mine()
  await router.settler.tick()
  const { response, id } = await answer
  expect(response.status).toBe(200)
  expect(asked()).toBe(before + 1)
  const call = await router.call(id)
  expect(call).toMatchObject({ settleFirst: true, service: { at: 'served' }, settlement: { at: 'settled' } })
  expect(await stage.received(payer.address)).toEqual([expect.objectContaining({ amount: call.signed })])
})

test('an authorization that ends soon is settled first, however small', async () => {
  const validBefore = String(Math.floor(Date.now() / 1000) + 60)
  const answer = router.pay(await stage.payer(), { validBefore })
  await onItsWay()
  await router.settler.tick()
  const { response, id } = await answer
  expect(response.status).toBe(200)
  expect(await router.call(id)).toMatchObject({ settleFirst: true, settlement: { at: 'settled' } })
})

test('when the provider fails after the payment, the whole amount is credit and pays the next call', async () => {
  stage.world.upstream.script(({ response }) => void response.writeHead(500).end())
  const payer = await stage.payer()
  const answer = router.pay(payer, {}, dear)
  await onItsWay()
  await router.settler.tick()
  const { response, id } = await answer
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ error: { code: 'upstream_failed_credited' } })
  const call = await router.call(id)
  expect(await credit(call)).toBe(call.signed)
  stage.world.upstream.script(goodAnswer)
  const url = `${router.farebox.url}/v1/chat/completions`
  const [offer] = offersOf(await post(url, dear, { 'x-farebox-payer': payer.address }))
  expect(offer!.amount).toBe('0')
})

test('on a slow chain the caller is told that it is pending, and the money becomes credit when it lands', async () => {
  router.farebox.deps.settleFirstMs = 50
  await stage.hold()
  const before = asked()
  const payer = await stage.payer()
  const { response, id } = await router.pay(payer, {}, dear)
  expect(response.status).toBe(202)
  expect(await response.json()).toMatchObject({ error: { code: 'settlement_pending' } })
  await router.sent(id)
  expect(await credit(await router.call(id))).toBe(0n)
  await stage.mine()
  await router.settle()
  const call = await router.call(id)
  expect(call).toMatchObject({ service: { at: 'released' }, settlement: { at: 'settled' } })
  expect(await credit(call)).toBe(call.signed)
  expect(asked()).toBe(before)
  expect(await stage.received(payer.address)).toHaveLength(1)
})

test('a payment that fails on the chain is refused with a new quote: nothing was asked, nobody owes', async () => {
  await stage.hold()
  const before = asked()
  const payer = await stage.payer()
  const answer = router.pay(payer, {}, dear)
  const { id } = await onItsWay()
  const stranger = stage.world.net.accounts[5]!.address
  await stage.rush(payer.address, stage.token('transfer', [stranger, 10_000_000n]))
  await stage.mine()
  await router.settler.tick()
  const { response } = await answer
  expect(response.status).toBe(402)
  expect(await response.json()).toMatchObject({ error: { code: 'settlement_failed' } })
  expect(asked()).toBe(before)
  const call = await router.call(id)
  expect(call).toMatchObject({ service: { at: 'rejected' }, settlement: { at: 'lost' } })
  expect((await router.ledger.counters())[COUNTER.unpaid(call.payer)] ?? 0n).toBe(0n)
})

test('a caller that leaves while its payment settles loses nothing: it is credit', async () => {
  await stage.hold()
  const before = asked()
  const payer = await stage.payer()
  const leaving = new AbortController()
  const answer = router.pay(payer, {}, dear, leaving.signal).catch(() => undefined)
  const { id } = await onItsWay()
  leaving.abort()
  await answer
  await expect.poll(async () => (await router.call(id)).service.at).toBe('released')
  await stage.mine()
  await router.settle()
  const call = await router.call(id)
  expect(await credit(call)).toBe(call.signed)
  expect(asked()).toBe(before)
})
