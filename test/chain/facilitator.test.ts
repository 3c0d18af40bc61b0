import { randomBytes } from 'node:crypto'
import { HTTPFacilitatorClient, x402ResourceServer } from '@x402/core/server'
import { ExactEvmScheme as ExactClient } from '@x402/evm/exact/client'
import { ExactEvmScheme as ExactServer } from '@x402/evm/exact/server'
import { UptoEvmScheme as UptoServer } from '@x402/evm/upto/server'
import type { Hex, LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const SHOP: Hex = '0x5000000000000000000000000000000000000005'
let world: World
let client: HTTPFacilitatorClient
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    extra: 'facilitator: { serve: { enabled: true, timeoutMs: 8000, maxOpen: 3 } }',
  })
  client = new HTTPFacilitatorClient({ url: world.farebox.url })
})
afterAll(() => world?.close())
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

type Payload = Parameters<HTTPFacilitatorClient['settle']>[0]
type Wanted = Parameters<HTTPFacilitatorClient['settle']>[1]
const network = () => `eip155:${world.net.chainId}` as const
const wanted = (scheme: 'exact' | 'upto', change: object = {}): Requirement & Wanted =>
  ({
    scheme,
    network: network(),
    amount: '25000',
    asset: world.token,
    payTo: SHOP,
    maxTimeoutSeconds: 300,
    extra: {
      name: 'USD Coin',
      version: '2',
      ...(scheme === 'upto' && {
        assetTransferMethod: 'permit2',
        facilitatorAddress: world.farebox.deps.account.address,
      }),
    },
    ...change,
  }) as unknown as Requirement & Wanted

const payments = {
  eip3009: async (payer: LocalAccount) => {
    const requirement = wanted('exact')
    return { payload: (await signOffer(payer, requirement)) as unknown as Payload, requirement }
  },
  permit2: async (payer: LocalAccount) => {
    await world.approve(payer)
    const requirement = wanted('exact', { extra: { assetTransferMethod: 'permit2' } })
    return { payload: (await signPermit2(payer, requirement)) as unknown as Payload, requirement }
  },
  upto: async (payer: LocalAccount) => {
    await world.approve(payer)
    const requirement = wanted('upto')
    return { payload: (await signPermit2(payer, requirement)) as unknown as Payload, requirement }
  },
}
const sent = async () =>
  Number(await world.rpc('eth_getTransactionCount', [world.farebox.deps.account.address, 'pending']))
const sum = (of: Hex) => world.balance(of)

test.each(['eip3009', 'permit2', 'upto'] as const)(
  'the official facilitator client verifies and settles a payment by %s, to anybody',
  async (kind) => {
    const payer = await world.payer()
    const { payload, requirement } = await payments[kind](payer)
    const [before, shop] = [await sent(), await sum(SHOP)]
    expect(await client.verify(payload, requirement)).toEqual({
      isValid: true,
      payer: payer.address.toLowerCase(),
    })
    const settled = await client.settle(payload, requirement)
    expect(settled).toMatchObject({
      success: true,
      network: network(),
      payer: payer.address.toLowerCase(),
      amount: '25000',
    })
    const receipt = await world.rpc<{ status: string }>('eth_getTransactionReceipt', [settled.transaction])
    expect([receipt.status, (await sum(SHOP)) - shop]).toEqual(['0x1', 25_000n])
    expect(await client.settle(payload, requirement)).toEqual(settled)
    expect(await client.verify(payload, requirement)).toMatchObject({
      isValid: false,
      invalidReason: 'invalid_transaction_state',
    })
    expect([(await sent()) - before, (await sum(SHOP)) - shop]).toEqual([1, 25_000n])
  },
)

test('of an upto payment just as much moves as the resource server says, and never more than was signed', async () => {
  const payer = await world.payer()
  const { payload, requirement } = await payments.upto(payer)
  const shop = await sum(SHOP)
  expect(await client.settle(payload, { ...requirement, amount: '25001' })).toMatchObject({
    success: false,
    // Here the code is payment_exceeds_signed.
    errorReason: 'invalid_upto_evm_payload_settlement_exceeds_amount',
  })
  expect(await client.settle(payload, { ...requirement, amount: '0' })).toMatchObject({
    success: true,
    transaction: '',
    amount: '0',
  })
  expect(await client.settle(payload, { ...requirement, amount: '700' })).toMatchObject({
    success: true,
    amount: '700',
  })
  expect(await client.settle(payload, { ...requirement, amount: '25000' })).toMatchObject({
    success: true,
    amount: '700',
  })
  expect((await sum(SHOP)) - shop).toBe(700n)
})

