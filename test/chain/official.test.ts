import { wrapAxiosWithPayment, x402Client as x402AxiosClient } from '@x402/axios'
import { ExactEvmScheme, UptoEvmScheme } from '@x402/evm'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import axios from 'axios'
import { Mppx } from 'mppx/client'
import { evm } from 'mppx/evm/client'
import type { Hex, LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { SettleResponse } from '../../src/wire/payment.ts'
import type { SignedReceipt } from '../../src/wire/receipt.ts'
import { offersOf, post } from '../support/pay.ts'
import { streamed } from '../support/receipt.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const
/** Ten tokens in at $1 and two out at $2 per million. */
const CHARGE = 14n

let world: World
beforeAll(async () => {
  world = await startWorld({ x402: true, usdt: true })
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

type Scheme = Parameters<x402Client['register']>[1]
/** The official client with some of its schemes; only the local tokens, which it does not know, are opened for it. */
const client = <C extends x402Client | x402AxiosClient>(made: C, ...schemes: readonly Scheme[]): C => {
  for (const scheme of schemes) made.register(NETWORK, scheme as never)
  const allowedAssets = [world.token, world.usdt].map((asset) => ({ network: NETWORK, asset }))
  if ('setSpendControls' in made) made.setSpendControls({ allowedAssets })
  return made
}
const rpcUrl = () => ({ rpcUrl: world.net.url })
const ask = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const responseOf = (response: Response): SettleResponse<SignedReceipt> =>
  decodePaymentResponseHeader(
    response.headers.get('payment-response')!,
  ) as unknown as SettleResponse<SignedReceipt>
const callOf = async (response: Response): Promise<Call> => {
  await world.settle()
  return (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!
}
/** What came in from an account, on the chain. */
const received = async (from: Hex, token: Hex = world.token): Promise<bigint[]> => {
  const topic = (address: string) => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
  const transfer = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
  const logs = await world.rpc<{ data: Hex }[]>('eth_getLogs', [
    { fromBlock: '0x0', address: token, topics: [transfer, topic(from), topic(PAY_TO)] },
  ])
  return logs.map((log) => BigInt(log.data))
}
const credit = (call: Call) =>
  world.farebox.deps.ledger.balance(`${call.chain}/${call.token}`, `credit:${call.payer}`)
/** Takes the offers of one method only: what a client does whose wallet can sign nothing else. */
const onlyPermit2 = (made: x402Client) =>
  made.registerPolicy((_, offers) =>
    offers.filter((offer) => offer.extra?.['assetTransferMethod'] === 'permit2'),
  )

const paying = async (...schemes: ((account: LocalAccount) => Scheme)[]) => {
  const account = await world.payer()
  await world.approve(account)
  const made = client(new x402Client(), ...schemes.map((scheme) => scheme(account)))
  return { account, made, pay: wrapFetchWithPayment(fetch, made) }
}
const upto = (account: LocalAccount) => new UptoEvmScheme(account, rpcUrl())
const exact = (account: LocalAccount) => new ExactEvmScheme(account, rpcUrl())
const channels = (account: LocalAccount) => new BatchSettlementEvmScheme(account as never, rpcUrl() as never)

describe('the official upto client', () => {
  test('pays for what an answer used, and exactly that moves on the chain', async () => {
    const { account, pay } = await paying(upto)
    const response = await pay(world.chat, ask(hello()))
    expect(response.status).toBe(200)
    const { amount, extensions } = responseOf(response)
    expect(amount).toBe(String(CHARGE))
    const { receipt } = extensions.farebox
    expect(receipt).toMatchObject({ signed: String(CHARGE), charged: String(CHARGE), credited: '0' })
    const call = await callOf(response)
    expect(call).toMatchObject({ kind: 'upto', service: { at: 'served' }, settlement: { at: 'settled' } })
    expect(await received(account.address)).toEqual([CHARGE])
    expect(await world.balance(account.address)).toBe(10_000_000n - CHARGE)
    expect(await credit(call)).toBe(0n)
  })

  test('pays for what a stream used, after its last byte', async () => {
    const { account, pay } = await paying(upto)
    const response = await pay(world.chat, ask(hello({ stream: true })))
    const { text, receipt } = await streamed(response)
    expect([text, receipt?.charged]).toEqual(['Hello there', String(CHARGE)])
    expect(await callOf(response)).toMatchObject({ kind: 'upto', settlement: { at: 'settled' } })
    expect(await received(account.address)).toEqual([CHARGE])
  })

  test('pays nothing for a call that failed, and its signature can never be used again', async () => {
    world.upstream.script(({ response }) => void response.writeHead(500).end())
    const { account, made } = await paying(upto)
    let sent = ''
    const spying: typeof fetch = (input, init) => {
      const request = new Request(input, init)
      sent = request.headers.get('payment-signature') ?? sent
      return fetch(request)
    }
    const response = await wrapFetchWithPayment(spying, made)(world.chat, ask(hello()))
    expect(response.status).toBe(502)
    expect(await callOf(response)).toMatchObject({ service: { at: 'released' }, settlement: { at: 'none' } })
    world.upstream.script(goodAnswer)
    const again = await post(world.chat, hello(), { 'payment-signature': sent })
    expect([again.status, ((await again.json()) as { error: { code: string } }).error.code]).toEqual([
      409,
      'payment_released',
    ])
    expect(await received(account.address)).toEqual([])
  })
})

test('the official exact client pays by Permit2, and what was not used is credit', async () => {
  const { account, made, pay } = await paying(exact)
  onlyPermit2(made)
  const response = await pay(world.chat, ask(hello()))
  expect(response.status).toBe(200)
  const call = await callOf(response)
  expect(call).toMatchObject({ kind: 'permit2', settlement: { at: 'settled' } })
  expect(await received(account.address)).toEqual([call.signed])
  expect(await credit(call)).toBe(call.signed - CHARGE)
  const stream = await pay(world.chat, ask(hello({ stream: true })))
  expect((await streamed(stream)).receipt?.charged).toBe(String(CHARGE))
})

test('the official axios wrapper pays by Permit2', async () => {
  const account = await world.payer()
  await world.approve(account)
  const made = client(new x402AxiosClient(), new ExactEvmScheme(account) as never)
  made.registerPolicy((_, offers) =>
    offers.filter((offer) => offer.extra?.['assetTransferMethod'] === 'permit2'),
  )
  const response = await wrapAxiosWithPayment(axios.create(), made).post(world.chat, hello())
  expect(response.status).toBe(200)
  await world.settle()
  expect(await received(account.address)).toHaveLength(1)
})

test('the mppx client, which knows EIP-3009 only, finds its offer among the others', async () => {
  const account = await world.payer()
  const { fetch: pay } = Mppx.create({
    methods: [evm({ account, networks: [CHAIN_ID], currencies: [world.token] } as never)] as never,
    polyfill: false,
  })
  const response = await pay(world.chat, ask(hello()))
  expect(response.status).toBe(200)
  expect(await callOf(response)).toMatchObject({ kind: 'eip3009', settlement: { at: 'settled' } })
})

test('a client that knows every scheme opens a channel, the cheapest of all', async () => {
  const { pay } = await paying(channels, upto, exact)
  const response = await pay(world.chat, ask(hello()))
  expect(response.status).toBe(200)
  expect(await callOf(response)).toMatchObject({ kind: 'voucher', service: { at: 'served' } })
})

test('a client takes the best scheme that it can: upto before exact', async () => {
  const { pay } = await paying(exact, upto)
  expect(await callOf(await pay(world.chat, ask(hello())))).toMatchObject({ kind: 'upto' })
})

test('every offer stands under the scheme that the official clients look for, best first', async () => {
  const offers = offersOf(await post(world.chat, hello()))
  const schemes = offers.map((offer) => offer.scheme)
  expect([...new Set(schemes)]).toEqual(['batch-settlement', 'upto', 'exact'])
})
