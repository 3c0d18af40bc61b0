import { randomBytes } from 'node:crypto'
import type { Hex, LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import {
  type Behaviour,
  honest,
  json,
  type ScriptedFacilitator,
  startFacilitator,
} from '../support/facilitator.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, PAY_TO, startWorld, type World } from '../support/world.ts'

/** A router that lets somebody else's facilitator settle, and takes over after two seconds. */
let facilitator: ScriptedFacilitator
let world: World
beforeAll(async () => {
  facilitator = await startFacilitator()
  world = await startWorld({
    x402: true,
    store: 'sqlite',
    extra: `facilitator: { url: "${facilitator.url}", timeoutMs: 400, fallbackAfterMs: 2000 }`,
  })
  facilitator.open(world.net.url, world.net.chainId, world.net.accounts[6]!.privateKey)
})
afterAll(async () => {
  await world?.close()
  await facilitator?.close()
})
beforeEach(() => {
  world.upstream.script(goodAnswer)
  facilitator.behave(honest)
  facilitator.asked.length = 0
})
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

const lie = (): Hex => `0x${randomBytes(32).toString('hex')}`
const never = () => new Promise<void>(() => {})

type Method = 'eip3009' | 'permit2'
type Bought = { call: () => Promise<Call>; again: () => Promise<Response>; payer: LocalAccount; asks: number }

/** Buys one call by `exact`; it is served at once, whatever the facilitator does. */
const buy = async (
  method: Method = 'eip3009',
  payer?: LocalAccount,
  body: unknown = hello(),
): Promise<Bought> => {
  const { ledger } = world.farebox.deps
  const wallet = payer ?? (await world.payer())
  if (method === 'permit2' && !payer) await world.approve(wallet)
  const offer = offerOf(offersOf(await post(world.chat, body)), 'exact', { method })
  const payment = method === 'eip3009' ? await signOffer(wallet, offer) : await signPermit2(wallet, offer)
  const before = world.upstream.seen.length
  const again = () => post(world.chat, body, { 'payment-signature': header(payment) })
  const response = await again()
  expect([response.status, world.upstream.seen.length - before]).toEqual([200, 1])
  const id = response.headers.get('x-farebox-call')!
  return { call: async () => (await ledger.call(id))!, again, payer: wallet, asks: before + 1 }
}

const settled = (bought: Bought) =>
  expect.poll(async () => (await bought.call()).settlement.at, { timeout: 9_000 }).toBe('settled')
const transactions = async (bought: Bought) =>
  world.farebox.deps.ledger.transactions((await bought.call()).id)
const received = async (from: LocalAccount): Promise<Hex[]> => {
  const word = (address: string) => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
  const transfer = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
  const filter = {
    address: world.token,
    fromBlock: '0x0',
    toBlock: 'latest',
    topics: [transfer, word(from.address), word(PAY_TO)],
  }
  return (await world.rpc<{ transactionHash: Hex }[]>('eth_getLogs', [filter])).map(
    (log) => log.transactionHash,
  )
}

/** Paid once, served once, and whoever sends the payment again is never asked for another. */
const once = async (bought: Bought): Promise<void> => {
  const call = await bought.call()
  const transfers = await received(bought.payer)
  expect(transfers).toHaveLength(1)
  expect(call.settlement).toMatchObject({ at: 'settled', proof: { hash: transfers[0] } })
  const repeated = await bought.again()
  expect([repeated.status, repeated.headers.get('payment-required')]).toEqual([409, null])
  expect(world.upstream.seen).toHaveLength(bought.asks)
}

test.each(['eip3009', 'permit2'] as const)(
  'the official facilitator settles what was signed by %s, and the chain proves it',
  async (method) => {
    const bought = await buy(method)
    await settled(bought)
    await once(bought)
    expect(await transactions(bought)).toEqual([])
    expect(facilitator.asked).toHaveLength(1)
  },
)

test('a call that must be paid first is paid by the facilitator first', async () => {
  const payer = await world.payer()
  const bought = await buy('eip3009', payer, hello({ model: 'test/large', max_tokens: 1_000 }))
  expect(await bought.call()).toMatchObject({ settleFirst: true, settlement: { at: 'settled' } })
  expect(await transactions(bought)).toEqual([])
  await once(bought)
})

const settles: [string, Behaviour][] = [
  ['never answers', async (settle) => void (await settle().then(never))],
  [
    'answers with a 500',
    async (settle, response) => json(response, await settle().then(() => ({ error: 'oops' })), 500),
  ],
  [
    'answers twice',
    async (settle, response) => void settle().then((told) => response.end(JSON.stringify(told).repeat(2))),
  ],
  [
    'answers too late',
    async (settle, response) => void settle().then((told) => setTimeout(() => json(response, told), 700)),
  ],
  [
    'says that it failed',
    async (settle, response) =>
      json(
        response,
        await settle().then(() => ({
          success: false,
          errorReason: 'insufficient_funds',
          transaction: '',
          network: 'x',
        })),
      ),
  ],
  [
    'says that it is pending',
    async (settle, response) =>
      json(response, { ...(await settle()), success: false, errorReason: 'settlement_pending' }),
  ],
  [
    'names another transaction',
    async (settle, response) => json(response, { ...(await settle()), transaction: lie() }),
  ],
  [
    'redirects',
    async (settle, response) =>
      void settle().then(() => response.writeHead(302, { location: world.net.url }).end()),
  ],
]

test.each(settles)(
  'a facilitator that settles and %s: found on the chain, paid once',
  async (_, behaviour) => {
    facilitator.behave(behaviour)
    const bought = await buy()
    await settled(bought)
    await once(bought)
    expect(await transactions(bought)).toEqual([])
  },
)

const idle: [string, Behaviour][] = [
  [
    'says that it did',
    async (_, response) => json(response, { success: true, transaction: lie(), network: 'x' }),
  ],
  ['says nothing', never],
  ['answers with garbage', async (_, response) => void response.end('\u0000{"success":')],
  [
    'answers without end',
    async (_, response) => {
      const more = () => response.destroyed || response.write('x'.repeat(16_384), () => setImmediate(more))
      more()
    },
  ],
  ['redirects to itself', async (_, response) => void response.writeHead(308, { location: '/settle' }).end()],
  ['is broken', async (_, response) => json(response, {}, 503)],
]

test.each(idle)(
  'a facilitator that does not settle and %s: nothing counts as paid until our own key moves it',
  async (_, behaviour) => {
    facilitator.behave(behaviour)
    const bought = await buy()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await bought.call()).settlement.at).toBe('due')
    expect(await received(bought.payer)).toEqual([])
    await settled(bought)
    expect(await transactions(bought)).toHaveLength(1)
    await once(bought)
  },
)