test('the official resource server runs on it unmodified', async () => {
  const server = new x402ResourceServer(client)
    .register(network(), new ExactServer())
    .register(network(), new UptoServer())
  await server.initialize()
  const [requirement] = await server.buildPaymentRequirements({
    scheme: 'exact',
    network: network(),
    payTo: SHOP,
    price: { amount: '1000', asset: world.token, extra: { name: 'USD Coin', version: '2' } },
  })
  const payer = await world.payer()
  const made = await new ExactClient(payer as never).createPaymentPayload(2, requirement!)
  const payload = { ...made, x402Version: 2, accepted: requirement! } as Payload
  expect(await server.verifyPayment(payload, requirement!)).toMatchObject({ isValid: true })
  expect(await server.settlePayment(payload, requirement!)).toMatchObject({ success: true, amount: '1000' })
  const [most] = await server.buildPaymentRequirements({
    scheme: 'upto',
    network: network(),
    payTo: SHOP,
    price: { amount: '1000', asset: world.token, extra: { name: 'USD Coin', version: '2' } },
  })
  expect(most!.extra).toMatchObject({ facilitatorAddress: expect.stringMatching(/^0x/) })
})

test('what it settles is told: schemes, networks, its own address', async () => {
  const signer = world.farebox.deps.account.address
  expect(await client.getSupported()).toEqual({
    kinds: [
      { x402Version: 2, scheme: 'upto', network: network(), extra: { facilitatorAddress: signer } },
      { x402Version: 2, scheme: 'exact', network: network() },
    ],
    extensions: ['eip2612GasSponsoring'],
    signers: { 'eip155:*': [signer] },
  })
})

test('many settle the same payment at once: one transaction, one answer', async () => {
  const { payload, requirement } = await payments.eip3009(await world.payer())
  const before = await sent()
  const answers = await Promise.all(Array.from({ length: 8 }, () => client.settle(payload, requirement)))
  expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
  expect([answers[0]!.success, (await sent()) - before]).toEqual([true, 1])
})

test('on a slow chain the answer is settlement_pending with the transaction, and later the proof', async () => {
  const { payload, requirement } = await payments.eip3009(await world.payer())
  await world.rpc('evm_setAutomine', [false])
  const pending = await client.settle(payload, requirement)
  expect(pending).toMatchObject({
    success: false,
    errorReason: 'settlement_pending',
    transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/),
  })
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  expect(await client.settle(payload, requirement)).toMatchObject({
    success: true,
    transaction: pending.transaction,
  })
}, 20_000)

test.each<
  [string, (payload: Payload, requirement: Wanted) => [Payload, Wanted] | Promise<[Payload, Wanted]>, string]
>([
  [
    'for another recipient',
    (payload, wanted) => [payload, { ...wanted, payTo: `0x${'77'.repeat(20)}` }],
    'invalid_exact_evm_payload_recipient_mismatch',
  ],
  [
    'of another amount',
    (payload, wanted) => [payload, { ...wanted, amount: '24999' }],
    'invalid_exact_evm_payload_authorization_value_mismatch',
  ],
  ['on another chain', (payload, wanted) => [payload, { ...wanted, network: 'eip155:1' }], 'invalid_network'],
  [
    'in another token',
    (payload, wanted) => [payload, { ...wanted, asset: `0x${'77'.repeat(20)}` }],
    'invalid_payment_requirements',
  ],
  ['by another scheme', (payload, wanted) => [payload, { ...wanted, scheme: 'upto' }], 'unsupported_scheme'],
  [
    'that somebody else signed',
    (payload, wanted) => {
      const { signature } = payload.payload as { signature: string }
      return [
        {
          ...payload,
          payload: {
            ...payload.payload,
            signature: `${signature.slice(0, 10)}${signature[10] === '0' ? '1' : '0'}${signature.slice(11)}`,
          },
        },
        wanted,
      ]
    },
    'invalid_exact_evm_payload_signature',
  ],
  [
    'whose payer has nothing',
    async (_, wanted) => [
      (await signOffer(await world.payer(0n), wanted as Requirement & Wanted)) as unknown as Payload,
      wanted,
    ],
    'insufficient_funds',
  ],
  [
    'that has expired',
    async (_, wanted) => [
      (await signOffer(await world.payer(), wanted as Requirement & Wanted, {
        validBefore: '1000',
      })) as unknown as Payload,
      wanted,
    ],
    'invalid_exact_evm_payload_authorization_valid_before',
  ],
  [
    'that would revert',
    async (_, wanted) => {
      const payer = await world.payer()
      await world.act(
        world.net.accounts[0]!.address,
        world.token,
        `0xf9f92be4${payer.address.slice(2).toLowerCase().padStart(64, '0')}`,
      )
      return [(await signOffer(payer, wanted as Requirement & Wanted)) as unknown as Payload, wanted]
    },
    'invalid_exact_evm_transaction_simulation_failed',
  ],
])(
  'a payment %s is refused by the name that the specification has for it, and costs no gas',
  async (_, change, reason) => {
    const { payload, requirement } = await payments.eip3009(await world.payer())
    const [other, others] = await change(payload, requirement)
    const before = await sent()
    expect(await client.verify(other, others)).toMatchObject({ isValid: false, invalidReason: reason })
    expect(await client.settle(other, others)).toMatchObject({
      success: false,
      errorReason: reason,
      transaction: '',
    })
    expect(await sent()).toBe(before)
  },
)

