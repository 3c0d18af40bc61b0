import { type Asset, chainNumber, type Hex } from '../assets.ts'
import type { Authorization } from '../wire/payment.ts'
import { NO_TRANSACTION, RECEIPT_TYPES, type Receipt, receiptDomain } from '../wire/receipt.ts'
import { keccak, keccakText } from './keccak.ts'
import { toHex } from './signatures.ts'

/** EIP-712 digests, written out for the structs that the hot path needs; tested against viem's `hashTypedData`. */
const TRANSFER_TYPE = keccakText(
  'TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)',
)
const DOMAIN_TYPE = keccakText(
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)',
)
const SHORT_DOMAIN_TYPE = keccakText('EIP712Domain(string name,string version,uint256 chainId)')
const RECEIPT_TYPE = keccakText(
  `Receipt(${RECEIPT_TYPES.Receipt.map((field) => `${field.type} ${field.name}`).join(',')})`,
)

/** The domain separator of a token: constant, so it is computed once per asset and compared with the contract's at boot. */
export const domainSeparator = (asset: Pick<Asset, 'name' | 'version' | 'chain' | 'address'>): Uint8Array =>
  keccak(
    words([
      DOMAIN_TYPE,
      keccakText(asset.name),
      keccakText(asset.version),
      uint(BigInt(chainNumber(asset.chain))),
      left(asset.address),
    ]),
  )

/** What a payer signs to pay by EIP-3009. */
export const authorizationDigest = (
  separator: Uint8Array,
  authorization: Omit<Authorization, 'signature' | 'kind'>,
): Uint8Array => {
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  const struct = keccak(
    words([
      TRANSFER_TYPE,
      left(from),
      left(to),
      uint(value),
      uint(validAfter),
      uint(validBefore),
      left(nonce),
    ]),
  )
  return typedDigest(separator, struct)
}

/** What the router signs on a receipt. */
export const receiptDigest = (chainId: number, receipt: Receipt): Uint8Array => {
  const values = RECEIPT_TYPES.Receipt.map(({ name, type }) => {
    const value = receipt[name]
    if (type === 'string') return REPEATED.has(name) ? hashOfName(String(value)) : keccakText(String(value))
    return type === 'uint256' ? uint(BigInt(value)) : left((value || NO_TRANSACTION) as Hex)
  })
  return typedDigest(receiptSeparator(chainId), keccak(words([RECEIPT_TYPE, ...values])))
}

// Names of models and providers come back in every receipt; ids never do.
const REPEATED = new Set<string>(['modelAsked', 'modelAnswered', 'provider', 'usageSource', 'outcome'])
const MOST_NAMES = 2_000
const names = new Map<string, Uint8Array>()

const hashOfName = (name: string): Uint8Array => {
  const known = names.get(name)
  if (known) return known
  const made = keccakText(name)
  if (names.size >= MOST_NAMES) names.clear()
  names.set(name, made)
  return made
}

const separators = new Map<number, Uint8Array>()

const receiptSeparator = (chainId: number): Uint8Array => {
  const known = separators.get(chainId)
  if (known) return known
  const { name, version } = receiptDomain(chainId)
  const made = keccak(
    words([SHORT_DOMAIN_TYPE, keccakText(name), keccakText(version), uint(BigInt(chainId))]),
  )
  separators.set(chainId, made)
  return made
}

/** The type hash of a struct, from the table that wallets sign by. Source: EIP-712, encodeType. */
export const typeHash = (types: TypeTable, name: string): Uint8Array => {
  const seen = new Set<string>()
  const collect = (type: string): void => {
    const struct = type.replace(/\[\]$/, '')
    if (seen.has(struct) || !types[struct]) return
    seen.add(struct)
    for (const field of types[struct]) collect(field.type)
  }
  collect(name)
  seen.delete(name)
  const shown = [name, ...[...seen].sort()].map(
    (struct) => `${struct}(${types[struct]!.map((field) => `${field.type} ${field.name}`).join(',')})`,
  )
  return keccakText(shown.join(''))
}

export type TypeTable = Readonly<Record<string, readonly { name: string; type: string }[]>>

/** What is signed: a struct's hash under a domain. */
export const typedDigest = (separator: Uint8Array, struct: Uint8Array): Uint8Array => {
  const bytes = Buffer.allocUnsafe(66)
  bytes[0] = 0x19
  bytes[1] = 0x01
  bytes.set(separator, 2)
  bytes.set(struct, 34)
  return keccak(bytes)
}

/** 32-byte words in a row. */
export const words = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts, parts.length * 32)

/** A number as a 32-byte word. */
export const uint = (value: bigint): Uint8Array => {
  // Almost every number here fits into 64 bits, and text is a slow way round.
  if (value >= 0n && value < MAX_64) {
    const word = Buffer.alloc(32)
    word.writeBigUInt64BE(value, 24)
    return word
  }
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}

const MAX_64 = 2n ** 64n

/** Hex of at most 32 bytes as a word, filled with zeros on the left. */
export const left = (hex: Hex): Uint8Array => {
  if (hex.length === 66) return Buffer.from(hex.slice(2), 'hex')
  if (hex.length === 42) {
    const address = Buffer.allocUnsafe(32).fill(0, 0, 12)
    address.write(hex.slice(2), 12, 'hex')
    return address
  }
  const word = Buffer.alloc(32)
  word.write(hex.slice(2).padStart((hex.length - 1) & ~1, '0'), 32 - ((hex.length - 1) >> 1), 'hex')
  return word
}

/** Domain separator as hex, for comparing with the chain's. */
export const separatorHex = (asset: Asset): Hex => toHex(domainSeparator(asset))
