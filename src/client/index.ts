/**
 * client/, published as farebox/client: a `fetch` that pays for model calls, within limits that you set, and checks the
 * receipts. paying-fetch.ts is one call from the 402 to the answer; choose.ts picks an offer by the policy and verdict.ts
 * judges what an answer says about a signature (both pure); payment.ts signs, permit2.ts and channel.ts say what;
 * allowance.ts lets Permit2 move a token; channels.ts and lease.ts share out channels and believe of a router's count what
 * is proven; present.ts shows one signature until its fate is known; deliver.ts and tap.ts pass the answer on and read its
 * receipt; spending.ts counts what may have left the wallet.
 */

export type { Hex } from '../assets.ts'
export { parseUsd, printUsd, type Usd } from '../money.ts'
export type { Receipt, SignedReceipt } from '../wire/receipt.ts'
export type { PayingEvent } from './buyer.ts'
export type { Channel } from './channel.ts'
export { type ChannelStore, fileChannels, memoryChannels } from './channel-store.ts'
export type { ChannelOptions } from './channels.ts'
export type { Described } from './demand.ts'
export { AnswerLost, PaymentRefused, PaymentUnresolved, ReceiptRejected, type RefusedCode } from './errors.ts'
export { KNOWN_ASSETS, type PayAsset } from './known-assets.ts'
export type { Offer, Way } from './offer.ts'
export { type PayingFetch, type PayingFetchOptions, payingFetch } from './paying-fetch.ts'
export type { Policy, Quote } from './policy.ts'
export { type Checked, type Expected, type Verified, verifyReceipt } from './receipts.ts'
export type { Refunded } from './refund.ts'
export type { Settlement } from './settlement.ts'
export { openSpending, type Spending, type Totals } from './spending.ts'
export { type TypedDataToSign, type Wallet, walletFromKey } from './wallet.ts'
export { verifyWebhook, type WebhookEvent, type WebhookHeaders, type WebhookVerdict } from './webhooks.ts'
