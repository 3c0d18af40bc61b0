import type { Caller } from '../accounts/caller.ts'
import type { Hex } from '../assets.ts'
import { toUsd } from '../assets.ts'
import { fail, Refusal } from '../errors.ts'
import { newCallId } from '../ids.ts'
import { type Call, isServing } from '../ledger/call.ts'
import type { Channel } from '../ledger/channel.ts'
import type { Posted } from '../ledger/ledger.ts'
import { COUNTER } from '../ledger/moves.ts'
import { NO_MONEY } from '../money.ts'
import { claimKey } from '../payment/check.ts'
import type { Agreed } from '../payment/terms.ts'
import type { Order } from '../wire/order.ts'
import type { Payment, PaymentChannel } from '../wire/payment.ts'
import type { Deps } from './deps.ts'
import { orTakeBack, surely } from './end.ts'
import { type Permit, refusedBy } from './permit.ts'
import { nameKey, nameTaken } from './repeat.ts'

/** What is known of a call beside its payment: its request, an allowance that came along, and how its caller calls it. */
export type HoldFacts = {
  order: Order
  caller: Caller
  granted: Permit
  sponsored?: Call['sponsored']
  name?: string | undefined
}

/** `channel`: as it stood before a voucher's call drew on it. */
export type Held = { call: Call; counters: Readonly<Record<string, bigint>>; channel?: Channel }

/** An authorization that serving may outlive is settled first. */
const LEAST_LEFT_TO_TRUST = 120

/**
 * Claims the authorization and holds exposure and credit for it, in one atomic step: of any number of requests with the
 * same authorization one gets through, whatever its spelling. A call beyond the exposure limits is held without any and
 * must settle first.
 */
export const hold = async (deps: Deps, agreed: Agreed, facts: HoldFacts): Promise<Held> => {
  deps.probe('K0')
  const call = await newCall(deps, agreed, facts)
  let posted = await post(deps, call)
  const over = budgetRefusal(deps, facts, posted, call)
  if (over) throw over
  if (!posted.ok && posted.why === 'limit' && call.kind !== 'upto')
    posted = await post(deps, { ...call, settleFirst: true, exposed: NO_MONEY })
  deps.probe('K1')
  if (!posted.ok) throw budgetRefusal(deps, facts, posted, call) ?? refusalOf(posted, call)
  deps.alerts.drew(facts.caller, posted.call, posted.counters)
  return { call: posted.call, counters: posted.counters }
}

/** What to tell who would pass a budget; undefined when that is not why. */
export const budgetRefusal = (
  deps: Deps,
  { caller, order }: Pick<HoldFacts, 'caller' | 'order'>,
  posted: Posted,
  call: Call,
): Refusal | undefined =>
  posted.ok || posted.why !== 'limit'
    ? undefined
    : refusedBy(deps, caller, posted, { order, ceiling: toUsd(call.ceiling, call.decimals) })

/**
 * What to tell a payer whose quote no longer holds and whose authorization was claimed long ago: a retry that comes too
 * late must not be answered with a new price. Undefined for an authorization that is new here.
 */
export const usedBefore = async (deps: Deps, payment: Payment, digest: Hex): Promise<Refusal | undefined> => {
  if ('channel' in payment) return undefined
  for (const asset of assetsOf(deps, payment)) {
    const claim = claimKey(asset, payment.authorization)
    const call = await deps.ledger.callByClaim(claim)
    // Found on the chain and not by a call of this ledger, such as one that a lost ledger served.
    if (!call && (await deps.ledger.claimant(claim)) !== undefined) return fail('payment_already_used')
    // Only the signature itself shows that it is the same payment: payer and nonce are public once it has settled.
    if (call?.signature === payment.authorization.signature) return taken(call, digest)
  }
  return undefined
}

/** Tokens that a payment may be in. Also one that is no longer taken: what it paid for before must not be priced anew. */
const assetsOf = (
  deps: Deps,
  payment: Exclude<Payment, PaymentChannel>,
): readonly { chain: string; address: Hex }[] =>
  payment.version === 1
    ? deps.offers.tills.map((one) => one.asset)
    : [{ chain: payment.accepted.network, address: payment.accepted.asset.toLowerCase() as Hex }]

