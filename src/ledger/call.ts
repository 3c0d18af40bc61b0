import type { ChainId, Hex } from '../assets.ts'
import { minOf, type Usd } from '../money.ts'

/**
 * What pays: `eip3009` and `permit2` move all that was signed; `upto` moves what was charged; `voucher` moves nothing
 * by itself, its channel is claimed later.
 */
export type PaymentKind = 'eip3009' | 'permit2' | 'upto' | 'voucher'

/** A token allowance for Permit2 that came with the payment: a signed permit, or a signed transaction of the payer. */
export type Sponsored =
  | { by: 'eip2612'; permitted: bigint; deadline: bigint; signature: Hex }
  | { by: 'approval'; raw: Hex }

/** One paid call: facts fixed at the claim, and two states that move on their own: the service and the settlement. */
export type Call = {
  is: 'call'
  id: string
  kind: PaymentKind
  /** (chain, token or Permit2, payer, nonce) of the authorization, or (channel, turn): the thing that may be used once. */
  claim: string
  /** A payment that must not be taken twice though its claim is another, such as a voucher: another call with the same one is refused while this one stands. */
  key?: string
  /** Hash of the payer and its own name for this call: the same. */
  name?: string
  chain: ChainId
  token: Hex
  decimals: number
  payer: Hex
  payTo: Hex
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
  signature: Hex
  /** Units that the payer signed for: what moves on the chain, or the most that may. */
  signed: bigint
  /** The channel that a voucher draws on (its ledger id), and the cumulative amount signed for. */
  channel?: string
  cumulative?: bigint
  sponsored?: Sponsored
  /** Units of earlier credit that the quote used. */
  credit: bigint
  /** The most that may be charged: signed + credit, or the sealed ceiling when that is less. */
  ceiling: bigint
  quoteId: string
  requestDigest: Hex
  asked: string
  /** Why it was routed as it was, in a few words that hold nothing of the prompt. */
  why?: string
  stream: boolean
  /** The instance that serves it; left out by those that have a store to themselves. */
  by?: string
  /** The payment settles before anything is sent to a provider. */
  settleFirst: boolean
  /** When it was claimed, ms. */
  at: number
  /** The node ids of who called, the organisation first, its key last. */
  account?: readonly string[]
  tags?: Readonly<Record<string, string>>
  /** The budgets that it draws on, in the order in which they refuse it. */
  budgets?: readonly Drawn[]
  /** The approval it was let through by: one call only may stand on it. */
  approval?: string
  /** Unpaid service that we risk for this call right now. */
  exposed: Usd
  /** Unused units that become credit when the settlement is proven. */
  pending: bigint
  service: Service
  settlement: Settlement
}

/**
 * A budget that a call draws on: the worst case from the claim on, what was charged from the end on. `counter` is that of
 * its window; `limit` only when it refuses; `beside` are counters that are read and count towards the same limit.
 */
export type Drawn = { counter: string; limit?: Usd; beside?: readonly string[] }

export type Service =
  | { at: 'claimed' }
  | { at: 'dispatched' }
  | { at: 'streaming'; model: string; provider: string }
  | { at: 'served'; bill: Bill }
  | { at: 'partial'; bill: Bill }
  /** Dispatched and failed: nothing is charged. */
  | { at: 'released'; why: string }
  /** Never dispatched: nothing is charged. */
  | { at: 'rejected'; why: string }

export type Settlement =
  | { at: 'none' }
  /** Money is to be moved, and no transaction is made for it yet. */
  | { at: 'due' }
  /** A signed transaction is stored; it is being sent until it is in a block. */
  | { at: 'settling'; hash: Hex }
  | { at: 'included'; proof: Proof }
  | { at: 'settled'; proof: Proof }
  /** It can never settle: served unpaid, or nothing served at all. */
  | { at: 'lost'; why: string }

/** Where the transfer of a payment stands in the chain; `gas` is what our transaction cost, in wei (0 when somebody else sent it). */
export type Proof = { hash: Hex; block: bigint; blockHash: Hex; logIndex: number; gas: bigint }

/** A signed settlement transaction as stored before it is sent, and the ids of what it settles. Fees in wei per gas. */
export type Tx = {
  hash: Hex
  chain: ChainId
  settler: Hex
  nonce: number
  raw: Hex
  maxFee: bigint
  tip: bigint
  items: readonly string[]
  at: number
}

/** `cached` and `written` are those of `input` that were read from the provider's prompt cache and written to it. */
export type Usage = {
  input: number
  cached: number
  written?: number
  output: number
  source: 'reported' | 'delivered'
}

export type Bill = {
  /** Units charged, at most the ceiling. */
  charged: bigint
  /** Units of it that were given back as credit later, because the answer never arrived. */
  refunded?: bigint
  usage: Usage
  model: string
  provider: string
  responseDigest: Hex
  at: number
  /** Micro-dollars that it cost us, and that would have been charged at the flagship. */
  cost?: Usd
  flagship?: Usd
  /** ms from the claim to the first byte, and to the end. */
  firstMs?: number
  ms?: number
}

export const isServing = (call: Call): boolean =>
  call.service.at === 'claimed' || call.service.at === 'dispatched' || call.service.at === 'streaming'

/** Money is being moved for it, or is to be, and the outcome is not proven yet. */
export const isSettling = ({ settlement }: { settlement: Settlement }): boolean =>
  settlement.at === 'due' || settlement.at === 'settling' || settlement.at === 'included'

/** Nothing is left to do for this call, unless the chain takes back a block. */
export const isAtRest = (call: Call): boolean => !isServing(call) && !isSettling(call)

export const billOf = (call: Call): Bill | undefined =>
  call.service.at === 'served' || call.service.at === 'partial' ? call.service.bill : undefined

/** All that was signed moves, so it may move before it is known what will be charged. */
export const movesWhole = ({ kind }: Pick<Call, 'kind'>): boolean => kind === 'eip3009' || kind === 'permit2'

/** The part of a charge that the signed amount pays; credit pays the rest. What must move anyway is used first. */
export const fromSigned = (call: Pick<Call, 'kind' | 'signed' | 'credit'>, charged: bigint): bigint => {
  if (movesWhole(call)) return minOf(charged, call.signed)
  return minOf(charged > call.credit ? charged - call.credit : 0n, call.signed)
}

/** Units that move on the chain for this call, as far as it is known: all that was signed, or what was charged of it. */
export const toMove = (call: Call): bigint => {
  if (call.kind === 'voucher') return 0n
  if (call.kind !== 'upto' || isServing(call)) return call.signed
  return fromSigned(call, billOf(call)?.charged ?? 0n)
}

/** Units of this call that become the payer's credit when it settles: what moves and was not charged, or given back. */
export const creditedBy = (call: Call): bigint => {
  if (isServing(call)) return 0n
  const bill = billOf(call)
  const moved = toMove(call)
  // A charge is given back as a whole; what credit had paid of it is credit again at once.
  return bill?.refunded === undefined ? moved - minOf(fromSigned(call, bill?.charged ?? 0n), moved) : moved
}

/** One word for people and for `/v1/calls/:id`. */
export const stateOf = (call: Call): string => {
  if (isServing(call) || call.service.at === 'rejected') return call.service.at
  if (call.settlement.at === 'none') return call.service.at
  return call.settlement.at
}
