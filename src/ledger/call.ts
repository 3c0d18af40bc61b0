import type { ChainId, Hex } from '../assets.ts'
import { minOf, type Usd } from '../money.ts'

/** One paid call: facts fixed at the claim, and two states that move on their own: the service and the settlement. */
export type Call = {
  id: string
  /** (chain, token, payer, nonce) of the authorization: the thing that may be used once. */
  claim: string
  chain: ChainId
  token: Hex
  decimals: number
  payer: Hex
  payTo: Hex
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
  signature: Hex
  /** Units that the payer signed for, and that move on the chain. */
  signed: bigint
  /** Units of earlier credit that the quote used. */
  credit: bigint
  /** The most that may be charged: signed + credit, or the sealed ceiling when that is less. */
  ceiling: bigint
  quoteId: string
  requestDigest: Hex
  asked: string
  stream: boolean
  /** The payment settles before anything is sent to a provider. */
  settleFirst: boolean
  /** When it was claimed, ms. */
  at: number
  /** Unpaid service that we risk for this call right now. */
  exposed: Usd
  /** Unused units that become credit when the settlement is proven. */
  pending: bigint
  service: Service
  settlement: Settlement
}

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
  /** A signed transaction is stored; it is being sent until it is in a block. */
  | { at: 'settling'; hash: Hex }
  | { at: 'included'; proof: Proof }
  | { at: 'settled'; proof: Proof }
  /** It can never settle: served unpaid, or nothing served at all. */
  | { at: 'lost'; why: string }

/** Where the transfer of a payment stands in the chain; `gas` is what our transaction cost, in wei (0 when somebody else sent it). */
export type Proof = { hash: Hex; block: bigint; blockHash: Hex; logIndex: number; gas: bigint }

/** A signed settlement transaction as stored before it is sent. Fees in wei per gas. */
export type Tx = {
  hash: Hex
  chain: ChainId
  settler: Hex
  nonce: number
  raw: Hex
  maxFee: bigint
  tip: bigint
  call: string
  at: number
}

export type Usage = { input: number; cached: number; output: number; source: 'reported' | 'delivered' }

export type Bill = {
  /** Units charged, at most the ceiling. */
  charged: bigint
  usage: Usage
  model: string
  provider: string
  responseDigest: Hex
  at: number
}

export const isServing = (call: Call): boolean =>
  call.service.at === 'claimed' || call.service.at === 'dispatched' || call.service.at === 'streaming'

/** A settlement transaction is stored and its outcome is not proven yet. */
export const isSettling = (call: Call): boolean =>
  call.settlement.at === 'settling' || call.settlement.at === 'included'

/** Nothing is left to do for this call, unless the chain takes back a block. */
export const isAtRest = (call: Call): boolean => !isServing(call) && !isSettling(call)

export const billOf = (call: Call): Bill | undefined =>
  call.service.at === 'served' || call.service.at === 'partial' ? call.service.bill : undefined

/** Units of this call that became the payer's credit when it settled: what was signed and not charged. */
export const creditedBy = (call: Call): bigint => {
  if (isServing(call)) return 0n
  return call.signed - minOf(billOf(call)?.charged ?? 0n, call.signed)
}

/** One word for people and for `/v1/calls/:id`. */
export const stateOf = (call: Call): string => {
  if (isServing(call) || call.service.at === 'rejected') return call.service.at
  if (call.settlement.at === 'none') return call.service.at
  return call.settlement.at
}
