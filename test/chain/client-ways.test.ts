import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type PayingFetchOptions, payingFetch } from '../../src/client/index.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const
let world: World
beforeAll(async () => {
  world = await startWorld({ x402: true, usdt: true })
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))

const client = (wallet: LocalAccount, { policy, ...more }: Partial<PayingFetchOptions> = {}) => {
  const assets = [world.token, world.usdt].map((address) => ({ chain: NETWORK, address, decimals: 6 }))
  return payingFetch({ wallet, policy: { assets, ...policy }, ...more })
}
const ask = (more: Record<string, unknown> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(hello(more)),
})
const rpc = () => ({ [NETWORK]: world.net.url })
const buy = async (pay: ReturnType<typeof client>, more: Record<string, unknown> = {}) => {
  const response = await pay(world.chat, ask(more))
  const text = await response.text()
  expect([response.status, text]).toEqual([200, expect.any(String)])
  expect(pay.lastReceipt?.problems).toEqual([])
  return pay.lastReceipt!.signed!.receipt
}
const consistent = async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
}

test('an upto call moves what was charged and no more', async () => {
  const wallet = await world.payer()
  await world.approve(wallet)
  const signers = { [world.farebox.url]: world.farebox.deps.offers.signer }
  const pay = client(wallet, { policy: { schemes: ['upto'], signers } })
  for (const stream of [false, true]) await buy(pay, { stream })
  await consistent()
  expect(await world.balance(wallet.address)).toBe(10_000_000n - 28n)
  expect(await pay.settlement()).toMatchObject({ settlement: 'settled', charged: '14' })
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 28n, charged: 28n })
})

test('USDT is paid by exact with an allowance, and what was not used is credit', async () => {
  const wallet = await world.usdtPayer()
  await world.approve(wallet, world.usdt)
  const pay = client(wallet, { policy: { schemes: ['permit2'] }, rpc: rpc() })
  const first = await buy(pay)
  expect(first.asset).toBe(world.usdt.toLowerCase())
  await consistent()
  expect(10_000_000n - (await world.balance(wallet.address, world.usdt))).toBe(pay.spending().spent)
})

test('a wallet without an allowance and without gas pays with a permit', async () => {
  const wallet = await world.payer()
  await buy(client(wallet, { policy: { schemes: ['upto'] }, rpc: rpc() }))
  await consistent()
  expect(await world.balance(wallet.address)).toBe(10_000_000n - 14n)
})

test('a wallet of USDT without an allowance and without gas pays with a signed approval', async () => {
  const wallet = await world.usdtPayer()
  const pay = client(wallet, { policy: { schemes: ['permit2'] }, rpc: rpc() })
  await buy(pay)
  await consistent()
  expect(10_000_000n - (await world.balance(wallet.address, world.usdt))).toBe(pay.spending().spent)
  await buy(pay)
})

test('without an allowance and an RPC URL, the call is paid by EIP-3009 instead', async () => {
  const pay = client(await world.payer(), { policy: { schemes: ['upto', 'exact'] } })
  const receipt = await buy(pay)
  expect(receipt.asset).toBe(world.token.toLowerCase())
  await consistent()
})

test('a channel pays for many calls, streamed and at once, and gives back what is left', async () => {
  const wallet = await world.payer()
  const pay = client(wallet, { channels: { deposit: '1.00', most: 2 }, rpc: rpc() })
  const first = await buy(pay)
  expect(first.nonce).toBe((await pay.channels())[0]?.id)
  await buy(pay, { stream: true })
  const many = await Promise.all(Array.from({ length: 6 }, () => pay(world.chat, ask())))
  expect(many.map(({ status }) => status)).toEqual(Array(6).fill(200))
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 14n * 8n, charged: 14n * 8n })
  await world.settle()
  const refunds = await pay.refund()
  expect(refunds.map((one) => one.ok)).toEqual(refunds.map(() => true))
  await consistent()
  expect(await world.balance(wallet.address)).toBe(10_000_000n - 14n * 8n)
  expect(await world.balance(PAY_TO)).toBeGreaterThan(0n)
})

test('a channel of USDT is deposited by Permit2', async () => {
  const wallet = await world.usdtPayer()
  await world.approve(wallet, world.usdt)
  const pay = client(wallet, { channels: { deposit: '2.00' }, policy: { schemes: ['channel'] }, rpc: rpc() })
  // The deposit in USDC that comes first in the list fails for want of funds, and says so.
  for (const stream of [false, true])
    expect((await buy(pay, { stream })).asset).toBe(world.usdt.toLowerCase())
  await consistent()
  expect(await world.balance(wallet.address, world.usdt)).toBe(8_000_000n)
})

test('a wallet of USDT alone finds its way by itself', async () => {
  const wallet = await world.usdtPayer()
  await world.approve(wallet, world.usdt)
  expect((await buy(client(wallet))).asset).toBe(world.usdt.toLowerCase())
  await consistent()
})

test('a second process with the same key goes on in the same channel', async () => {
  const wallet = await world.payer()
  await buy(client(wallet, { channels: { deposit: '1.00' } }))
  await world.settle()
  const anew = client(wallet, { channels: { deposit: '1.00' } })
  await buy(anew)
  await world.settle()
  expect(await world.balance(wallet.address)).toBe(9_000_000n)
  expect(await anew.channels()).toMatchObject([{ balance: 1_000_000n, charged: 28n }])
})
