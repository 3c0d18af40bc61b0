import { type Clock, systemClock } from '../clock.ts'
import { HEADER } from '../wire/payment.ts'
import { agree, demandOf, hasOther, refused, shortOf } from './agree.ts'
import { howToAllow } from './allowance.ts'
import type { Buyer, PayingEvent } from './buyer.ts'
import type { Channel } from './channel.ts'
import { type ChannelOptions, openChannels } from './channels.ts'
import type { Tried } from './choose.ts'
import { deliver, withBody } from './deliver.ts'
import { AnswerLost } from './errors.ts'
import type { SignedPayment } from './payment.ts'
import { createPermit2Nonces } from './permit2.ts'
import { allowsUrl, type Policy, readPolicy } from './policy.ts'
import { present, type Shown } from './present.ts'
import type { Checked } from './receipts.ts'
import { type Refunded, refundChannels } from './refund.ts'
import { type Buffered, bufferRequest, type Fetch, parse } from './request.ts'
import { openReads } from './rpc.ts'
import { type Settlement, settlementOf } from './settlement.ts'
import { openSpending, type Spending, type Totals } from './spending.ts'
import { createUnresolved } from './unresolved.ts'
import { isOfTheWay } from './verdict.ts'
import { checkWallet, type Wallet } from './wallet.ts'

export type PayingFetchOptions = {
  wallet: Wallet
  policy?: Policy
  /** What really sends; the global fetch by default. */
  fetch?: Fetch
  /** Shared by several clients that must stay within one limit; then its limits hold and not the policy's. */
  spending?: Spending
  /** An RPC URL by CAIP-2 chain: lets the client see what Permit2 may move, sign what it may not yet, and look into channels. */
  rpc?: Readonly<Record<string, string>>
  /** Pays out of channels where a router offers them: one deposit, then a signature a call that the chain never sees. */
  channels?: ChannelOptions
  clock?: Clock
  onEvent?: (event: PayingEvent) => void
}

/** A `fetch` that pays. */
export type PayingFetch = Fetch & {
  spending: () => Totals
  /** The last receipt that was judged; for a stream, once it has ended. */
  readonly lastReceipt: Checked | undefined
  /** Has the payment of a call settled, and by which transaction? The router's word, of the last receipt by default. */
  settlement: (receipt?: Checked) => Promise<Settlement | undefined>
  /** Asks each router for what is left in its channels; a channel that a call uses is left alone. */
  refund: () => Promise<readonly Refunded[]>
  channels: () => Promise<readonly Channel[]>
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
  const nonces = createPermit2Nonces()
  const reads = openReads(options.rpc)
  const { channels, wallet } = options
  const buyer: Buyer = {
    wallet: options.wallet,
    rules,
    spending: options.spending ?? openSpending({ maxTotal, maxPerHour, clock }),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock,
    emit: guarded(options.onEvent),
    unresolved: createUnresolved(clock),
    nonces,
    channels: channels && openChannels({ options: channels, wallet, nonces, reads, clock }),
    reads,
    short: new Map(),
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
    settlement: { value: (receipt = buyer.last.receipt) => settlementOf(buyer.fetch, receipt) },
    refund: { value: () => refundChannels(buyer) },
    channels: { value: async () => (await buyer.channels?.list()) ?? [] },
  }) as PayingFetch
}

const MOST_SIGNATURES = 2

const buy = async (buyer: Buyer, request: Buffered): Promise<Response> => {
  // Our address lets the router use our credit; it is told only where we would pay.
  const named = allowsUrl(buyer.rules, request.url) ? { [HEADER.payer]: buyer.wallet.address } : {}
  let asked: Response | undefined
  const tried: Tried[] = []
  // A signature that an earlier attempt at this very call left open is shown before anything else.
  let payment = buyer.unresolved.take(request.key)
  for (let signatures = payment ? 1 : 0; ; ) {
    if (!payment) {
      asked ??= await request.send(named)
      const demand = await demandOf(asked)
      if (!demand) return asked
      payment = await agree(buyer, request, { response: asked, demand, tried })
      signatures++
    }
    const shown = await settle(buyer, request, payment)
    if (shown.kind === 'served') return deliver({ buyer, request, payment }, shown.answer)
    const { answer } = shown
    if (shown.kind === 'spent') return withBody(shown.answer.response, shown.answer.bytes)
    if (signatures >= MOST_SIGNATURES || !(await isCured(buyer, request, payment, shown, tried)))
      return giveUp(buyer, request, payment, shown)
    asked = answer?.response.status === 402 ? withBody(answer.response, answer.bytes) : undefined
    // Another call took the credit of this quote: a price without credit cannot be taken away again.
    if (answer?.code === 'credit_spent') asked = await request.send({})
    payment = undefined
  }
}

type Refused = Extract<Shown, { kind: 'refused' }>

/** May another signature fare better: for a new quote, by another way, or from what a 402 tells of the channel? */
const isCured = async (
  buyer: Buyer,
  request: Buffered,
  payment: SignedPayment,
  { answer, code, curable }: Refused,
  tried: Tried[],
): Promise<boolean> => {
  const { offer, lease } = payment
  const demand = answer && (await demandOf(withBody(answer.response, answer.bytes)))
  const poor = code === 'insufficient_funds'
  if (poor) buyer.short.set(shortOf(offer, 'funds'), buyer.clock.now() + POOR_MS)
  if (code === 'insufficient_allowance')
    buyer.short.set(shortOf(offer, 'allowance'), buyer.clock.now() + SHORT_MS)
  if (!demand) return curable
  const corrected = lease && (await lease.correct(demand))
  if (corrected === 'corrected') return true
  if (corrected !== 'disputed' && !isOfTheWay(code)) return curable
  tried.push({ offer, poor })
  return hasOther(buyer, request, { demand, tried })
}

/** How long a token without an allowance, or without enough of it, comes last. */
const SHORT_MS = 600_000
const POOR_MS = 60_000

/** Shows a payment and books what became of it; one that is left in doubt is kept for the next call with the same bytes. */
const settle = async (buyer: Buyer, request: Buffered, payment: SignedPayment): Promise<Shown> => {
  let shown: Shown
  try {
    shown = await present({ buyer, request, payment })
  } catch (error) {
    if (!(error instanceof AnswerLost)) {
      payment.lease?.unknown()
      buyer.unresolved.park(request.key, payment)
    }
    throw error
  }
  if (shown.kind === 'refused') {
    payment.hold.release()
    payment.lease?.unused()
  } else payment.hold.spend()
  if (shown.kind === 'spent') payment.lease?.unknown()
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
  { offer }: SignedPayment,
  { answer, code }: Refused,
): Response => {
  const told = hintOf(answer?.bytes) ?? 'The call was not served and costs nothing.'
  const hint = code === 'insufficient_allowance' ? `${told} ${howToAllow(offer)}` : told
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
