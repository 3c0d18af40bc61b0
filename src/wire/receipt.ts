/** The signed receipt: what was quoted, paid, used and answered, verifiable by anyone who knows the router's address. */
import type { ChainId, Hex } from '../assets.ts'

/** All amounts are decimal strings in units of `asset`. Digests are SHA-256 of the canonical request and of the answer's bytes. */
export type Receipt = {
  callId: string
  quoteId: string
  issuedAt: number
  chain: ChainId
  asset: Hex
  payer: Hex
  payTo: Hex
  /** The EIP-3009 nonce of the authorization that paid. */
  nonce: Hex
  /** The ceiling of the quote: what the call could have cost at most. */
  quoted: string
  /** What the payer signed and what therefore moves on the chain; of an `upto` or a voucher, what was used of it. */
  signed: string
  /** Credit from earlier calls that the quote used. */
  creditUsed: string
  /** The bill: price(usage), never above `quoted`. */
  charged: string
  /** signed + creditUsed − charged: the payer's credit for its next calls, once the payment has settled. */
  credited: string
  modelAsked: string
  modelAnswered: string
  provider: string
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  /** Who counted: the provider, or we from what was delivered. */
  usageSource: 'reported' | 'delivered'
  outcome: 'served' | 'partial'
  requestDigest: Hex
  responseDigest: Hex
  /** The settlement transaction; zero when nothing had to move. */
  transaction: Hex
}

export type SignedReceipt = { receipt: Receipt; signer: Hex; signature: Hex }

export const NO_TRANSACTION: Hex = `0x${'0'.repeat(64)}`

/** The EIP-712 shape that is signed; field order is part of the signature. */
export const RECEIPT_TYPES = {
  Receipt: [
    { name: 'callId', type: 'string' },
    { name: 'quoteId', type: 'string' },
    { name: 'issuedAt', type: 'uint256' },
    { name: 'asset', type: 'address' },
    { name: 'payer', type: 'address' },
    { name: 'payTo', type: 'address' },
    { name: 'nonce', type: 'bytes32' },
    { name: 'quoted', type: 'uint256' },
    { name: 'signed', type: 'uint256' },
    { name: 'creditUsed', type: 'uint256' },
    { name: 'charged', type: 'uint256' },
    { name: 'credited', type: 'uint256' },
    { name: 'modelAsked', type: 'string' },
    { name: 'modelAnswered', type: 'string' },
    { name: 'provider', type: 'string' },
    { name: 'inputTokens', type: 'uint256' },
    { name: 'cachedTokens', type: 'uint256' },
    { name: 'outputTokens', type: 'uint256' },
    { name: 'usageSource', type: 'string' },
    { name: 'outcome', type: 'string' },
    { name: 'requestDigest', type: 'bytes32' },
    { name: 'responseDigest', type: 'bytes32' },
    { name: 'transaction', type: 'bytes32' },
  ],
} as const satisfies Record<string, readonly { name: Exclude<keyof Receipt, 'chain'>; type: string }[]>

/** The EIP-712 domain of receipts; the chain is in the domain, so it is not a field. */
export const receiptDomain = (chainId: number) =>
  ({ name: 'Farebox Receipt', version: '1', chainId }) as const
