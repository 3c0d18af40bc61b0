import { encodeFunctionData, slice } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { createSealer } from '../../src/quote/seal.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

type Signed = Awaited<ReturnType<typeof signOffer>>
type Offer = Signed['accepted']
type Scene = {
  offer: Offer
  /** Signs the offer as it is, but for `change`. */
  sign: (change?: Parameters<typeof signOffer>[2], as?: Partial<Offer>) => Promise<Signed>
  payer: Parameters<typeof signOffer>[0]
}

const scene = async (units?: bigint): Promise<Scene> => {
  const payer = await world.payer(units)
  const offer = offersOf(await post(world.chat, hello()))[0]!
  return { payer, offer, sign: (change, as) => signOffer(payer, { ...offer, ...as }, change) }
}
const pay = (payment: unknown, body: unknown = hello()) =>
  post(world.chat, body, { 'payment-signature': header(payment) })
const accepting = async ({ sign, offer }: Scene, as: Record<string, unknown>) =>
  pay({ ...(await sign()), accepted: { ...offer, ...as } })
const payV1 = ({ payload }: Signed, as: Record<string, unknown> = {}) =>
  raw({ 'x-payment': header({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload, ...as }) })
const quoting = ({ offer, ...rest }: Scene, quote: unknown) =>
  accepting({ offer, ...rest }, { extra: { ...offer.extra, quote } })
const raw = (headers: Record<string, string>) => post(world.chat, hello(), headers)
const soon = (seconds: number) => String(Math.floor(Date.now() / 1000) + seconds)
const stranger = privateKeyToAccount(generatePrivateKey())

