import { encodeFunctionData, type LocalAccount, parseAbi } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { billOf } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { header, offerOf, offersOf, type Permitted, post, signOffer, signPermit2 } from '../support/pay.ts'
import { streamed } from '../support/receipt.ts'
import { costingNothing, told } from '../support/refused.ts'
import { chunk, goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import { x402 } from '../support/x402-contracts.ts'

let world: World
let ahead = 0
beforeAll(async () => {
  const clock = { ...systemClock, now: () => Date.now() + ahead }
  world = await startWorld({ x402: true, options: { clock } })
})
afterAll(() => world?.close())
beforeEach(() => {
  world.upstream.script(goodAnswer)
  world.farebox.deps.recheckMs = 40
})
afterEach(async () => {
  ahead = 0
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

const BODY = hello({ stream: true, max_tokens: 1000 })
/** A stream of one word each 10 ms, for as long as somebody listens. */
const endless: Script = async ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  while (!response.destroyed) {
    write(chunk({ content: 'word ' }))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
/** A stream that says one word and then nothing, for as long as somebody listens. */
const silent: Script = ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: 'word ' }))
}
const rich = async (units?: bigint) => {
  const account = await world.payer(units)
  await world.approve(account)
  return account
}
const uptoOffer = async (body: unknown = BODY) => offerOf(offersOf(await post(world.chat, body)), 'upto')
const stream = async (account: LocalAccount, change: Partial<Permitted> = {}) => {
  const payment = await signPermit2(account, await uptoOffer(), change)
  return post(world.chat, BODY, { 'payment-signature': header(payment) })
}
const callOf = async (response: Response) =>
  (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!
const erc20 = parseAbi(['function transfer(address to, uint256 value)'])
const drain = (account: LocalAccount) =>
  world.act(
    account.address,
    world.token,
    encodeFunctionData({ abi: erc20, functionName: 'transfer', args: [x402.multicall3, 10_000_000n] }),
  )
const invalidate = (account: LocalAccount) => {
  const abi = parseAbi(['function invalidateUnorderedNonces(uint256 word, uint256 mask)'])
  const data = encodeFunctionData({ abi, functionName: 'invalidateUnorderedNonces', args: [0n, 1n << 5n] })
  return world.act(account.address, x402.permit2, data)
}

describe('a stream that is paid when it ends is cut, and billed for what was delivered', () => {
  test.each<[string, (account: LocalAccount) => Promise<void>, RegExp]>([
    ['its payer takes its money away', drain, /no longer has the money/],
    [
      'its payer takes its allowance back',
      (account) => world.approve(account, world.token, 0n),
      /took back its allowance/,
    ],
    ['its payer makes its nonce invalid', invalidate, /used or cancelled elsewhere/],
  ])('when %s', async (_, act, why) => {
    world.upstream.script(endless)
    const account = await rich()
    const response = await stream(account, { nonce: '5' })
    expect(response.status).toBe(200)
    await act(account)
    const { data, receipt } = await streamed(response)
    const { error } = JSON.parse(data.at(-1)!) as { error: { code: string; message: string; hint: string } }
    expect(error).toMatchObject({ code: 'stream_cut', message: expect.stringMatching(why) })
    expect(error.hint).toBe(
      'Only what was delivered is billed; the receipt says how much. Ask for the rest in a new call.',
    )
    expect(receipt).toMatchObject({ outcome: 'partial' })
    await expect.poll(() => world.upstream.seen.at(-1)?.closedEarly).toBe(true)
    const call = await callOf(response)
    expect(call.service.at).toBe('partial')
    expect(billOf(call)!.charged).toBeLessThan(call.signed)
  })

  test('when there is just time left to settle it; what was delivered is paid', async () => {
    world.upstream.script(endless)
    const account = await rich()
    const response = await stream(account)
    ahead = 900_000 - 45_000 + 2_000
    const { data, receipt } = await streamed(response)
    expect(data.at(-1)).toContain('its payment is about to expire')
    ahead = 0
    await world.settle()
    expect(await callOf(response)).toMatchObject({
      service: { at: 'partial' },
      settlement: { at: 'settled' },
    })
    expect(await world.balance(account.address)).toBe(10_000_000n - BigInt(receipt!.charged))
    expect(BigInt(receipt!.charged)).toBeGreaterThan(0n)
  })

  test('also when its provider has fallen silent and its caller reads no more', async () => {
    world.upstream.script(silent)
    const account = await rich()
    const response = await stream(account)
    ahead = 900_000 - 45_000 + 2_000
    await expect.poll(async () => (await callOf(response)).service.at).toBe('partial')
    ahead = 0
    await response.body?.cancel()
    await world.settle()
    expect(await callOf(response)).toMatchObject({ settlement: { at: 'settled' } })
  })
})

test('a stream whose payer stays good for it is looked at again and again, and not cut', async () => {
  let looks = 0
  const { deps } = world.farebox
  const covers = deps.covers
  deps.covers = (call) => {
    looks++
    return covers(call)
  }
  world.upstream.script(async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < 20; i++) {
      write(chunk({ content: 'word ' }))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    write(chunk({}, 'stop'))
    response.end('data: [DONE]\n\n')
  })
  const response = await stream(await rich())
  const { receipt } = await streamed(response)
  deps.covers = covers
  expect(looks).toBeGreaterThan(2)
  expect(receipt).toMatchObject({ outcome: 'served' })
  await world.settle()
  expect(await callOf(response)).toMatchObject({ settlement: { at: 'settled' } })
})

