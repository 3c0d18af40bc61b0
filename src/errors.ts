// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the dollars are dollars.
/** Everything we refuse on purpose: one table, which is also the documentation page and the OpenAPI section. */

export type Refused = {
  status: number
  /** What happened, one sentence; `{name}` is filled from the details. */
  title: string
  /** What an agent does next. */
  hint: string
  /** May the OpenAI SDK repeat the request by itself? Never where a repetition could pay twice. */
  retry: boolean
  /** The x402 specification's name for it, where it has one. */
  x402?: string
}

const NEW_QUOTE = 'Send the request again without a payment header, and sign the new quote.'
const NOT_CHARGED = 'Nothing was charged and this authorization will never be submitted.'

// biome-ignore format: a row is a line.
export const REFUSALS = {
  invalid_json: { status: 400, title: 'The body is not valid JSON.', hint: 'Send one JSON object, UTF-8.', retry: false },
  body_too_deep: { status: 400, title: 'The body nests deeper than {limit} levels or holds too many values.', hint: 'Flatten the body.', retry: false },
  invalid_request: { status: 400, title: '{problem}', hint: 'Correct the named parameter; /openapi.json has the schema.', retry: false },
  unknown_field: { status: 400, title: 'Unknown parameter: {field}.', hint: 'Leave it out: a parameter that we do not know could cost money, so it is refused and never dropped.', retry: false },
  unsupported_parameter: { status: 400, title: '{problem}', hint: 'Leave the parameter out or use a supported value.', retry: false },
  context_length_exceeded: { status: 400, title: 'About {tokens} input tokens and {output} output tokens do not fit into any allowed model (largest context: {limit}).', hint: 'Shorten the messages, lower max_tokens, or choose a model with a larger context.', retry: false },
  price_above_max: { status: 400, title: 'The ceiling of ${ceiling} is above your max_price_usd of ${max}.', hint: 'At most {fits} output tokens fit it: lower max_tokens to that, shorten the messages, or raise max_price_usd.', retry: false },
  payment_headers_conflict: { status: 400, title: 'Both PAYMENT-SIGNATURE and X-PAYMENT are present.', hint: 'Send exactly one payment header.', retry: false },
  payment_malformed: { status: 400, title: 'The payment header cannot be read: {problem}.', hint: 'Send base64 of the x402 payment payload as JSON; see /.well-known/x402.', retry: false, x402: 'invalid_payload' },
  payment_version_unsupported: { status: 400, title: 'This x402 version is not supported here.', hint: 'Use PAYMENT-SIGNATURE with x402Version 2, or X-PAYMENT with x402Version 1.', retry: false, x402: 'invalid_x402_version' },

  payout_too_small: { status: 400, title: 'A payout is of {least} units or more; your free credit is {credit}.', hint: 'Go on using the credit: the next quotes are lower by it.', retry: false },

  sign_in_required: { status: 401, title: 'Sign in with the account that pays.', hint: 'Sign the message of extensions.sign-in-with-x as EIP-4361 and send it, base64 JSON, in SIGN-IN-WITH-X.', retry: false },
  sign_in_invalid: { status: 401, title: 'This sign-in is not valid: {problem}.', hint: 'Sign the new message of extensions.sign-in-with-x, once for each request.', retry: false },

  key_invalid: { status: 401, title: 'This key is not known here.', hint: 'Send `Authorization: Bearer fbx_…` with a key that was made at this router and still stands, or leave it out and pay as a wallet of your own.', retry: false },
  login_failed: { status: 401, title: 'Sign-in failed.', hint: 'Check the name and the password, or sign in with the wallet that an owner named.', retry: false },
  session_required: { status: 401, title: 'Sign in first.', hint: 'POST /admin/session, or send a token that the desk made as `Authorization: Bearer fbt_…`.', retry: false },

  payment_required: { status: 402, title: 'This call costs at most ${ceiling}; about ${expected} is expected.', hint: 'Sign one of the offers in PAYMENT-REQUIRED and send the same request again with PAYMENT-SIGNATURE.', retry: false },
  payment_scheme_unsupported: { status: 402, title: 'The payment scheme is not one that was offered.', hint: NEW_QUOTE, retry: false, x402: 'unsupported_scheme' },
  payment_network_mismatch: { status: 402, title: 'The payment is for another network than the quote.', hint: NEW_QUOTE, retry: false, x402: 'invalid_network' },
  payment_asset_mismatch: { status: 402, title: 'The payment is in another asset than the quote.', hint: NEW_QUOTE, retry: false, x402: 'invalid_payment_requirements' },
  payment_recipient_mismatch: { status: 402, title: 'The authorization pays somebody else than the quote says.', hint: NEW_QUOTE, retry: false, x402: 'invalid_exact_evm_payload_recipient_mismatch' },
  payment_amount_mismatch: { status: 402, title: 'The authorization is for {signed} units, the quote for {quoted}.', hint: 'Sign exactly the quoted amount.', retry: false, x402: 'invalid_exact_evm_payload_authorization_value_mismatch' },
  payment_exceeds_signed: { status: 402, title: 'More is to be settled than was signed for: {asked} of {signed} units.', hint: 'Settle at most what the payer signed for.', retry: false, x402: 'invalid_upto_evm_payload_settlement_exceeds_amount' },
  facilitator_mismatch: { status: 402, title: 'The payment names another facilitator than {settler}.', hint: 'Sign the witness with `extra.facilitatorAddress` of the offer.', retry: false, x402: 'upto_facilitator_mismatch' },
  payment_expired: { status: 402, title: 'The authorization has expired or is about to.', hint: NEW_QUOTE, retry: false, x402: 'invalid_exact_evm_payload_authorization_valid_before' },
  payment_not_yet_valid: { status: 402, title: 'The authorization is not valid yet.', hint: 'Sign with validAfter in the past; check your clock.', retry: false, x402: 'invalid_exact_evm_payload_authorization_valid_after' },
  payment_validity_too_long: { status: 402, title: 'The authorization is valid for more than {limit} seconds.', hint: 'Sign with validBefore = now + maxTimeoutSeconds.', retry: false, x402: 'invalid_exact_evm_payload_authorization_valid_before' },
  payment_signature_invalid: { status: 402, title: 'The signature is not that of the payer over this authorization.', hint: 'Sign TransferWithAuthorization with the domain in `extra` (name, version), the chain and the asset of the offer.', retry: false, x402: 'invalid_exact_evm_payload_signature' },
  payer_is_contract: { status: 402, title: 'The payer is a contract or a delegated account, which is not accepted here.', hint: 'Pay from a plain account.', retry: false, x402: 'invalid_exact_evm_payload_signature' },
  insufficient_funds: { status: 402, title: 'The payer holds {balance} units, {required} are needed for this and the open calls.', hint: 'Fund the wallet, lower max_tokens, or wait for open calls to settle.', retry: false, x402: 'insufficient_funds' },
  authorization_used: { status: 402, title: 'The token says that this authorization was already used or cancelled.', hint: NEW_QUOTE, retry: false, x402: 'invalid_transaction_state' },
  quote_missing: { status: 402, title: 'The payment does not carry the quote it is for.', hint: 'Echo the chosen offer unchanged, with `extra.quote`, as `accepted`.', retry: false, x402: 'invalid_payment_requirements' },
  quote_invalid: { status: 402, title: 'The quote was not issued by this router, or was altered.', hint: NEW_QUOTE, retry: false, x402: 'invalid_payment_requirements' },
  quote_expired: { status: 402, title: 'The quote has expired.', hint: NEW_QUOTE, retry: false, x402: 'invalid_payment_requirements' },
  quote_body_mismatch: { status: 402, title: 'The quote is for another request than this one.', hint: 'Send exactly the request that was quoted, or pay the new quote.', retry: false, x402: 'invalid_payment_requirements' },
  quote_payer_mismatch: { status: 402, title: 'The quote is for another payer.', hint: NEW_QUOTE, retry: false, x402: 'invalid_payment_requirements' },
  credit_spent: { status: 402, title: 'The credit in this quote has been used by another call meanwhile.', hint: NEW_QUOTE, retry: false },
  insufficient_allowance: { status: 402, title: 'Permit2 may move {allowance} units of this token for the payer, {required} are needed for this and the open calls.', hint: 'Approve Permit2 (0x000000000022D473030F116dDEE9F6B43aC78BA3) for the token, or send the gas-sponsoring extension that the offer declares.', retry: false, x402: 'permit2_allowance_required' },
  sponsorship_invalid: { status: 402, title: 'The allowance that came with the payment cannot be used: {problem}.', hint: 'Send it again as the offer declares, or approve Permit2 (0x000000000022D473030F116dDEE9F6B43aC78BA3) for the token yourself. Nothing was charged.', retry: false },
  sponsorship_limit: { status: 402, title: 'The gas of this allowance is not paid for: the limit of this payer or of this day is reached.', hint: 'Approve Permit2 (0x000000000022D473030F116dDEE9F6B43aC78BA3) for the token with gas of your own, or pay by EIP-3009 where it is offered. Nothing was charged.', retry: false },
  exposure_reached: { status: 402, title: 'More unpaid service than is risked is open already, so this scheme is not taken now.', hint: 'Pay by `exact`, which can settle first, or wait for open calls to settle.', retry: false },
  channel_config_mismatch: { status: 402, title: 'The channel is not one that this offer can be paid from: {problem}.', hint: 'Open a channel with the receiver, the receiverAuthorizer, the token and the withdrawDelay of the offer.', retry: false, x402: 'invalid_batch_settlement_evm_channel_id_mismatch' },
  voucher_signature_invalid: { status: 402, title: 'The voucher is not signed by the payerAuthorizer of its channel.', hint: 'Sign Voucher(channelId, maxClaimableAmount) with the key of payerAuthorizer, a plain account.', retry: false, x402: 'invalid_batch_settlement_evm_voucher_signature' },
  channel_mismatch: { status: 402, title: 'The voucher is for {signed} units in all; {charged} are charged already and this call needs {amount}.', hint: 'Take `channelState` and `voucherState` of the offer as they are, and sign for chargedCumulativeAmount plus amount.', retry: false, x402: 'invalid_batch_settlement_evm_cumulative_amount_mismatch' },
  channel_below_claimed: { status: 402, title: 'The voucher is for {signed} units in all, and more was claimed on the chain already.', hint: 'Read the channel from the chain, and sign for its totalClaimed plus amount.', retry: false, x402: 'invalid_batch_settlement_evm_cumulative_below_claimed' },
  channel_balance_short: { status: 402, title: 'The channel holds {balance} units in all; the voucher is for {signed}.', hint: 'Add a deposit to the payment.', retry: false, x402: 'invalid_batch_settlement_evm_cumulative_amount_mismatch' },
  channel_withdrawing: { status: 402, title: 'The payer is taking its money out of this channel, so nothing is served from it.', hint: 'Pay by another scheme, or from another channel (another salt).', retry: false, x402: 'invalid_batch_settlement_evm_missing_channel' },
  deposit_too_small: { status: 402, title: 'The deposit of {amount} units is too small: {least} are needed.', hint: 'Deposit at least what the voucher signs for, and `extra.minDeposit` of the offer.', retry: false, x402: 'invalid_batch_settlement_evm_deposit_below_min_deposit' },
  refund_by_voucher: { status: 402, title: 'This path gives back what is left in a payment channel.', hint: 'Sign a voucher for all that was charged, and GET again with PAYMENT-SIGNATURE of type refund; for an answer, POST.', retry: false },
  refund_nothing_left: { status: 402, title: 'Nothing is left in this channel that could be given back.', hint: 'Nothing to do: all of it was charged or given back.', retry: false, x402: 'invalid_batch_settlement_evm_refund_no_balance' },
  refund_amount_invalid: { status: 402, title: 'A refund of a part must be worth its gas: {least} units or more.', hint: 'Leave the amount out to get back all that is left.', retry: false, x402: 'invalid_batch_settlement_evm_refund_amount_invalid' },
  payment_rejected_before: { status: 402, title: 'This authorization was presented before and rejected ({why}).', hint: `${NOT_CHARGED} ${NEW_QUOTE}`, retry: false },

  model_not_found: { status: 404, title: 'There is no model {model} here.', hint: 'GET /v1/models lists what can be called.', retry: false },
  not_found: { status: 404, title: 'There is nothing at this path.', hint: 'GET /openapi.json lists every path.', retry: false },
  call_not_found: { status: 404, title: 'There is no such call.', hint: 'Use the id of the X-Farebox-Call header.', retry: false },
  payout_not_found: { status: 404, title: 'There is no such payout.', hint: 'Use the id that the payout was answered with.', retry: false },
  receipt_not_ready: { status: 404, title: 'This call has no receipt: it is {state}.', hint: 'GET /v1/calls/{id} tells how it stands.', retry: false },
  method_not_allowed: { status: 405, title: 'This path does not answer {method}.', hint: 'GET /openapi.json lists every path and method.', retry: false },
  facilitator_forbidden: { status: 403, title: 'This facilitator is not open to you.', hint: 'Send Authorization: Bearer with a key that its operator gave you; without keys it answers callers on its own machine only.', retry: false },
  metrics_forbidden: { status: 403, title: 'The metrics are not open to you.', hint: 'Send Authorization: Bearer with a key that the operator gave you; without keys they answer callers on their own machine only.', retry: false },
  payment_in_flight: { status: 409, title: 'This authorization is being served by another request.', hint: 'Do not sign again. GET /v1/calls/{id} until it ends.', retry: false },
  payment_already_used: { status: 409, title: 'This authorization has paid for a call already.', hint: 'Do not sign again for that call: its receipt is at /v1/receipts/{id}. A new call needs a new quote.', retry: false },
  payment_released: { status: 409, title: 'The call of this authorization failed and was released.', hint: `${NOT_CHARGED} ${NEW_QUOTE}`, retry: false },
  answer_not_kept: { status: 409, title: 'The call of this name was served, and its answer is not kept.', hint: 'Do not sign again for it: PAYMENT-RESPONSE holds its receipt, and nothing more was charged. A new call needs a new name.', retry: false },
  answer_lost: { status: 409, title: 'The answer of this call was lost on its way, and its charge is your credit.', hint: 'Send the request again as a new call, without a payment header and under a new name; with X-Farebox-Payer the next quote uses the credit.', retry: false },
  idempotency_conflict: { status: 409, title: 'Another request of this payer has this name.', hint: 'Give each request a name of its own. Nothing was charged for this one, and its authorization will never be submitted.', retry: false },
  payout_short: { status: 409, title: 'Only {credit} units of credit are free.', hint: 'Ask for at most that. What open calls hold, and what is still being settled, becomes free later.', retry: false },
  payout_in_flight: { status: 409, title: 'A payout to you is on its way already.', hint: 'Wait until {id} has arrived: GET /v1/account/payouts/{id}.', retry: false },
  channel_busy: { status: 409, title: 'The channel is serving other requests, more than could be waited for.', hint: 'Nothing was charged. Ask again in a moment, or use several channels (another salt each).', retry: false, x402: 'invalid_batch_settlement_evm_channel_busy' },
  key_unusable: { status: 403, title: 'The {level} "{name}" is {state}.', hint: 'Nothing was charged. Ask its administrators, or use another key.', retry: false },
  key_scope: { status: 403, title: '{problem}', hint: 'Nothing was charged. Ask for what the key allows, or have its administrators allow more.', retry: false },
  key_mismatch: { status: 403, title: 'The wallet that pays belongs to another key than the one that was sent.', hint: 'Nothing was charged. Send the key of that wallet, or none.', retry: false },
  forbidden: { status: 403, title: 'Your roles do not allow this: it needs {needs}.', hint: 'Ask an owner for the role.', retry: false },
  csrf_failed: { status: 403, title: 'The request does not come from a page of this desk.', hint: 'Load the page again, or send the x-csrf-token that the session gave.', retry: false },
  approval_invalid: { status: 403, title: 'The approval cannot be used: {problem}.', hint: 'Nothing was charged. Leave out X-Farebox-Approval to ask for a new one.', retry: false },
  approval_waiting: { status: 202, title: 'This waits for an approval: {why}.', hint: 'GET /v1/approvals/{approval} until it is approved, then send the same again with X-Farebox-Approval: {approval}. Nothing was charged; do not pay yet.', retry: false },
  not_here: { status: 404, title: 'There is no {what} here.', hint: 'List what there is, and use an id from that list.', retry: false },
  taken_here: { status: 409, title: '{problem}', hint: 'Nothing was changed. Look at how it stands now, and choose another.', retry: false },
  busy_here: { status: 503, title: 'Too many changes at once.', hint: 'Nothing was changed. Try again in a moment.', retry: true },
  budget_reached: { status: 429, title: 'The budget of {level} "{name}" per {per} is reached: ${left} of ${limit} is left, this call may cost ${needed}.', hint: 'Nothing was charged. {fits} output tokens would still fit (max_tokens). It resets {resets}.', retry: false },
  login_locked: { status: 429, title: 'Too many failed sign-ins.', hint: 'Try again after the Retry-After seconds.', retry: false },
  request_too_slow: { status: 408, title: 'The request did not arrive in time.', hint: 'Send it again, whole: nothing was charged.', retry: true },
  body_too_large: { status: 413, title: 'The body is larger than {limit} bytes.', hint: 'Shorten the request.', retry: false },
  media_type_unsupported: { status: 415, title: 'The body must be uncompressed application/json.', hint: 'Send Content-Type: application/json and no Content-Encoding.', retry: false },
  rate_limited: { status: 429, title: 'Too many requests from this {by}.', hint: 'Send the same request again after the Retry-After seconds, with the same payment if it had one: nothing was charged.', retry: true },

  upstream_rejected: { status: 400, title: 'The model provider rejected the request ({why}).', hint: `Change the request. ${NOT_CHARGED}`, retry: false },
  upstream_filtered: { status: 400, title: 'The content filter of the model provider refused the request.', hint: `Change the request, or choose another model. ${NOT_CHARGED}`, retry: false },
  upstream_too_long: { status: 400, title: 'The request is longer than the context of {model}, says its provider (context_length_exceeded).', hint: `Shorten the messages, or allow a model with a larger context. ${NOT_CHARGED}`, retry: false },
  upstream_failed: { status: 502, title: 'No provider could answer ({why}).', hint: `Try again later or allow more models. ${NOT_CHARGED}`, retry: false },
  upstream_timeout: { status: 504, title: 'No provider answered in time.', hint: `Try again later or allow more models. ${NOT_CHARGED}`, retry: false },
  upstream_busy: { status: 503, title: 'Every provider is rate limited or resting after failures.', hint: `Try again after the Retry-After seconds. ${NOT_CHARGED}`, retry: false },
  overloaded: { status: 503, title: 'Every provider of this model has as many calls as it takes.', hint: `Try again after the Retry-After seconds. ${NOT_CHARGED}`, retry: false },
  upstream_failed_credited: { status: 502, title: 'No provider could answer ({why}), after the payment had settled.', hint: 'The whole amount is your credit here: name yourself in X-Farebox-Payer and the next quote uses it.', retry: false },
  stream_broken: { status: 502, title: 'The provider broke off in the middle of the answer.', hint: 'Only what was delivered is billed; the receipt says how much.', retry: false },
  stream_cut: { status: 409, title: 'The stream was cut: {why}.', hint: 'Only what was delivered is billed; the receipt says how much. Ask for the rest in a new call.', retry: false },
  settlement_pending: { status: 202, title: 'The payment was submitted and is not yet confirmed; the call has not run.', hint: 'Do not sign again. GET /v1/calls/{id}: when it settles, the amount is your credit.', retry: false, x402: 'settlement_pending' },
  settlement_failed: { status: 402, title: 'The payment could not be settled ({why}), so the call did not run.', hint: NEW_QUOTE, retry: false, x402: 'unexpected_settle_error' },
  chain_unavailable: { status: 503, title: 'The chain cannot be reached to check this payment.', hint: `${NOT_CHARGED} Try again shortly with a new quote.`, retry: false },
  facilitator_busy: { status: 503, title: 'As many payments as this facilitator takes at once are on their way.', hint: 'Ask again after the Retry-After seconds: nothing was done with this payment.', retry: true },
  payout_unavailable: { status: 503, title: 'This cannot be paid out now.', hint: 'Your credit stays as it is. Try again later, or use it for calls.', retry: false },
  ledger_unavailable: { status: 503, title: 'The ledger cannot be written, so no payment is taken.', hint: 'Try again shortly. Nothing was charged.', retry: false },
  shutting_down: { status: 503, title: 'This instance is shutting down.', hint: 'Try again: nothing was charged.', retry: true },
  internal: { status: 500, title: 'Something went wrong here.', hint: 'If you paid, GET /v1/calls/{id} from the X-Farebox-Call header tells how the call stands; do not sign again before.', retry: false },
} as const satisfies Record<string, Refused>