test('what it refuses for good is settled by our own key at once', async () => {
  facilitator.behave(async (_, response) =>
    json(response, { success: false, errorReason: 'unsupported_scheme', transaction: '' }, 400),
  )
  const bought = await buy()
  const asked = Date.now()
  await settled(bought)
  expect(Date.now() - asked).toBeLessThan(1_800)
  expect(facilitator.asked).toHaveLength(1)
  await once(bought)
})

test.each(['eip3009', 'permit2'] as const)(
  'by %s, one transfer pays for one call: naming that of another call of the same price proves nothing',
  async (method) => {
    const first = await buy(method)
    await settled(first)
    const [hash] = await received(first.payer)
    facilitator.behave(async (_, response) =>
      json(response, { success: true, transaction: hash, network: 'x' }),
    )
    const second = await buy(method, first.payer)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await second.call()).settlement.at).toBe('due')
    facilitator.behave(honest)
    await settled(second)
    const proofs = [await first.call(), await second.call()].map(
      ({ settlement }) => 'proof' in settlement && settlement.proof.hash,
    )
    expect(new Set(proofs).size).toBe(2)
    expect(new Set(await received(first.payer))).toEqual(new Set(proofs))
  },
)

test('a transfer that was no payment of ours proves none, whatever the facilitator says', async () => {
  const payer = await world.payer()
  await world.approve(payer)
  const offer = offerOf(offersOf(await post(world.chat, hello())), 'exact', { method: 'permit2' })
  const to = PAY_TO.slice(2).padStart(64, '0')
  await world.act(
    payer.address,
    world.token,
    `0xa9059cbb${to}${BigInt(offer.amount).toString(16).padStart(64, '0')}`,
  )
  const [gift] = await received(payer)
  facilitator.behave(async (_, response) =>
    json(response, { success: true, transaction: gift, network: 'x' }),
  )
  const bought = await buy('permit2', payer)
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect((await bought.call()).settlement.at).toBe('due')
  await settled(bought)
  const { settlement } = await bought.call()
  expect('proof' in settlement && settlement.proof.hash).not.toBe(gift)
  expect(await received(payer)).toHaveLength(2)
})

test('what was on its way when the router stopped is asked for again, and is paid once', async () => {
  facilitator.behave(async (settle) => void (await settle().then(never)))
  await world.rpc('evm_setAutomine', [false])
  const bought = await buy()
  await expect.poll(() => facilitator.asked.length).toBe(1)
  facilitator.behave(async (_, response) =>
    json(response, { success: false, errorReason: 'settlement_pending', transaction: '' }),
  )
  await world.restart()
  await expect.poll(() => facilitator.asked.length).toBeGreaterThan(1)
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  const { ledger } = world.farebox.deps
  const call = (await ledger.calls(undefined, 1_000)).find(
    (one) => one.payer === bought.payer.address.toLowerCase(),
  )!
  await expect
    .poll(async () => (await ledger.call(call.id))!.settlement.at, { timeout: 9_000 })
    .toBe('settled')
  expect(await received(bought.payer)).toHaveLength(1)
})

test('while a transaction of the facilitator is stuck our own key takes over, and still only one moves the money', async () => {
  await world.rpc('evm_setAutomine', [false])
  const bought = await buy()
  await expect.poll(async () => (await transactions(bought)).length, { timeout: 6_000 }).toBe(1)
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  await settled(bought)
  await once(bought)
})

test('with no fallback nothing but the facilitator settles: what it never does is lost when the authorization ends', async () => {
  const other = await startWorld({
    extra: `facilitator: { url: "${facilitator.url}", timeoutMs: 400, fallbackAfterMs: 0, fallback: none }`,
  })
  const { ledger } = other.farebox.deps
  facilitator.behave(async (_, response) =>
    json(response, { success: true, transaction: lie(), network: 'x' }),
  )
  const asked = offersOf(await post(other.chat, hello()))
  const payment = await signOffer(await other.payer(), offerOf(asked, 'exact'))
  const response = await post(other.chat, hello(), { 'payment-signature': header(payment) })
  const id = response.headers.get('x-farebox-call')!
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect((await ledger.call(id))!.settlement.at).toBe('due')
  await other.rpc('evm_increaseTime', [600])
  await other.rpc('evm_mine')
  await expect.poll(async () => (await ledger.call(id))!.settlement.at).toBe('lost')
  expect(await ledger.transactions(id)).toEqual([])
  expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
  await other.close()
})
