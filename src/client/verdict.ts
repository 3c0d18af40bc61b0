import { type Code, REFUSALS } from '../errors.ts'

/**
 * What an answer says about the authorization that was shown for it:
 * - `served`: it paid for this answer.
 * - `dead`: it will never be used, so it costs nothing.
 * - `spent`: it was used, and there is no answer to come.
 * - `lost`: it was used, and the answer went to an earlier request.
 * - `in_flight`: another request with it is being served.
 * - `again`: nothing; showing it once more may tell.
 * - `pending`: it was submitted, and no answer is to come.
 * - `open`: nothing; and showing it once more would not help.
 */
export type Verdict = 'served' | 'dead' | 'spent' | 'lost' | 'in_flight' | 'again' | 'pending' | 'open'

/** Refusals of an authorization that is known to the router: they hold whatever happened to earlier requests with it. */
const KNOWN = {
  payment_rejected_before: 'dead',
  payment_released: 'dead',
  insufficient_funds: 'dead',
  insufficient_allowance: 'dead',
  payer_is_contract: 'dead',
  credit_spent: 'dead',
  settlement_failed: 'dead',
  chain_unavailable: 'dead',
  upstream_rejected: 'dead',
  upstream_filtered: 'dead',
  upstream_too_long: 'dead',
  upstream_failed: 'dead',
  upstream_timeout: 'dead',
  upstream_busy: 'dead',
  overloaded: 'dead',
  upstream_failed_credited: 'spent',
  stream_broken: 'spent',
  stream_cut: 'spent',
  payment_already_used: 'lost',
  answer_not_kept: 'lost',
  answer_lost: 'lost',
  idempotency_conflict: 'dead',
  payment_in_flight: 'in_flight',
  settlement_pending: 'pending',
  // No answer, though its status is of the two hundreds.
  approval_waiting: 'dead',
  // The token says that it moved already, and we never saw an answer for it.
  authorization_used: 'open',
  // Nobody has looked at it.
  rate_limited: 'again',
  request_too_slow: 'again',
  ledger_unavailable: 'again',
  shutting_down: 'again',
  internal: 'again',
} as const satisfies Partial<Record<Code, Verdict>>

/** Refusals that a new quote, signed once more, may cure. */
const CURABLE: ReadonlySet<Code> = new Set<Code>([
  'quote_expired',
  'quote_invalid',
  'quote_payer_mismatch',
  'payment_expired',
  'payment_rejected_before',
  'payment_released',
  'credit_spent',
  'channel_busy',
])

/** Refusals of the way to pay, not of the call: another offer may be taken instead. */
const OF_THE_WAY: ReadonlySet<Code> = new Set<Code>([
  'payment_scheme_unsupported',
  'facilitator_mismatch',
  'insufficient_funds',
  'insufficient_allowance',
  'sponsorship_invalid',
  'sponsorship_limit',
  'exposure_reached',
  'channel_config_mismatch',
  'channel_withdrawing',
])

const PASSING: ReadonlySet<number> = new Set([408, 409, 425, 429])

/**
 * Judges an answer to a paid request. `first`: no earlier request with this authorization is in doubt. When one is, a
 * refusal of this request (an expired quote, say) proves nothing about the earlier one, which may have been served.
 */
export const verdictOf = (answer: {
  status: number
  code: Code | undefined
  first: boolean
  /** It was a voucher: any 402 means that it was not taken, whoever the server is. */
  voucher?: boolean
}): Verdict => {
  const { status, code, first, voucher = false } = answer
  if (code !== undefined && code in KNOWN) return KNOWN[code as keyof typeof KNOWN]
  if (status >= 200 && status < 300) return 'served'
  if (code !== undefined && status >= 400 && status < 500) return first ? 'dead' : 'open'
  if (voucher && status === 402 && first) return 'dead'
  return status >= 500 || PASSING.has(status) ? 'again' : 'open'
}

export const isCurable = (code: Code | undefined): boolean => code !== undefined && CURABLE.has(code)

export const isOfTheWay = (code: Code | undefined): boolean => code !== undefined && OF_THE_WAY.has(code)

/** The refusal code in a body of ours, when it is one we know and fits the status; undefined from anybody else. */
export const codeOf = (status: number, body: unknown): Code | undefined => {
  const code = (body as { error?: { code?: unknown } } | null | undefined)?.error?.code
  if (typeof code !== 'string' || !Object.hasOwn(REFUSALS, code)) return undefined
  return REFUSALS[code as Code].status === status ? (code as Code) : undefined
}
