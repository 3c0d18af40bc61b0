import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { verifyReceipt } from '../../src/client/receipts.ts'
import { header, post } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import {
  allowanceOf,
  ask,
  CHARGE,
  channelBuyer,
  channelOf,
  channelOffer,
  claimAll,
  depositOf,
  earned,
  pay,
  permit2DepositOf,
  responseOf,
  soundBooks,
  voucherOf,
} from './channel-world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    usdt: true,
    extra:
      'channels: { withdrawDelaySeconds: 900, claimAbove: "0.000001", claimAfterSeconds: 60 }\nsettler: { delegate: never }',
  })
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  await soundBooks(world)
})

test('twenty calls are paid out of one deposit, each by what it used, and all of it arrives', async () => {
  const buyer = channelBuyer(world, await world.payer())
  const before = await earned(world)
  const hashes: string[] = []
  for (let i = 1n; i <= 20n; i++) {
    const response = await buyer.fetch(world.chat, ask(hello()))
    expect(response.status, await response.clone().text()).toBe(200)
    const told = responseOf(response)
    hashes.push(told.transaction)
    expect(told).toMatchObject({
      success: true,
      amount: '',
      extra: { chargedAmount: '14', channelState: { chargedCumulativeAmount: (CHARGE * i).toString() } },
    })
  }
  const channel = await channelOf(world, buyer.account)
  expect(channel.charged).toBe(CHARGE * 20n)
  // One deposit of five ceilings carries twenty calls, because only what was used is charged.
  expect(hashes.filter((hash) => hash !== '').length).toBeLessThan(3)
  await claimAll(world)
  expect((await earned(world)) - before).toBe(CHARGE * 20n)
  expect(await channelOf(world, buyer.account)).toMatchObject({ claimed: CHARGE * 20n, claiming: undefined })
})

test('streams are paid by channel too: a client that missed the bill is told where it stands, and pays', async () => {
  const buyer = channelBuyer(world, await world.payer())
  for (let i = 0; i < 3; i++) {
    const response = await buyer.fetch(world.chat, ask(hello({ stream: true })))
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('[DONE]')
  }
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 3n)
})

test('a stream says in its header that the deposit arrived, so that nobody deposits twice for want of a node', async () => {
  const buyer = channelBuyer(world, await world.payer(), { blind: true })
  const response = await buyer.fetch(world.chat, ask(hello({ stream: true })))
  const told = responseOf(response)
  expect(told.transaction).toMatch(/^0x[0-9a-f]{64}$/)
  expect(told.extra?.chargedAmount).toBeUndefined()
  await response.text()
  const { balance } = await channelOf(world, buyer.account)
  await buyer.fetch(world.chat, ask(hello())).then((again) => again.text())
  expect((await channelOf(world, buyer.account)).balance).toBe(balance)
})

test('a channel that runs out is topped up with the next call', async () => {
  const buyer = channelBuyer(world, await world.payer())
  const call = () => buyer.fetch(world.chat, ask(hello({ max_tokens: 10 })))
  const first = responseOf(await call())
  expect(first.transaction).not.toBe('')
  const { balance } = await channelOf(world, buyer.account)
  let transactions = 0
  for (let i = 0; i < 15; i++) {
    const response = await call()
    expect(response.status, await response.clone().text()).toBe(200)
    if (responseOf(response).transaction !== '') transactions++
  }
  expect(transactions).toBeGreaterThan(0)
  const channel = await channelOf(world, buyer.account)
  expect(channel.charged).toBe(CHARGE * 16n)
  expect(channel.balance).toBeGreaterThan(balance)
})

test('USDT, which has no authorizations of its own, is deposited by Permit2', async () => {
  const account = await world.usdtPayer()
  await world.approve(account, world.usdt)
  const buyer = channelBuyer(world, account, { only: world.usdt })
  const before = await earned(world, world.usdt)
  for (let i = 0; i < 3; i++) expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  expect(await channelOf(world, account)).toMatchObject({
    token: world.usdt.toLowerCase(),
    charged: CHARGE * 3n,
  })
  await claimAll(world)
  expect((await earned(world, world.usdt)) - before).toBe(CHARGE * 3n)
})

test('five calls at once on one channel stand in line, and all are served', async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  const served = world.upstream.seen.length
  const bodies = [0, 1, 2, 3, 4].map((i) => hello({ messages: [{ role: 'user', content: `Call ${i}` }] }))
  // Vouchers signed one on another, as a client does that knows what is in the line before it.
  const offers = await Promise.all(bodies.map((body) => channelOffer(world.chat, body)))
  const answers = await Promise.all(
    offers.map(async (offer, i) => {
      const cumulative = CHARGE * BigInt(i + 1) + BigInt(offer.amount)
      await new Promise((resolve) => setTimeout(resolve, i * 20))
      return pay(world.chat, await voucherOf(buyer.account, offer, { cumulative }), bodies[i])
    }),
  )
  expect(answers.map((one) => one.status)).toEqual([200, 200, 200, 200, 200])
  expect(world.upstream.seen.length - served).toBe(5)
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 6n)
})

