import { type Clock, systemClock } from '../clock.ts'
import { HEADER } from '../wire/payment.ts'
import { agree, demandOf, refused } from './agree.ts'
import type { Buyer, PayingEvent } from './buyer.ts'
import { deliver, withBody } from './deliver.ts'
import { AnswerLost } from './errors.ts'
import type { SignedPayment } from './payment.ts'
import { allowsUrl, type Policy, readPolicy } from './policy.ts'
import { present, type Shown } from './present.ts'
import type { Checked } from './receipts.ts'
import { type Buffered, bufferRequest, type Fetch, parse } from './request.ts'
import { openSpending, type Spending, type Totals } from './spending.ts'
import { createUnresolved } from './unresolved.ts'
import { checkWallet, type Wallet } from './wallet.ts'

export type PayingFetchOptions = {
  wallet: Wallet
  policy?: Policy
  /** What really sends; the global fetch by default. */
  fetch?: Fetch
  /** Shared by several clients that must stay within one limit; then its limits hold and not the policy's. */
  spending?: Spending
  clock?: Clock
  onEvent?: (event: PayingEvent) => void
}

/** A `fetch` that pays. */
export type PayingFetch = Fetch & {
  spending: () => Totals
  /** The last receipt that was judged; for a stream, once it has ended. */
  readonly lastReceipt: Checked | undefined
}

/**
 * A `fetch` that answers 402 by paying, within a policy, and that any code which takes a `fetch` can use. Throws
 * `PaymentRefused` when the policy says no, `PaymentUnresolved` and `AnswerLost` when something was paid and nothing
 * came back; what the router itself answers is returned as it is. A call is signed for at most twice, and never again
 * while it is unknown what became of the first signature.
 */
export const payingFetch = (options: PayingFetchOptions): PayingFetch => {
  checkWallet(options.wallet)
  const clock = options.clock ?? systemClock
  const rules = readPolicy(options.policy)
  const { maxTotal, maxPerHour } = rules
  const buyer: Buyer = {
    wallet: options.wallet,
    rules,
    spending: options.spending ?? openSpending({ maxTotal, maxPerHour, clock }),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock,
    emit: guarded(options.onEvent),
    unresolved: createUnresolved(clock),
    signers: new Map(rules.signers),
    last: { receipt: undefined },
  }
  const paying: Fetch = async (input, init) => {
    const request = await bufferRequest(buyer.fetch, input, init)
    const barred = buyer.unresolved.barred(request.key)
    if (barred) throw barred
    return buy(buyer, request)
  }
  return Object.defineProperties(paying, {
    spending: { value: () => buyer.spending.totals() },
    lastReceipt: { get: () => buyer.last.receipt },
  }) as PayingFetch
}

const MOST_SIGNATURES = 2

const buy = async (buyer: Buyer, request: Buffered): Promise<Response> => {
  // Our address lets the router use our credit; it is told only where we would pay.
  const named = allowsUrl(buyer.rules, request.url) ? { [HEADER.payer]: buyer.wallet.address } : {}
  let asked: Response | undefined
  // A signature that an earlier attempt at this very call left open is shown before anything else.
  let payment = buyer.unresolved.take(request.key)
  for (let signatures = payment ? 1 : 0; ; ) {
    if (!payment) {
      asked ??= await request.send(named)
      const demand = await demandOf(asked)
      if (!demand) return asked
      payment = await agree(buyer, request, asked, demand)
      signatures++
    }
    const shown = await settle(buyer, request, payment)
    if (shown.kind === 'served') return deliver({ buyer, request, payment }, shown.answer)
    const { answer } = shown
    if (shown.kind === 'spent') return withBody(shown.answer.response, shown.answer.bytes)
    if (!shown.curable || signatures >= MOST_SIGNATURES) return giveUp(buyer, request, shown)
    asked = answer?.response.status === 402 ? withBody(answer.response, answer.bytes) : undefined
    // Another call took the credit of this quote: a price without credit cannot be taken away again.
    if (answer?.code === 'credit_spent') asked = await request.send({})
    payment = undefined
  }
}

/** Shows a payment and books what became of it; one that is left in doubt is kept for the next call with the same bytes. */
const settle = async (buyer: Buyer, request: Buffered, payment: SignedPayment): Promise<Shown> => {
  let shown: Shown
  try {
    shown = await present({ buyer, request, payment })
  } catch (error) {
    if (!(error instanceof AnswerLost)) buyer.unresolved.park(request.key, payment)
    throw error
  }
  if (shown.kind === 'refused') payment.hold.release()
  else payment.hold.spend()
  if (shown.kind === 'served') {
    const { callId, nonce, quote } = payment
    const { status } = shown.answer.response
    buyer.emit({ type: 'paid', url: request.url.href, nonce, callId, usd: quote.usd, status })
  }
  return shown
}

/** A refusal that no second signature cures: the router's own words. */
const giveUp = (
  buyer: Buyer,
  request: Buffered,
  { answer, code }: Extract<Shown, { kind: 'refused' }>,
): Response => {
  const hint = hintOf(answer?.bytes) ?? 'The call was not served and costs nothing.'
  const error = refused(buyer, request, 'router_refused', { hint, routerCode: code })
  if (!answer) throw error
  return withBody(answer.response, answer.bytes)
}

const hintOf = (bytes: Uint8Array | undefined): string | undefined => {
  const body = bytes && (parse(bytes) as { error?: { message?: unknown; hint?: unknown } } | null | undefined)
  const words = [body?.error?.message, body?.error?.hint].filter((text) => typeof text === 'string')
  return words.length > 0 ? words.join(' ').slice(0, 500) : undefined
}

// A listener that throws must not stop a payment half way.
const guarded =
  (listener: PayingFetchOptions['onEvent']): Buyer['emit'] =>
  (event) => {
    try {
      listener?.(event)
    } catch {}
  }
