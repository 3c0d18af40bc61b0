import type { LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { channelIdOf } from '../../src/chain/channel.ts'
import { channelDomain, VOUCHER_TYPES } from '../../src/wire/contracts.ts'
import { header, offersOf } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'
import {
  ask,
  CHARGE,
  channelBuyer,
  channelOf,
  claimAll,
  configOf,
  earned,
  refusalOf,
  responseOf,
  soundBooks,
} from './channel-world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    usdt: true,
    extra:
      'channels: { withdrawDelaySeconds: 900, claimAbove: "0.000001", claimAfterSeconds: 60 }\nsettler: { delegate: never }',
  })
  // What is claimed, and when, the tests say: by itself it is claimed every second.
  await world.farebox.keeper.stop()
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  await soundBooks(world)
})

const opened = async (calls: number) => {
  const account = await world.payer()
  const buyer = channelBuyer(world, account)
  for (let i = 0; i < calls; i++) expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  return buyer
}

test('the official client gets back all that is left, and what was charged stays with us', async () => {
  const before = await earned(world)
  const buyer = await opened(3)
  const { balance } = await channelOf(world, buyer.account)
  const told = await buyer.scheme.refund(world.chat)
  expect(told).toMatchObject({ success: true, amount: (balance - CHARGE * 3n).toString() })
  expect(told.transaction).toMatch(/^0x[0-9a-f]{64}$/)
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 3n)
  expect(await channelOf(world, buyer.account)).toMatchObject({
    balance: CHARGE * 3n,
    charged: CHARGE * 3n,
    busy: undefined,
  })
  await claimAll(world)
  expect((await earned(world)) - before).toBe(CHARGE * 3n)
  await expect(buyer.scheme.refund(world.chat)).rejects.toThrow(/no remaining balance|refund_no_balance/)
})

test('a part is given back, and the rest goes on paying', async () => {
  const buyer = await opened(1)
  const { balance } = await channelOf(world, buyer.account)
  await buyer.scheme.refund(world.chat, { amount: '100' })
  expect((await channelOf(world, buyer.account)).balance).toBe(balance - 100n)
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - balance + 100n)
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 2n)
})

test('more than is left is never given back', async () => {
  const buyer = await opened(2)
  await buyer.scheme.refund(world.chat, { amount: '9000000' })
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 2n)
})

test('a channel is used again after its refund', async () => {
  const buyer = await opened(1)
  await buyer.scheme.refund(world.chat)
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  await buyer.scheme.refund(world.chat)
  expect((await channelOf(world, buyer.account)).charged).toBe(CHARGE * 2n)
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 2n)
})

test('a client that lost count is told where the channel stands, and gets its refund', async () => {
  const buyer = await opened(2)
  const fresh = channelBuyer(world, buyer.account)
  const told = await fresh.scheme.refund(world.chat)
  expect(told.success).toBe(true)
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 2n)
})

test('GET without payment tells what can be given back, for one token if wanted; nothing else is asked for by GET', async () => {
  const all = await fetch(world.chat)
  expect(all.status).toBe(402)
  expect(offersOf(all).map((one) => [one.scheme, one.amount, one.asset])).toEqual([
    ['batch-settlement', '0', world.token.toLowerCase()],
    ['batch-settlement', '0', world.usdt.toLowerCase()],
  ])
  expect((await refusalOf(all)).code).toBe('refund_by_voucher')
  const one = await fetch(`${world.chat}?asset=${world.usdt}`)
  expect(offersOf(one).map((offer) => offer.asset)).toEqual([world.usdt.toLowerCase()])
  expect((await fetch(world.chat, { method: 'PUT' })).headers.get('allow')).toBe('POST, GET')
})

/** A refund signed by hand. */
const refundOf = async (
  buyer: { account: LocalAccount },
  cumulative: bigint,
  more: { by?: LocalAccount; amount?: string } = {},
) => {
  const { by = buyer.account, amount } = more
  const [offer] = offersOf(await fetch(world.chat))
  const channelConfig = configOf(buyer.account, offer!)
  const channelId = channelIdOf(CHAIN_ID, channelConfig)
  const message = { channelId, maxClaimableAmount: cumulative }
  const signature = await by.signTypedData({
    domain: channelDomain(CHAIN_ID),
    types: VOUCHER_TYPES,
    primaryType: 'Voucher',
    message,
  })
  const voucher = { channelId, maxClaimableAmount: cumulative.toString(), signature }
  const payload = { type: 'refund', channelConfig, voucher, ...(amount !== undefined && { amount }) }
  return { headers: { 'payment-signature': header({ x402Version: 2, accepted: offer, payload }) } }
}

test('only the payer of a channel can have it refunded, for what was charged, and nobody twice', async () => {
  const buyer = await opened(1)
  const get = async (init: RequestInit) => fetch(world.chat, init)
  const stolen = await get(await refundOf(buyer, CHARGE, { by: await world.payer() }))
  expect((await refusalOf(stolen)).code).toBe('voucher_signature_invalid')
  expect(await refusalOf(await get(await refundOf(buyer, 0n)))).toMatchObject({
    status: 402,
    code: 'channel_mismatch',
    first: { extra: { channelState: { chargedCumulativeAmount: '14' } } },
  })
  const nothing = await refusalOf(await get(await refundOf(buyer, CHARGE, { amount: '0' })))
  expect(nothing.code).toBe('refund_amount_invalid')
  const good = await refundOf(buyer, CHARGE)
  const answers = await Promise.all(Array.from({ length: 5 }, () => get(good)))
  expect(answers.map((one) => one.status).toSorted()).toEqual([200, 402, 402, 402, 402])
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE)
  expect((await refusalOf(await get(good))).code).toBe('refund_nothing_left')
  const answer = await fetch(world.chat, {
    ...ask(hello()),
    headers: { 'content-type': 'application/json', ...good.headers },
  })
  expect(answer.status).toBe(402)
})

test('a refund waits for the call that is being served, and pays for it', async () => {
  const buyer = await opened(1)
  world.upstream.script(async (asked) => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    await goodAnswer(asked)
  })
  const call = buyer.fetch(world.chat, ask(hello()))
  await expect.poll(() => world.farebox.deps.ledger.open().then((open) => open.length)).toBe(1)
  const refund = channelBuyer(world, buyer.account).scheme.refund(world.chat)
  expect(responseOf(await call).extra?.chargedAmount).toBe('14')
  await refund
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 2n)
})

test('a refund that the chain is slow with can be looked up by its id', async () => {
  const buyer = await opened(1)
  const { deps } = world.farebox
  const before = deps.settleFirstMs
  deps.settleFirstMs = 200
  await world.rpc('evm_setAutomine', [false])
  try {
    const answer = await fetch(world.chat, await refundOf(buyer, CHARGE))
    expect(answer.status).toBe(202)
    const id = answer.headers.get('x-farebox-call')
    const look = async () =>
      (await (await fetch(`${world.farebox.url}/v1/calls/${id}`)).json()) as Record<string, unknown>
    expect(await look()).toMatchObject({
      id,
      state: 'settling',
      what: 'refund',
      payer: buyer.account.address.toLowerCase(),
    })
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    await world.settle()
    expect(await look()).toMatchObject({ state: 'settled' })
  } finally {
    deps.settleFirstMs = before
    await world.rpc('evm_setAutomine', [true])
  }
})