test('a node that does not answer is no reason to cut a stream', async () => {
  const { deps } = world.farebox
  const covers = deps.covers
  deps.covers = () => Promise.reject(new Error('no node'))
  world.upstream.script(async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'word ' }))
    await new Promise((resolve) => setTimeout(resolve, 150))
    write(chunk({}, 'stop'))
    response.end('data: [DONE]\n\n')
  })
  const { receipt } = await streamed(await stream(await rich()))
  deps.covers = covers
  expect(receipt).toMatchObject({ outcome: 'served' })
})

test('an upto of which nothing is used, because credit paid for all, moves nothing and is used up all the same', async () => {
  const account = await rich()
  const first = offerOf(offersOf(await post(world.chat, hello())), 'exact')
  const paid = await post(world.chat, hello(), {
    'payment-signature': header(await signOffer(account, first)),
  })
  expect(paid.status).toBe(200)
  await world.settle()
  const held = await world.balance(account.address)
  const me = { 'x-farebox-payer': account.address }
  const offer = offerOf(offersOf(await post(world.chat, hello(), me)), 'upto')
  expect(offer.amount).not.toBe('0')
  const payment = { ...me, 'payment-signature': header(await signPermit2(account, offer)) }
  const response = await post(world.chat, hello(), payment)
  expect(response.status).toBe(200)
  await world.settle()
  expect(await callOf(response)).toMatchObject({ service: { at: 'served' }, settlement: { at: 'none' } })
  expect(await world.balance(account.address)).toBe(held)
  const again = await told(await post(world.chat, hello(), payment))
  expect(again.says).toMatch(/409 payment_already_used/)
})

test('an upto that ends too soon to serve on trust is refused with another way to pay', async () => {
  const account = await rich()
  const refused = await costingNothing(world, async () =>
    told(await stream(account, { deadline: String(Math.floor(Date.now() / 1000) + 60) })),
  )
  expect(refused.says).toMatch(/402 exposure_reached/)
  expect(refused.hint).toBe('Pay by `exact`, which can settle first, or wait for open calls to settle.')
})

test('an upto may be valid for a quarter of an hour, an exact payment for five minutes', async () => {
  const offers = offersOf(await post(world.chat, BODY))
  expect([offerOf(offers, 'upto').maxTimeoutSeconds, offerOf(offers, 'exact').maxTimeoutSeconds]).toEqual([
    900, 300,
  ])
})
