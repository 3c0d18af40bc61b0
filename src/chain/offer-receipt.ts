import {
  OFFER_DOMAIN,
  OFFER_TYPES,
  type OfferPayload,
  RECEIPT_DOMAIN,
  RECEIPT_TYPES,
  type ReceiptPayload,
} from '../wire/offer-receipt.ts'
import { keccak, keccakText } from './keccak.ts'
import { typedDigest, typeHash, uint, words } from './typed-data.ts'

/** Digests of the offer-receipt extension, written out for speed: every 402 signs its offers. Tested against the extension's own verifiers. */
const separator = ({ name, version, chainId }: { name: string; version: string; chainId: number }) =>
  keccak(
    words([
      keccakText('EIP712Domain(string name,string version,uint256 chainId)'),
      keccakText(name),
      keccakText(version),
      uint(BigInt(chainId)),
    ]),
  )
const OFFER_SEPARATOR = separator(OFFER_DOMAIN)
const RECEIPT_SEPARATOR = separator(RECEIPT_DOMAIN)
const OFFER_TYPE = typeHash(OFFER_TYPES, 'Offer')
const RECEIPT_TYPE = typeHash(RECEIPT_TYPES, 'Receipt')

type Field = { name: string; value: string | number }

const wordsOf = (fields: readonly Field[]): Uint8Array[] =>
  fields.map(({ name, value }) => {
    if (typeof value === 'number') return uint(BigInt(value))
    return CONSTANT.has(name) ? hashOf(value) : keccakText(value)
  })

// What the configuration says comes back in every offer.
const CONSTANT = new Set(['resourceUrl', 'scheme', 'network', 'asset', 'payTo'])
const MOST = 1_000
const hashes = new Map<string, Uint8Array>()

const hashOf = (value: string): Uint8Array => {
  const known = hashes.get(value)
  if (known) return known
  const made = keccakText(value)
  if (hashes.size >= MOST) hashes.clear()
  hashes.set(value, made)
  return made
}

/** What the router signs on an offer. */
export const offerDigest = (payload: OfferPayload): Uint8Array => {
  const values = OFFER_TYPES.Offer.map(({ name }) => ({ name, value: payload[name] }))
  return typedDigest(OFFER_SEPARATOR, keccak(words([OFFER_TYPE, ...wordsOf(values)])))
}

/** What the router signs on the receipt of the extension. */
export const paidDigest = (payload: ReceiptPayload): Uint8Array => {
  const values = RECEIPT_TYPES.Receipt.map(({ name }) => ({ name, value: payload[name] }))
  return typedDigest(RECEIPT_SEPARATOR, keccak(words([RECEIPT_TYPE, ...wordsOf(values)])))
}
