import { encodeFunctionData, type Hex, type LocalAccount, parseAbi } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, type Permitted, post, signOffer, signPermit2 } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import { x402 } from '../support/x402-contracts.ts'

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

const stranger = privateKeyToAccount(generatePrivateKey()).address
const soon = (seconds: number) => String(Math.floor(Date.now() / 1000) + seconds)
const send = (payment: unknown, body: unknown = hello()) =>
  post(world.chat, body, { 'payment-signature': header(payment) })
const offers = async (body: unknown = hello()) => offersOf(await post(world.chat, body))
const rich = async () => {
  const account = await world.payer()
  await world.approve(account)
  return account
}
const callOf = async (response: Response) =>
  (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!

type Way = 'upto' | 'exact'
const offerFor = async (way: Way, asset: Hex = world.token) =>
  offerOf(await offers(), way, { asset, method: 'permit2' })
type Change = (offer: Requirement) => Partial<Permitted>
const witness = (offer: Requirement, change: Partial<Permitted['witness']>): Partial<Permitted> => ({
  witness: {
    to: offer.payTo,
    validAfter: '1',
    ...(offer.scheme === 'upto' && { facilitator: offer.extra.facilitatorAddress! }),
    ...change,
  },
})
const amount = (offer: Requirement, by: bigint): Partial<Permitted> => ({
  permitted: { token: offer.asset, amount: String(BigInt(offer.amount) + by) },
})

describe.each<Way>(['upto', 'exact'])(
  'a payment by %s through Permit2 is refused, and costs nothing',
  (way) => {
    test.each<[string, Change, RegExp]>([
      ['for one unit less', (offer) => amount(offer, -1n), /402 payment_amount_mismatch/],
      ['for one unit more', (offer) => amount(offer, 1n), /402 payment_amount_mismatch/],
      ['to somebody else', (offer) => witness(offer, { to: stranger }), /402 payment_recipient_mismatch/],
      [
        'in another token',
        (offer) => ({ permitted: { token: world.usdt, amount: offer.amount } }),
        /402 payment_asset_mismatch/,
      ],
      ['that has expired', () => ({ deadline: soon(-1) }), /402 payment_expired/],
      [
        'that is not valid yet',
        (offer) => witness(offer, { validAfter: soon(60) }),
        /402 payment_not_yet_valid/,
      ],
      [
        'that is valid for ever',
        () => ({ deadline: String(2n ** 256n - 1n) }),
        /402 payment_validity_too_long/,
      ],
      ['for another contract', () => ({ spender: stranger }), /400 payment_malformed/],
      [
        'by another scheme’s contract',
        (offer) => ({ spender: offer.scheme === 'upto' ? x402.exactProxy : x402.uptoProxy }),
        /400 payment_malformed/,
      ],
    ])('%s', async (_, change, says) => {
      const account = await rich()
      const offer = await offerFor(way)
      const payment = await signPermit2(account, offer, change(offer))
      expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(says)
    })

    test('with its signature in the short form of 64 bytes, which Permit2 would take', async () => {
      const account = await rich()
      const payment = await signPermit2(account, await offerFor(way))
      const { signature } = payment.payload
      const high = signature.endsWith('1c')
      const s = (BigInt(`0x${signature.slice(66, 130)}`) | (high ? 1n << 255n : 0n))
        .toString(16)
        .padStart(64, '0')
      const compact = {
        ...payment,
        payload: { ...payment.payload, signature: `0x${signature.slice(2, 66)}${s}` },
      }
      expect((await costingNothing(world, async () => told(await send(compact)))).says).toMatch(
        /402 payer_is_contract/,
      )
    })

    test('signed by somebody else', async () => {
      const account = await rich()
      const other = await rich()
      const payment = await signPermit2(other, await offerFor(way), { from: account.address })
      expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(
        /402 payment_signature_invalid/,
      )
    })

    test('where Permit2 may move less than all that is open', async () => {
      const account = await world.payer()
      const offer = await offerFor(way)
      await world.approve(account, world.token, BigInt(offer.amount) - 1n)
      const { says, hint } = await costingNothing(world, async () =>
        told(await send(await signPermit2(account, offer))),
      )
      expect(says).toMatch(/402 insufficient_allowance Permit2 may move \d+ units/)
      expect(hint).toBe(
        'Approve Permit2 (0x000000000022D473030F116dDEE9F6B43aC78BA3) for the token, or send the gas-sponsoring extension that the offer declares.',
      )
    })
  },
)

test('an upto for another facilitator is refused: nobody else may settle what we serve', async () => {
  const account = await rich()
  const offer = await offerFor('upto')
  const payment = await signPermit2(account, offer, witness(offer, { facilitator: stranger }))
  const { says, hint } = await costingNothing(world, async () => told(await send(payment)))
  expect(says).toMatch(/402 facilitator_mismatch The payment names another facilitator than 0x/)
  expect(hint).toBe('Sign the witness with `extra.facilitatorAddress` of the offer.')
})

test('an upto offer cannot be paid by an exact signature, nor the other way round', async () => {
  const account = await rich()
  const [upto, exact] = [await offerFor('upto'), await offerFor('exact')]
  const swapped = { ...(await signPermit2(account, exact)), accepted: upto }
  expect((await told(await send(swapped))).says).toMatch(/400 payment_malformed/)
  const back = { ...(await signPermit2(account, upto)), accepted: exact }
  expect((await told(await send(back))).says).toMatch(/400 payment_malformed/)
})

const pays = async (account: LocalAccount, offer: Requirement, nonce: string) =>
  send(await signPermit2(account, offer, { nonce }))

describe('one nonce of Permit2 pays once', () => {
  const NONCE = '123456789'
  test('whatever the scheme', async () => {
    const account = await rich()
    expect((await pays(account, await offerFor('upto'), NONCE)).status).toBe(200)
    const again = await pays(account, await offerFor('exact'), NONCE)
    expect([again.status, (await told(again)).code]).toEqual([409, 'payment_already_used'])
  })

  test('whatever the token', async () => {
    const account = await rich()
    await world.approve(account, world.usdt)
    expect((await pays(account, await offerFor('exact'), NONCE)).status).toBe(200)
    const again = await pays(account, await offerFor('exact', world.usdt), NONCE)
    expect([again.status, (await told(again)).code]).toEqual([409, 'payment_already_used'])
  })

  test('of twenty that come at once, in both schemes, one is served', async () => {
    const account = await rich()
    const [upto, exact] = [await offerFor('upto'), await offerFor('exact')]
    const before = world.upstream.seen.length
    const all = Array.from({ length: 20 }, (_, i) => pays(account, i % 2 ? upto : exact, NONCE))
    const statuses = (await Promise.all(all)).map((one) => one.status)
    expect(statuses.filter((one) => one === 200)).toHaveLength(1)
    expect(statuses.filter((one) => one === 409)).toHaveLength(19)
    expect(world.upstream.seen.length).toBe(before + 1)
  })

  test('and the same number is another payment by EIP-3009, whose nonces the token keeps', async () => {
    const account = await rich()
    expect((await pays(account, await offerFor('upto'), '7')).status).toBe(200)
    const offer = offerOf(await offers(), 'exact', { asset: world.token, method: 'eip3009' })
    const payment = await signOffer(account, offer, { nonce: `0x${'7'.padStart(64, '0')}` })
    expect((await send(payment)).status).toBe(200)
  })

  test('not at all once its payer has made it invalid', async () => {
    const account = await rich()
    const abi = parseAbi(['function invalidateUnorderedNonces(uint256 word, uint256 mask)'])
    const data = encodeFunctionData({ abi, functionName: 'invalidateUnorderedNonces', args: [0n, 1n << 5n] })
    await world.act(account.address, x402.permit2, data)
    const refused = await costingNothing(world, async () =>
      told(await pays(account, await offerFor('upto'), '5')),
    )
    expect(refused.says).toMatch(/402 authorization_used/)
  })
})

describe('what is open together never passes what Permit2 may move', () => {
  test.each<Way>(['upto', 'exact'])('by %s: of ten at once, three are served', async (way) => {
    const account = await world.payer()
    const offer = await offerFor(way)
    await world.approve(account, world.token, BigInt(offer.amount) * 3n)
    await world.rpc('evm_setAutomine', [false])
    const all = Array.from({ length: 10 }, async () => send(await signPermit2(account, offer)))
    const answers = await Promise.all(all)
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    expect(answers.filter((one) => one.status === 200)).toHaveLength(3)
    const codes = await Promise.all(
      answers.filter((one) => one.status === 402).map(async (one) => (await told(one)).code),
    )
    expect(new Set(codes)).toEqual(new Set(['insufficient_allowance']))
  })
})

test('an exact payment by Permit2 moves what was signed, and the rest pays the next call', async () => {
  const account = await rich()
  const offer = await offerFor('exact')
  const response = await send(await signPermit2(account, offer))
  expect(response.status).toBe(200)
  await world.settle()
  expect(await world.balance(account.address)).toBe(10_000_000n - BigInt(offer.amount))
  const call = await callOf(response)
  const next = offersOf(await post(world.chat, hello(), { 'x-farebox-payer': account.address }))
  const left = BigInt(offer.amount) - CHARGE
  expect(await world.farebox.deps.ledger.balance(`${call.chain}/${call.token}`, `credit:${call.payer}`)).toBe(
    left,
  )
  expect(offerOf(next, 'upto', { asset: world.token }).amount).toBe(String(BigInt(offer.amount) - left))
})
