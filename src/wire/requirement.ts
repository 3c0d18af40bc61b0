/** What we send around a payment: the offers of a 402 and the answer to a paid call. Source: x402 specification v2 §5, v1. */
import type { ChainId, Hex, TransferMethod } from '../assets.ts'

/** One offer of a 402 (`accepts[]`), v2. `amount` is in token units. */
export type Requirement = {
  scheme: 'exact' | 'upto' | 'batch-settlement'
  network: ChainId
  amount: string
  asset: Hex
  payTo: Hex
  maxTimeoutSeconds: number
  extra: RequirementExtra
}

/**
 * `name` and `version` are the token's EIP-712 domain; `quote` is our seal and `signer` the key of our receipts. For upto
 * `facilitatorAddress` alone may settle; for a channel `withdrawDelay` is in seconds, `minDeposit` in token units, and the
 * states tell a client that has lost count where the channel stands.
 */
export type RequirementExtra = {
  name?: string
  version?: string
  assetTransferMethod?: TransferMethod
  quote: string
  signer: Hex
  facilitatorAddress?: Hex
  receiverAuthorizer?: Hex
  withdrawDelay?: number
  minDeposit?: string
  channelState?: ChannelState
  voucherState?: VoucherState
}

/** A channel as the chain and we know it; amounts in token units, `withdrawRequestedAt` in Unix seconds, 0 for never. */
export type ChannelState = {
  channelId: Hex
  balance: string
  totalClaimed: string
  withdrawRequestedAt: number
  refundNonce: string
  chargedCumulativeAmount: string
}

/** The highest voucher we hold of a channel, as its payer signed it. */
export type VoucherState = { signedMaxClaimable: string; signature: Hex }

/** The header `PAYMENT-REQUIRED`; a client echoes `extensions` back in its payment. */
export type PaymentRequired = {
  x402Version: 2
  error: string
  resource: { url: string; description: string; mimeType: string }
  accepts: Requirement[]
  extensions?: Record<string, unknown>
}

/** One offer for a v1 client. */
export type RequirementV1 = {
  scheme: 'exact'
  network: string
  maxAmountRequired: string
  resource: string
  description: string
  mimeType: string
  payTo: Hex
  maxTimeoutSeconds: number
  asset: Hex
  extra: { name: string; version: string }
}

/**
 * What `PAYMENT-RESPONSE` says after a paid call; `amount` is what moves on the chain, the receipt says what was charged.
 * In a channel `extra.chargedAmount` is this call's price, by which the client's own count goes on.
 */
export type SettleResponse<Receipt> = {
  success: boolean
  transaction: string
  network: string
  payer: Hex
  amount: string
  errorReason?: string
  extensions: { farebox: Receipt; [extension: string]: unknown }
  extra?: { channelState?: Partial<ChannelState>; chargedAmount?: string }
}
