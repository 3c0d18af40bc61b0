import type { Hex } from '../assets.ts'
import type { Code } from '../errors.ts'
import { printUsd, type Usd } from '../money.ts'
import type { Offer } from './offer.ts'
import type { Checked } from './receipts.ts'

/** Why nothing was signed, or why what was signed is worth nothing. */
export type RefusedCode =
  | 'host_not_allowed'
  | 'redirected'
  | 'no_payable_offer'
  | 'scheme_not_allowed'
  | 'chain_not_allowed'
  | 'asset_not_allowed'
  /** An `upto` may be settled, or a channel claimed, by somebody whom nobody named. */
  | 'facilitator_not_allowed'
  /** The offer asks for a deposit that is larger, or tied up for longer, than is taken. */
  | 'channel_terms_refused'
  | 'above_call_limit'
  | 'above_hour_limit'
  | 'above_total_limit'
  | 'deposit_limit'
  | 'channels_in_use'
  /** The router contradicts what is known of a channel. */
  | 'channel_disputed'
  /** Permit2 may not move the token, and nothing can be signed that lets it. */
  | 'allowance_short'
  | 'inspection_refused'
  | 'signer_changed'
  /** The router refused what was signed, or released it, and it costs nothing: see `routerCode`. */
  | 'router_refused'

/** Nothing was paid, and nothing will be. `limit` is what was broken, `hint` what to do. */
export class PaymentRefused extends Error {
  readonly code: RefusedCode
  readonly offers: readonly Offer[]
  readonly limit: string
  readonly hint: string
  readonly routerCode: Code | undefined
  constructor(
    code: RefusedCode,
    facts: { offers?: readonly Offer[]; limit?: string; hint: string; routerCode?: Code | undefined },
  ) {
    super(`Not paid (${facts.routerCode ?? code}). ${facts.hint}`)
    this.name = 'PaymentRefused'
    this.code = code
    this.offers = facts.offers ?? []
    this.limit = facts.limit ?? ''
    this.hint = facts.hint
    this.routerCode = facts.routerCode
  }
}

/**
 * An authorization was sent and nobody could say what became of it. Its amount stays reserved. The same request again,
 * through the same client, shows the same signature, so trying again cannot pay twice.
 */
export class PaymentUnresolved extends Error {
  readonly callId: string | undefined
  readonly nonce: Hex
  /** Unix seconds after which the authorization can no longer be used. */
  readonly validBefore: number
  readonly routerCode: Code | undefined
  constructor(facts: {
    callId: string | undefined
    nonce: Hex
    validBefore: number
    routerCode?: Code | undefined
    cause?: unknown
  }) {
    super(
      `A payment was sent and its outcome is not known${facts.routerCode ? ` (${facts.routerCode})` : ''}. ` +
        'Send the same request again through this client: it shows the same signature and cannot pay twice.',
      { cause: facts.cause },
    )
    this.name = 'PaymentUnresolved'
    this.callId = facts.callId
    this.nonce = facts.nonce
    this.validBefore = facts.validBefore
    this.routerCode = facts.routerCode
  }
}

/**
 * The payment was used and its answer was lost on the way. `credited` is what the router says that it gave back, or that was
 * left over, as credit for the next call. The same request is answered with this error for another minute, so that no
 * automatic retry buys it a second time; after that it is a new call.
 */
export class AnswerLost extends Error {
  readonly callId: string | undefined
  readonly nonce: Hex
  /** Undefined when the router gave none. */
  readonly receipt: Checked | undefined
  /** Undefined when the router did not say. */
  readonly credited: Usd | undefined
  constructor(facts: {
    callId: string | undefined
    nonce: Hex
    receipt: Checked | undefined
    credited: Usd | undefined
  }) {
    const { callId, credited } = facts
    const named = callId === undefined ? 'The call' : `The call ${callId}`
    const left =
      credited === undefined ? 'what was not charged is credit' : `$${printUsd(credited)} of it are credit`
    super(
      `${named} was paid and its answer is lost; ${left} with the router, which the next call uses. Sent again after a minute, the request is a new call with a new price.`,
    )
    this.name = 'AnswerLost'
    this.callId = callId
    this.nonce = facts.nonce
    this.receipt = facts.receipt
    this.credited = credited
  }
}

/** The call was paid and its receipt is missing or wrong, and the policy requires a good one. Repeated for a minute, as `AnswerLost`. */
export class ReceiptRejected extends Error {
  readonly receipt: Checked
  constructor(receipt: Checked) {
    super(`The receipt does not hold: ${receipt.problems.join('; ')}.`)
    this.name = 'ReceiptRejected'
    this.receipt = receipt
  }
}