test('the official client may ask for several things at once: who comes too late for its count signs once more', async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  const answers = await Promise.all([0, 1].map(() => buyer.fetch(world.chat, ask(hello()))))
  expect(answers.map((one) => one.status)).toEqual([200, 200])
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 3n)
})

test('who leaves the line before its turn pays for nothing', async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  const offer = await channelOffer(world.chat, hello({ stream: true }))
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  world.upstream.script(async (asked) => {
    await held
    await goodAnswer(asked)
  })
  const cumulative = CHARGE + BigInt(offer.amount)
  const payment = await voucherOf(buyer.account, offer, { cumulative })
  const first = pay(world.chat, payment, hello({ stream: true }))
  await expect.poll(() => world.farebox.deps.ledger.open().then((open) => open.length)).toBe(1)
  const other = await channelOffer(world.chat, hello())
  const leaving = AbortSignal.timeout(300)
  const second = await voucherOf(buyer.account, other, { cumulative: CHARGE + BigInt(other.amount) })
  await expect(post(world.chat, hello(), { 'payment-signature': header(second) }, leaving)).rejects.toThrow()
  release()
  expect((await first).status).toBe(200)
  await (await first).text()
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 2n)
})

test('a receipt of a call on a channel names the channel and holds', async () => {
  const buyer = channelBuyer(world, await world.payer())
  const response = await buyer.fetch(world.chat, ask(hello()))
  const { receipt } = responseOf(response).extensions.farebox
  const channel = await channelOf(world, buyer.account)
  expect(receipt).toMatchObject({ nonce: channel.channel, charged: '14', outcome: 'served' })
  const expected = { nonce: channel.channel, payer: channel.config.payer, signedAtMost: 124n }
  expect(await verifyReceipt(responseOf(response).extensions.farebox, expected)).toEqual({ ok: true })
})

test('a failed call leaves the channel as it was, and the same voucher pays for the next try', async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  world.upstream.script(({ response }) => void response.writeHead(500).end('no'))
  const offer = await channelOffer(world.chat, hello())
  const payment = await voucherOf(buyer.account, offer, { cumulative: CHARGE + BigInt(offer.amount) })
  expect((await pay(world.chat, payment, hello())).status).toBe(502)
  expect(await channelOf(world, buyer.account)).toMatchObject({ charged: CHARGE, busy: undefined })
  world.upstream.script(goodAnswer)
  world.farebox.deps.health.succeeded('up', 'upstream-model')
  expect((await pay(world.chat, payment, hello())).status).toBe(200)
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 2n)
})

test('a deposit that the chain is slow with is not made twice: the same payment goes on where it stopped', async () => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const payment = await depositOf(account, offer, 1000n, { cumulative: BigInt(offer.amount) })
  const { deps } = world.farebox
  const before = deps.settleFirstMs
  deps.settleFirstMs = 200
  await world.rpc('evm_setAutomine', [false])
  try {
    const slow = await pay(world.chat, payment, hello())
    expect(slow.status).toBe(202)
    const id = slow.headers.get('x-farebox-call')
    const state = await fetch(`${world.farebox.url}/v1/calls/${id}`)
    expect(await state.json()).toMatchObject({ id, state: 'settling', what: 'deposit', amount: '1000' })
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    const again = await pay(world.chat, payment, hello())
    expect(again.status, await again.clone().text()).toBe(200)
    expect(await world.balance(account.address)).toBe(10_000_000n - 1000n)
    expect(await channelOf(world, account)).toMatchObject({ balance: 1000n, charged: CHARGE })
  } finally {
    deps.settleFirstMs = before
    await world.rpc('evm_setAutomine', [true])
  }
})

test('a deposit by Permit2 brings its own allowance, and its payer needs no gas', async () => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const cumulative = BigInt(offer.amount)
  const payment = await permit2DepositOf(account, offer, 1000n, { cumulative })
  const poor = await pay(world.chat, payment, hello())
  expect(poor.status).toBe(402)
  expect(await poor.json()).toMatchObject({ error: { code: 'insufficient_allowance' } })
  const extensions = await allowanceOf(account, offer, 1000n)
  const rich = await pay(world.chat, { ...payment, extensions }, hello())
  expect(rich.status, await rich.clone().text()).toBe(200)
  expect(await channelOf(world, account)).toMatchObject({ balance: 1000n, charged: CHARGE })
})