/** Ends a claim that was never dispatched; returns what to tell the caller. */
export const reject = async (deps: Deps, call: Call, error: unknown): Promise<unknown> => {
  const why = error instanceof Refusal ? error.code : 'internal'
  await surely(deps, () => deps.ledger.post({ type: 'reject', id: call.id, why }))
  return error
}

const post = (deps: Deps, call: Call): Promise<Posted> => {
  const { perPayer, total } = deps.exposure
  return orTakeBack(deps, call.id, () =>
    deps.ledger.post({ type: 'claim', call, limits: { perPayer, total } }),
  )
}

const newCall = async (deps: Deps, agreed: Agreed, facts: HoldFacts): Promise<Call> => {
  const { terms, till, authorization } = agreed
  const signed = authorization.value
  const first = signed > 0n && (await settlesFirst(deps, agreed))
  return {
    is: 'call',
    id: newCallId(),
    kind: authorization.kind,
    claim: claimKey(till.asset, authorization),
    chain: till.asset.chain,
    token: till.asset.address,
    decimals: till.asset.decimals,
    payer: authorization.from,
    payTo: till.payTo,
    validAfter: authorization.validAfter,
    validBefore: authorization.validBefore,
    nonce: authorization.nonce,
    signature: authorization.signature,
    signed,
    ...(facts.sponsored && { sponsored: facts.sponsored }),
    ...(facts.name !== undefined && { name: nameKey(authorization.from, facts.name) }),
    credit: terms.credit,
    ceiling: terms.ceiling,
    quoteId: terms.id,
    requestDigest: facts.order.digest,
    asked: terms.asked,
    why: terms.why,
    stream: facts.order.stream,
    ...facts.granted(),
    ...(deps.instance !== undefined && { by: deps.instance }),
    settleFirst: first,
    at: deps.clock.now(),
    exposed: first ? NO_MONEY : toUsd(signed, till.asset.decimals),
    pending: 0n,
    service: { at: 'claimed' },
    settlement: { at: 'none' },
  }
}

/** Whether its money must move before anything is served. An `upto` cannot, so it is refused then. */
const settlesFirst = async (deps: Deps, agreed: Agreed): Promise<boolean> => {
  const { till, authorization } = agreed
  const value = toUsd(authorization.value, till.asset.decimals)
  const left = Number(authorization.validBefore) - deps.clock.now() / 1000
  const { perCall, newPayer } = deps.exposure
  const isNew = async () => (await deps.ledger.counter(COUNTER.settled(authorization.from))) === 0n
  const first =
    value > perCall ||
    left < LEAST_LEFT_TO_TRUST ||
    (value > newPayer && (await isNew())) ||
    (await deps.isContract(agreed))
  if (first && authorization.kind === 'upto') throw fail('exposure_reached')
  return first
}

const refusalOf = (posted: Extract<Posted, { ok: false }>, fresh: Call): Refusal => {
  if (posted.why === 'claimed') {
    if (posted.call.is !== 'call') return fail('payment_already_used')
    const named = posted.call.claim === fresh.claim ? undefined : nameTaken(posted.call, fresh)
    return named ?? taken(posted.call, fresh.requestDigest)
  }
  if (posted.why === 'approval') return fail('approval_invalid', { problem: 'a call has used it' })
  if (posted.why === 'limit') return fail('exposure_reached')
  return posted.why === 'short' ? fail('credit_spent') : fail('internal')
}

// Only a claim that was never dispatched may be answered with a new quote; any other must not make the payer sign again by itself.
/** What to tell who shows what has paid for a call before. */
export const taken = (call: Call, digest: Hex): Refusal => {
  // The id opens the receipt, and a settled signature is public: it is told to who knows the request.
  const id = call.requestDigest === digest ? call.id : undefined
  if (isServing(call)) return fail('payment_in_flight', { id })
  if (call.service.at === 'rejected' && call.settlement.at === 'none') {
    return fail('payment_rejected_before', { why: call.service.why })
  }
  const released = call.service.at === 'released' && call.settlement.at === 'none'
  return fail(released ? 'payment_released' : 'payment_already_used', { id })
}