export type Code = keyof typeof REFUSALS
export type Details = Readonly<Record<string, string | number | bigint | undefined>>

/** The only thing thrown on purpose; anything else that is thrown is a bug and a 500 without internals. */
export class Refusal extends Error {
  readonly code: Code
  readonly details: Details
  readonly status: number
  constructor(code: Code, details: Details = {}) {
    super(code)
    this.name = 'Refusal'
    this.code = code
    this.status = REFUSALS[code].status
    this.details = details
  }
}

/** `throw fail('insufficient_funds', { balance, required })`: the code is checked by the compiler. */
export const fail = (code: Code, details: Details = {}): Refusal => new Refusal(code, details)

export type ErrorBody = {
  error: { message: string; type: string; code: Code; param: string | null; hint: string; docs: string }
}

/** The OpenAI error envelope, with what to do next. `details.param` names the parameter at fault. */
export const errorBody = (code: Code, details: Details = {}): ErrorBody => {
  const row: Refused = REFUSALS[code]
  return {
    error: {
      message: fill(row.title, details),
      type: errorType(row.status),
      code,
      param: details['param'] === undefined ? null : String(details['param']),
      hint: fill(row.hint, details),
      docs: `/llms.txt#${code}`,
    },
  }
}

const errorType = (status: number): string => {
  if (status === 402) return 'payment_required'
  if (status === 202) return 'pending'
  return status >= 500 ? 'api_error' : 'invalid_request_error'
}

// Details may quote a client's own words, so they are cut and made printable. What is not known stays a placeholder.
const fill = (text: string, details: Details): string =>
  text.replace(/\{(\w+)\}/g, (placeholder, name: string) =>
    String(details[name] ?? placeholder)
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 200),
  )