const CASES: [title: string, send: (scene: Scene) => Promise<Response>, expected: string][] = [
  [
    'both payment headers',
    async ({ sign }) => raw({ 'payment-signature': header(await sign()), 'x-payment': header(await sign()) }),
    '400 payment_headers_conflict Both PAYMENT-SIGNATURE and X-PAYMENT are present.',
  ],
  [
    'the same header twice',
    async ({ sign }) => raw({ 'payment-signature': `${header(await sign())}, ${header(await sign())}` }),
    '400 payment_malformed The payment header cannot be read: it is not base64 of JSON.',
  ],
  [
    'a header that is not base64',
    () => raw({ 'payment-signature': '{"x402Version":2}' }),
    '400 payment_malformed The payment header cannot be read: it is not base64 of JSON.',
  ],
  [
    'base64 of no JSON',
    () => raw({ 'payment-signature': Buffer.from('not json').toString('base64') }),
    '400 payment_malformed The payment header cannot be read: it is not base64 of JSON.',
  ],
  [
    'base64 of a text',
    () => pay('x'),
    '400 payment_malformed The payment header cannot be read: payload: Invalid input: expected object, received string.',
  ],
  [
    'an empty payload',
    () => pay({ x402Version: 2 }),
    '400 payment_malformed The payment header cannot be read: accepted: Invalid input: expected object, received undefined.',
  ],
  [
    'a v1 payload in the v2 header',
    async ({ sign }) => pay({ ...(await sign()), x402Version: 1 }),
    '400 payment_version_unsupported This x402 version is not supported here.',
  ],
  [
    'a v2 payload in the v1 header',
    async ({ sign }) => raw({ 'x-payment': header(await sign()) }),
    '400 payment_version_unsupported This x402 version is not supported here.',
  ],
  [
    'another scheme',
    (s) => accepting(s, { scheme: 'deferred' }),
    '402 payment_scheme_unsupported The payment scheme is not one that was offered.',
  ],
  [
    'another network in the offer',
    (s) => accepting(s, { network: 'eip155:1' }),
    '402 payment_network_mismatch The payment is for another network than the quote.',
  ],
  [
    'another asset in the offer',
    (s) => accepting(s, { asset: stranger.address }),
    '402 payment_asset_mismatch The payment is in another asset than the quote.',
  ],
  [
    'another recipient in the offer',
    (s) => accepting(s, { payTo: stranger.address }),
    '402 payment_recipient_mismatch The authorization pays somebody else than the quote says.',
  ],
  [
    'another amount in the offer',
    (s) => accepting(s, { amount: '1' }),
    '402 payment_amount_mismatch The authorization is for 1 units, the quote for N.',
  ],
  [
    'a signature for another network',
    async ({ sign, offer }) => pay({ ...(await sign({}, { network: 'eip155:1' })), accepted: offer }),
    '402 payment_signature_invalid The signature is not that of the payer over this authorization.',
  ],
  [
    'a signature for another token',
    async ({ sign, offer }) => pay({ ...(await sign({}, { asset: stranger.address })), accepted: offer }),
    '402 payment_signature_invalid The signature is not that of the payer over this authorization.',
  ],
  [
    'a signature that pays somebody else',
    async ({ sign }) => pay(await sign({ to: stranger.address })),
    '402 payment_recipient_mismatch The authorization pays somebody else than the quote says.',
  ],
  [
    'a signature over one unit less',
    async ({ sign, offer }) => pay(await sign({ value: String(BigInt(offer.amount) - 1n) })),
    '402 payment_amount_mismatch The authorization is for N-1 units, the quote for N.',
  ],
  [
    'a signature over one unit more',
    async ({ sign, offer }) => pay(await sign({ value: String(BigInt(offer.amount) + 1n) })),
    '402 payment_amount_mismatch The authorization is for N+1 units, the quote for N.',
  ],
  [
    'the signature of somebody else',
    async ({ payer, offer }) => pay(await signOffer(stranger, offer, { from: payer.address })),
    '402 payment_signature_invalid The signature is not that of the payer over this authorization.',
  ],
  [
    'another nonce than was signed',
    async ({ sign }) => {
      const signed = await sign()
      const authorization = { ...signed.payload.authorization, nonce: `0x${'11'.repeat(32)}` }
      return pay({ ...signed, payload: { ...signed.payload, authorization } })
    },
    '402 payment_signature_invalid The signature is not that of the payer over this authorization.',
  ],
  [
    'an authorization that has expired',
    async ({ sign }) => pay(await sign({ validBefore: soon(-10) })),
    '402 payment_expired The authorization has expired or is about to.',
  ],
  [
    'an authorization about to expire',
    async ({ sign }) => pay(await sign({ validBefore: soon(4) })),
    '402 payment_expired The authorization has expired or is about to.',
  ],
  [
    'an authorization not valid yet',
    async ({ sign }) => pay(await sign({ validAfter: soon(60) })),
    '402 payment_not_yet_valid The authorization is not valid yet.',
  ],
  [
    'an authorization valid for two days',
    async ({ sign }) => pay(await sign({ validBefore: soon(172_800) })),
    '402 payment_validity_too_long The authorization is valid for more than 86400 seconds.',
  ],
  [
    'no quote',
    (s) => quoting(s, undefined),
    '402 quote_missing The payment does not carry the quote it is for.',
  ],
  [
    'an empty quote',
    (s) => quoting(s, ''),
    '402 quote_invalid The quote was not issued by this router, or was altered.',
  ],
  [
    'a quote with one letter changed',
    (s) =>
      quoting(
        s,
        s.offer.extra.quote.replace(/(.{40})./, (_, kept) => `${kept}${'_'}`),
      ),
    '402 quote_invalid The quote was not issued by this router, or was altered.',
  ],
  [
    'a quote of another router',
    async (s) => {
      const terms = world.farebox.deps.offers.sealer.open(s.offer.extra.quote)!
      const other = await createSealer(['the-secret-of-another-router-somewhere'])
      return quoting(s, other.seal(terms))
    },
    '402 quote_invalid The quote was not issued by this router, or was altered.',
  ],
  [
    'a wallet without money',
    async () => {
      const { sign } = await scene(0n)
      return pay(await sign())
    },
    '402 insufficient_funds The payer holds 0 units, N are needed for this and the open calls.',
  ],
  [
    'a wallet with a unit too little',
    async ({ offer }) => {
      const { sign } = await scene(BigInt(offer.amount) - 1n)
      return pay(await sign())
    },
    '402 insufficient_funds The payer holds N-1 units, N are needed for this and the open calls.',
  ],
  [
    'a payer that is a contract',
    async ({ sign, payer }) => {
      await world.rpc('anvil_setCode', [payer.address, '0x00'])
      return pay(await sign())
    },
    '402 payer_is_contract The payer is a contract or a delegated account, which is not accepted here.',
  ],
  [
    'a payer that is delegated to code (EIP-7702)',
    async ({ sign, payer }) => {
      await world.rpc('anvil_setCode', [payer.address, `0xef0100${'22'.repeat(20)}`])
      return pay(await sign())
    },
    '402 payer_is_contract The payer is a contract or a delegated account, which is not accepted here.',
  ],
  [
    'an authorization that was used on the chain',
    async ({ sign }) => {
      const signed = await sign()
      await submit(signed)
      return pay(signed)
    },
    '402 authorization_used The token says that this authorization was already used or cancelled.',
  ],
  [
    'a v1 payment on another network',
    async ({ sign }) => payV1(await sign(), { network: 'base' }),
    '402 payment_network_mismatch The payment is for another network than the quote.',
  ],
  [
    'a v1 payment by another scheme',
    async ({ sign }) => payV1(await sign(), { scheme: 'upto' }),
    '402 payment_scheme_unsupported The payment scheme is not one that was offered.',
  ],
  [
    'a v1 payment of one unit less',
    async ({ sign, offer }) => payV1(await sign({ value: String(BigInt(offer.amount) - 1n) })),
    '402 payment_amount_mismatch The authorization is for N-1 units, the quote for N.',
  ],
  [
    'a v1 payment to somebody else',
    async ({ sign }) => payV1(await sign({ to: stranger.address })),
    '402 payment_recipient_mismatch The authorization pays somebody else than the quote says.',
  ],
  [
    'a v1 payment in another token',
    async ({ sign }) => payV1(await sign({}, { asset: stranger.address })),
    '402 payment_signature_invalid The signature is not that of the payer over this authorization.',
  ],
  [
    'a payment that was rejected before',
    async () => {
      const { sign } = await scene(0n)
      const signed = await sign()
      await pay(signed)
      return pay(signed)
    },
    '402 payment_rejected_before This authorization was presented before and rejected (insufficient_funds).',
  ],
]

