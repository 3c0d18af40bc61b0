import { randomBytes } from 'node:crypto'
import type { Asset } from '../src/assets.ts'
import { signDigest } from '../src/chain/signatures.ts'
import { authorizationDigest, domainSeparator } from '../src/chain/typed-data.ts'
import type { PaymentRequired, Requirement } from '../src/wire/payment.ts'
import type { Payer, World } from './world.ts'

export type Headers = Record<string, string>

const VALID_SECONDS = 3_600

/** Signs one fresh authorization for an offer: the header that pays with it. */
export const pay = async (offer: Requirement, payer: Payer, separator: Uint8Array): Promise<Headers> => {
  const now = Math.floor(Date.now() / 1000)
  const authorization = {
    from: payer.address,
    to: offer.payTo,
    value: BigInt(offer.amount),
    validAfter: BigInt(now - 600),
    validBefore: BigInt(now + VALID_SECONDS),
    nonce: `0x${randomBytes(32).toString('hex')}`,
  } as const
  const lower = { ...authorization, to: authorization.to.toLowerCase() as typeof authorization.to }
  const signature = await signDigest(authorizationDigest(separator, lower), payer.key)
  const text = {
    ...authorization,
    value: offer.amount,
    validAfter: String(authorization.validAfter),
    validBefore: String(authorization.validBefore),
  }
  const payload = { x402Version: 2, accepted: offer, payload: { signature, authorization: text } }
  return { 'payment-signature': Buffer.from(JSON.stringify(payload)).toString('base64') }
}

/** The first offer of a 402's PAYMENT-REQUIRED header. */
export const offerIn = (header: string): Requirement =>
  (JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as PaymentRequired).accepts[0]!

export const separatorOf = (asset: Asset): Uint8Array => domainSeparator(asset)

export type Order = {
  url: string
  body: string
  /** Who pays, in order: one payment for each. */
  payers: readonly Payer[]
  /** The payers name themselves, so that their credit lowers the price. */
  named?: boolean
}

/** Asks for a quote for every payment and signs it: paid requests that only have to be sent. */
export const presign = async (
  world: World,
  { url, body, payers, named = false }: Order,
): Promise<Headers[]> => {
  const each = payers.map(({ address }): Headers => (named ? { 'x-farebox-payer': address } : {}))
  const asked = {
    url,
    body,
    headers: { 'content-type': 'application/json' },
    concurrency: 16,
    each,
    keep: 'payment-required',
  }
  const { kept } = await world.fire(asked, 402)
  const separator = separatorOf(world.asset)
  const headers: Headers[] = []
  for (const [i, payer] of payers.entries())
    headers.push({ ...each[i], ...(await pay(offerIn(kept[i]!), payer, separator)) })
  if (!named) world.tally.paid += headers.length
  return headers
}

/** `count` payers, taken in turns. */
export const inTurns = (payers: readonly Payer[], count: number): Payer[] =>
  Array.from({ length: count }, (_, i) => payers[i % payers.length]!)
