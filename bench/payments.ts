import { randomBytes } from 'node:crypto'
import { type Asset, chainNumber, type Hex } from '../src/assets.ts'
import { permit2Digest, uptoDigest } from '../src/chain/permit2.ts'
import { signDigest } from '../src/chain/signatures.ts'
import { authorizationDigest, domainSeparator } from '../src/chain/typed-data.ts'
import type { PaymentRequired, Requirement } from '../src/wire/payment.ts'
import { x402 } from '../test/support/x402-contracts.ts'
import type { Job } from './shoot.ts'
import type { Payer, World } from './world.ts'

export type Headers = Record<string, string>

const VALID_SECONDS = 3_600

/** How a call is paid: one signature for one payment by each of these, or a voucher of a channel (channels.ts). */
export type Way = 'exact' | 'permit2' | 'upto'

/** Signs one fresh payment for an offer, by the way it names: the header that pays with it. */
export const pay = async (offer: Requirement, payer: Payer, separator: Uint8Array): Promise<Headers> =>
  asHeader(
    offer,
    await (wayOf(offer) === 'exact' ? byAuthorization(offer, payer, separator) : byPermit2(offer, payer)),
  )

/** The header that carries a payload for an offer. */
export const asHeader = (offer: Requirement, payload: object): Headers => {
  const payment = { x402Version: 2, accepted: offer, payload }
  return { 'payment-signature': Buffer.from(JSON.stringify(payment)).toString('base64') }
}

const wayOf = ({ scheme, extra }: Requirement): Way | 'voucher' => {
  if (scheme === 'upto') return 'upto'
  if (scheme === 'batch-settlement') return 'voucher'
  return extra.assetTransferMethod === 'permit2' ? 'permit2' : 'exact'
}

const byAuthorization = async (
  { payTo, amount }: Requirement,
  { address: from, key }: Payer,
  separator: Uint8Array,
): Promise<object> => {
  const { validAfter, validBefore } = validity()
  const nonce: Hex = `0x${randomBytes(32).toString('hex')}`
  const to = payTo.toLowerCase() as Hex
  const signed = { from, to, value: BigInt(amount), validAfter, validBefore, nonce }
  const signature = await signDigest(authorizationDigest(separator, signed), key)
  const text = { validAfter: String(validAfter), validBefore: String(validBefore) }
  return { signature, authorization: { from, to: payTo, value: amount, ...text, nonce } }
}

const byPermit2 = async (
  { scheme, network, asset, payTo, amount, extra }: Requirement,
  { address: from, key }: Payer,
): Promise<object> => {
  const { validAfter, validBefore } = validity()
  const random = randomBytes(32).toString('hex')
  const [token, to] = [asset.toLowerCase() as Hex, payTo.toLowerCase() as Hex]
  const terms = { token, to, value: BigInt(amount), validAfter, validBefore, nonce: `0x${random}` as Hex }
  const facilitator = extra.facilitatorAddress?.toLowerCase() as Hex
  const digest =
    scheme === 'upto'
      ? uptoDigest(chainNumber(network), { ...terms, facilitator })
      : permit2Digest(chainNumber(network), terms)
  return {
    signature: await signDigest(digest, key),
    permit2Authorization: {
      from,
      permitted: { token: asset, amount },
      spender: scheme === 'upto' ? x402.uptoProxy : x402.exactProxy,
      nonce: BigInt(terms.nonce).toString(),
      deadline: String(validBefore),
      witness: {
        to: payTo,
        validAfter: String(validAfter),
        ...(scheme === 'upto' && { facilitator: extra.facilitatorAddress }),
      },
    },
  }
}

const validity = () => {
  const now = Math.floor(Date.now() / 1000)
  return { validAfter: BigInt(now - 600), validBefore: BigInt(now + VALID_SECONDS) }
}

/** The offer of a 402's PAYMENT-REQUIRED header that is paid this way. */
export const offerIn = (header: string, way: Way | 'voucher' = 'exact'): Requirement => {
  const { accepts } = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as PaymentRequired
  const offer = accepts.find((one) => wayOf(one) === way)
  if (!offer) throw new Error(`nothing is offered by ${way}`)
  return offer
}

export const separatorOf = (asset: Asset): Uint8Array => domainSeparator(asset)

export type Order = {
  url: string
  body: string
  /** Who pays, in order: one payment for each. */
  payers: readonly Payer[]
  /** The payers name themselves, so that their credit lowers the price. */
  named?: boolean
  way?: Way
}

/** Asks for a quote for every payment and signs it: paid requests that only have to be sent. */
export const presign = async (
  world: World,
  { url, body, payers, named = false, way = 'exact' }: Order,
): Promise<Headers[]> => {
  const each = payers.map(({ address }): Headers => (named ? { 'x-farebox-payer': address } : {}))
  const offers = await quotes(world, { url, body, each }, way)
  const separator = separatorOf(world.asset)
  const headers: Headers[] = []
  for (const [i, payer] of payers.entries())
    headers.push({ ...each[i], ...(await pay(offers[i]!, payer, separator)) })
  if (!named) world.tally.paid += headers.length
  return headers
}

/** An offer for each request, as fast as they come. */
export const quotes = async (
  world: World,
  asked: Pick<Job, 'url' | 'body'> & { each: readonly Headers[] },
  way: Way | 'voucher',
): Promise<Requirement[]> => {
  const headers = { 'content-type': 'application/json' }
  const job = { ...asked, headers, concurrency: 16, keep: 'payment-required' }
  const { kept } = await world.fire(job, 402)
  return kept.map((header) => offerIn(header, way))
}

/** `count` of them, taken in turns. */
export const inTurns = <T>(some: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => some[i % some.length]!)