/** Somebody else sends an authorization to the token. */
const submit = async ({ payload: { authorization: a, signature } }: Signed): Promise<void> => {
  const [r, s, v] = [slice(signature, 0, 32), slice(signature, 32, 64), Number(slice(signature, 64))]
  const data = encodeFunctionData({
    abi: eip3009Abi,
    functionName: 'transferWithAuthorization',
    args: [a.from, a.to, BigInt(a.value), BigInt(a.validAfter), BigInt(a.validBefore), a.nonce, v, r, s],
  })
  await world.act(world.net.accounts[5]!.address, world.token, data)
}

const AGAIN = 'Send the request again without a payment header, and sign the new quote.'

/** What to do next. */
const HINTS: Record<string, string> = {
  payment_headers_conflict: 'Send exactly one payment header.',
  payment_malformed: 'Send base64 of the x402 payment payload as JSON; see /.well-known/x402.',
  payment_version_unsupported: 'Use PAYMENT-SIGNATURE with x402Version 2, or X-PAYMENT with x402Version 1.',
  payment_scheme_unsupported: AGAIN,
  payment_network_mismatch: AGAIN,
  payment_asset_mismatch: AGAIN,
  payment_recipient_mismatch: AGAIN,
  payment_amount_mismatch: 'Sign exactly the quoted amount.',
  payment_signature_invalid:
    'Sign TransferWithAuthorization with the domain in `extra` (name, version), the chain and the asset of the offer.',
  payment_expired: AGAIN,
  payment_not_yet_valid: 'Sign with validAfter in the past; check your clock.',
  payment_validity_too_long: 'Sign with validBefore = now + maxTimeoutSeconds.',
  quote_missing: 'Echo the chosen offer unchanged, with `extra.quote`, as `accepted`.',
  quote_invalid: AGAIN,
  insufficient_funds: 'Fund the wallet, lower max_tokens, or wait for open calls to settle.',
  payer_is_contract: 'Pay from a plain account.',
  authorization_used: AGAIN,
  payment_rejected_before: `Nothing was charged and this authorization will never be submitted. ${AGAIN}`,
}

test.each(CASES)(
  '%s: refused with a reason, and nothing is charged or asked of a provider',
  async (_, send, expected) => {
    const facts = await scene()
    const { says, hint, code } = await costingNothing(world, async () => {
      const response = await send(facts)
      if (response.status === 402) expect(offersOf(response)[0]!.amount).toBe(facts.offer.amount)
      return told(response)
    })
    const [less, quoted, more] = [-1n, 0n, 1n].map((by) => String(BigInt(facts.offer.amount) + by))
    expect(says.replaceAll(less!, 'N-1').replaceAll(quoted!, 'N').replaceAll(more!, 'N+1')).toBe(expected)
    expect(hint).toBe(HINTS[code])
  },
)

test('the same v1 payment without a fault is taken, once', async () => {
  const { sign } = await scene()
  const signed = await sign()
  const response = await payV1(signed)
  expect(response.status).toBe(200)
  expect(response.headers.get('x-payment-response')).toBe(response.headers.get('payment-response'))
  expect((await told(await payV1(signed))).code).toBe('payment_already_used')
})
