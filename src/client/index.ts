/**
 * client/, published as farebox/client: a `fetch` that pays for model calls, within limits that you set, and checks the
 * receipts. paying-fetch.ts is one call from the 402 to the answer; policy.ts judges offers and verdict.ts judges what an
 * answer says about a signature (both pure); present.ts shows one signature until its fate is known; deliver.ts and tap.ts
 * pass the answer on and read its receipt; spending.ts counts what may have left the wallet.
 */

export type { Hex } from '../assets.ts'
export { parseUsd, printUsd, type Usd } from '../money.ts'
export type { Receipt, SignedReceipt } from '../wire/receipt.ts'
export type { PayingEvent } from './buyer.ts'
export type { Described, Offer } from './demand.ts'
export { AnswerLost, PaymentRefused, PaymentUnresolved, ReceiptRejected, type RefusedCode } from './errors.ts'
export { KNOWN_ASSETS, type PayAsset } from './known-assets.ts'
export { type PayingFetch, type PayingFetchOptions, payingFetch } from './paying-fetch.ts'
export type { Policy, Quote } from './policy.ts'
export { type Checked, type Expected, type Verified, verifyReceipt } from './receipts.ts'
export { openSpending, type Spending, type Totals } from './spending.ts'
export { type TransferTypedData, type Wallet, walletFromKey } from './wallet.ts'
