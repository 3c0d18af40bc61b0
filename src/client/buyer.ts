import type { Hex } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type { Code } from '../errors.ts'
import type { Usd } from '../money.ts'
import type { Channels } from './channels.ts'
import type { RefusedCode } from './errors.ts'
import type { Offer } from './offer.ts'
import type { SignedPayment } from './payment.ts'
import type { Permit2Nonces } from './permit2.ts'
import type { Quote, Rules } from './policy.ts'
import type { Checked } from './receipts.ts'
import type { Buffered, Fetch } from './request.ts'
import type { ChainReads } from './rpc.ts'
import type { Spending } from './spending.ts'
import type { Unresolved } from './unresolved.ts'
import type { Wallet } from './wallet.ts'

/** What happens during a call, in order, for a terminal or a log. Dollars are micro-dollars. */
export type PayingEvent =
  | { type: 'quote'; quote: Quote }
  | { type: 'signed'; quote: Quote; payer: Hex; nonce: Hex; validBefore: number }
  /** The same signature is about to be shown again. */
  | { type: 'retry'; url: string; nonce: Hex; why: string; waitMs: number }
  | { type: 'paid'; url: string; nonce: Hex; callId: string | undefined; usd: Usd; status: number }
  | { type: 'receipt'; receipt: Checked }
  | { type: 'refused'; url: string; code: RefusedCode; hint: string; routerCode: Code | undefined }

/** Everything that a paying client keeps. */
export type Buyer = {
  wallet: Wallet
  rules: Rules
  spending: Spending
  fetch: Fetch
  clock: Clock
  emit: (event: PayingEvent) => void
  unresolved: Unresolved
  nonces: Permit2Nonces
  /** Undefined for a client without channels. */
  channels: Channels | undefined
  reads: (chain: Offer['chain']) => ChainReads | undefined
  /** What a router said that the wallet lacks, and until when we keep that in mind, ms. */
  short: Map<string, number>
  /** Receipt signers by origin: named by the policy or pinned. */
  signers: Map<string, Hex>
  /** The last receipt that was judged. */
  last: { receipt: Checked | undefined }
}

/** One paid exchange: who, for which request, with which signature. */
export type Purchase = { buyer: Buyer; request: Buffered; payment: SignedPayment }