test('a payment that one of our own calls has is never settled by this door', async () => {
  const payer = await world.payer()
  const offer = offerOf(offersOf(await post(world.chat, hello())), 'exact', { method: 'eip3009' })
  const payment = await signOffer(payer, offer)
  const [payload, requirement] = [payment as unknown as Payload, offer as unknown as Wanted]
  const ask = async () => {
    const refused = { invalidReason: 'invalid_transaction_state', errorReason: 'invalid_transaction_state' }
    expect({
      ...(await client.verify(payload, requirement)),
      ...(await client.settle(payload, requirement)),
    }).toMatchObject(refused)
  }
  await world.rpc('evm_setAutomine', [false])
  expect((await post(world.chat, hello(), { 'payment-signature': header(payment) })).status).toBe(200)
  await ask()
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  await world.settle()
  await ask()
})

test('a payment that this door has settled buys no call', async () => {
  const payer = await world.payer()
  const offer = offerOf(offersOf(await post(world.chat, hello())), 'exact', { method: 'eip3009' })
  const payment = await signOffer(payer, offer)
  expect(await client.settle(payment as unknown as Payload, offer as unknown as Wanted)).toMatchObject({
    success: true,
  })
  const response = await post(world.chat, hello(), { 'payment-signature': header(payment) })
  expect(response.status).toBe(409)
})

test('no more are on their way at once than its operator risks gas for', async () => {
  const made = []
  while (made.length < 5) made.push(await payments.eip3009(await world.payer()))
  await world.rpc('evm_setAutomine', [false])
  const answers = made.map(({ payload, requirement }) =>
    client.settle(payload, requirement).then(() => 'taken', String),
  )
  await expect.poll(async () => (await world.farebox.deps.ledger.openErrands()).length).toBe(3)
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  const all = await Promise.all(answers)
  expect(all.filter((one) => one === 'taken')).toHaveLength(3)
  expect(all.filter((one) => one.includes('503') && one.includes('facilitator_busy'))).toHaveLength(2)
}, 20_000)

test('it is closed to everybody but this machine until keys are given, and then to all without one', async () => {
  const ask = (headers: Record<string, string>, url = world.farebox.url) =>
    fetch(`${url}/supported`, { headers })
  expect((await ask({})).status).toBe(200)
  expect((await ask({ 'x-forwarded-for': '203.0.113.9' })).status).toBe(403)
  const key = randomBytes(16).toString('hex')
  const doors = await startWorld({ extra: 'facilitator: { serve: { enabled: false } }' })
  expect((await ask({}, doors.farebox.url)).status).toBe(404)
  doors.config.facilitator.serve.enabled = true
  doors.config.secrets.facilitator.keys = [key]
  await doors.restart()
  const closed = await ask({}, doors.farebox.url)
  expect([closed.status, await closed.text()]).toEqual([
    403,
    expect.stringContaining('facilitator_forbidden'),
  ])
  expect((await ask({ authorization: 'Bearer wrong-key-wrong-key' }, doors.farebox.url)).status).toBe(403)
  expect((await ask({ authorization: `Bearer ${key}` }, doors.farebox.url)).status).toBe(200)
  await doors.close()
})
