import { assetKey, type Hex, toUsd } from '../assets.ts'
import { minOf, NO_MONEY, type Usd } from '../money.ts'
import type { Bill, Call, Proof, Tx } from './call.ts'
import { creditedBy, isServing, isSettling } from './call.ts'
import type { Posting } from './ledger.ts'
import { type Bump, bound, bump, transfers } from './postings.ts'

/** Everything that can happen to a call. */
export type Move =
  | { type: 'claim'; call: Call; limits: Limits }
  | { type: 'reject'; id: string; why: string }
  | { type: 'dispatch'; id: string }
  | { type: 'stream'; id: string; model: string; provider: string; tx?: Tx }
  | { type: 'bill'; id: string; bill: Bill; partial: boolean; tx?: Tx }
  | { type: 'release'; id: string; why: string }
  /** Stores a settlement transaction: the first one, or a dearer replacement at the same nonce. */
  | { type: 'settle'; id: string; tx: Tx }
  | { type: 'include'; id: string; proof: Proof }
  /** The proof reached the confirmation depth: the money is ours. */
  | { type: 'settled'; id: string; proof: Proof }
  /** The block of the proof is no longer canonical. */
  | { type: 'reorg'; id: string }
  | { type: 'lose'; id: string; why: string; gas: bigint }

/** Upper bounds at the claim; undefined is no bound. In micro-dollars. */
export type Limits = { perPayer?: Usd; total?: Usd }

/** What a move does, all or nothing. `guard` names accounts that must not fall below zero. */
export type Change = { call: Call; tx?: Tx; postings: Posting[]; bumps: Bump[]; guard?: string }

/** Accounts of an asset's book, in its units. Liabilities and income are credit balances. */
export const ACCOUNT = {
  chain: 'chain:payTo',
  revenue: 'revenue',
  loss: 'loss:unpaid',
  gas: 'gas:expense',
  settlerGas: 'gas:settler',
  /** Signed by the payer and not yet proven on the chain. */
  due: (payer: Hex) => `due:${payer}`,
  /** The payer's money for its next calls. */
  credit: (payer: Hex) => `credit:${payer}`,
  /** Credit that open calls hold. */
  held: (payer: Hex) => `held:${payer}`,
  /** Credit that becomes real when its payment is proven. */
  pending: (payer: Hex) => `pending:${payer}`,
} as const

export const COUNTER = {
  exposure: 'exposure',
  payerExposure: (payer: Hex) => `exposure:${payer}`,
  /** Micro-dollars served and never paid; above zero the payer settles first. */
  unpaid: (payer: Hex) => `unpaid:${payer}`,
  /** Payments of this payer that settled. */
  settled: (payer: Hex) => `settled:${payer}`,
  /** Units signed and not yet moved, by asset and payer: what its balance must cover. */
  signed: (asset: string, payer: Hex) => `signed:${asset}:${payer}`,
} as const

/** Decides a move on a call; undefined when the call is past it (the same move again, or one that came too late). Pure. */
export const decide = (move: Move, call: Call | undefined): Change | undefined => {
  if (move.type === 'claim') return call ? undefined : claim(move.call, move.limits)
  if (!call) return undefined
  switch (move.type) {
    case 'dispatch':
      return call.service.at === 'claimed' ? plain({ ...call, service: { at: 'dispatched' } }) : undefined
    case 'stream':
      return stream(call, move)
    case 'bill':
      return isServing(call) ? bill(call, move) : undefined
    case 'release':
      return isServing(call) ? release(call, { at: 'released', why: move.why }) : undefined
    case 'reject':
      return call.service.at === 'claimed' ? release(call, { at: 'rejected', why: move.why }) : undefined
    case 'settle':
      return settle(call, move.tx)
    case 'include':
      return call.settlement.at === 'settling'
        ? plain({ ...call, settlement: { at: 'included', proof: move.proof } })
        : undefined
    case 'settled':
      return settled(call, move.proof)
    case 'reorg':
      return reorg(call)
    case 'lose':
      return lose(call, move.why, move.gas)
  }
}

const plain = (call: Call): Change => ({ call, postings: [], bumps: [] })

const claim = (call: Call, limits: Limits): Change => {
  const asset = bookOf(call)
  const exposed = call.exposed
  const bumps: Bump[] = [
    { name: COUNTER.signed(asset, call.payer), by: call.signed },
    { name: COUNTER.settled(call.payer), by: 0n },
  ]
  if (exposed > 0n) {
    // A payer with an unpaid call gets no service on trust.
    bumps.push({ name: COUNTER.unpaid(call.payer), by: 0n, limit: 0n })
    bumps.push({ name: COUNTER.payerExposure(call.payer), by: exposed, ...bound(limits.perPayer) })
    bumps.push({ name: COUNTER.exposure, by: exposed, ...bound(limits.total) })
  }
  const credit = ACCOUNT.credit(call.payer)
  const postings = transfers(asset, [[credit, ACCOUNT.held(call.payer), call.credit]])
  return call.credit > 0n ? { call, bumps, postings, guard: credit } : { call, bumps, postings }
}

const stream = (call: Call, move: Extract<Move, { type: 'stream' }>): Change | undefined => {
  if (call.service.at !== 'claimed' && call.service.at !== 'dispatched') return undefined
  const next: Call = { ...call, service: { at: 'streaming', model: move.model, provider: move.provider } }
  return withIntent(plain(next), move.tx)
}

const bill = (before: Call, move: Extract<Move, { type: 'bill' }>): Change => {
  const { call, tx } = withIntent(plain(before), move.tx)
  // What no payment stands behind cannot be charged. The stored bill says what is booked, whatever was asked.
  const most = call.settlement.at === 'none' ? minOf(call.credit, call.ceiling) : call.ceiling
  const charged = minOf(move.bill.charged, most)
  return close(
    call,
    { at: move.partial ? 'partial' : 'served', bill: { ...move.bill, charged } },
    charged,
    tx,
  )
}

const release = (call: Call, service: Extract<Call['service'], { why: string }>): Change =>
  close(call, service, 0n, undefined)

/** Ends the service: `charged` comes from the signed amount first, then from credit; what is left returns to the payer. */
const close = (call: Call, service: Call['service'], charged: bigint, tx: Tx | undefined): Change => {
  const { payer } = call
  const lost = call.settlement.at === 'lost'
  const comes = call.settlement.at !== 'none' && !lost
  const fromSigned = minOf(charged, comes || lost ? call.signed : 0n)
  const fromCredit = charged - fromSigned
  const unused = comes ? call.signed - fromSigned : 0n
  const proven = call.settlement.at === 'settled'
  const exposed = comes && !proven ? minOf(call.exposed, toUsd(fromSigned, call.decimals)) : NO_MONEY
  const next = { ...call, service, exposed, pending: proven ? 0n : unused }
  const unpaid = lost ? toUsd(fromSigned, call.decimals) : 0n
  return {
    call: next,
    ...(tx && { tx }),
    postings: transfers(bookOf(call), [
      [lost ? ACCOUNT.loss : ACCOUNT.due(payer), ACCOUNT.revenue, fromSigned],
      [ACCOUNT.due(payer), proven ? ACCOUNT.credit(payer) : ACCOUNT.pending(payer), unused],
      [ACCOUNT.held(payer), ACCOUNT.revenue, fromCredit],
      [ACCOUNT.held(payer), ACCOUNT.credit(payer), call.credit - fromCredit],
    ]),
    bumps: [
      ...exposure(call, exposed - call.exposed),
      ...(call.settlement.at === 'none' ? unsign(call) : []),
      ...bump(COUNTER.unpaid(payer), unpaid),
    ],
  }
}

const settle = (call: Call, tx: Tx): Change | undefined => {
  const { settlement } = call
  // A released authorization is never broadcast, and neither is one that a call on credit did not need.
  if (settlement.at === 'none' && !isServing(call)) return undefined
  if (settlement.at !== 'none' && settlement.at !== 'settling') return undefined
  if (settlement.at === 'settling' && settlement.hash === tx.hash) return undefined
  return withIntent(plain(call), tx)
}

const settled = (call: Call, proof: Proof): Change | undefined => {
  if (!isSettling(call)) return undefined
  return {
    call: { ...call, settlement: { at: 'settled', proof }, exposed: NO_MONEY, pending: 0n },
    postings: [
      ...transfers(bookOf(call), [
        [ACCOUNT.chain, ACCOUNT.due(call.payer), call.signed],
        [ACCOUNT.pending(call.payer), ACCOUNT.credit(call.payer), call.pending],
      ]),
      ...gasOf(call, proof.gas),
    ],
    bumps: [...exposure(call, -call.exposed), ...unsign(call), { name: COUNTER.settled(call.payer), by: 1n }],
  }
}

const reorg = (call: Call): Change | undefined => {
  if (call.settlement.at === 'included') {
    return plain({ ...call, settlement: { at: 'settling', hash: call.settlement.proof.hash } })
  }
  if (call.settlement.at !== 'settled') return undefined
  // What became credit when it settled must be pending again; the payer may have spent it, then its credit is negative.
  const pending = creditedBy(call)
  const exposed = toUsd(call.signed - pending, call.decimals)
  return {
    call: { ...call, settlement: { at: 'settling', hash: call.settlement.proof.hash }, pending, exposed },
    postings: [
      ...transfers(bookOf(call), [
        [ACCOUNT.due(call.payer), ACCOUNT.chain, call.signed],
        [ACCOUNT.credit(call.payer), ACCOUNT.pending(call.payer), pending],
      ]),
      // The gas came back with the block; it is spent again when the transaction lands again.
      ...transfers(nativeOf(call), [[ACCOUNT.settlerGas, ACCOUNT.gas, call.settlement.proof.gas]]),
    ],
    bumps: [
      ...exposure(call, exposed),
      { name: COUNTER.signed(bookOf(call), call.payer), by: call.signed },
      { name: COUNTER.settled(call.payer), by: -1n },
    ],
  }
}

const lose = (call: Call, why: string, gas: bigint): Change | undefined => {
  if (!isSettling(call)) return undefined
  const closed = !isServing(call)
  const unpaid = closed ? call.signed - call.pending : 0n
  return {
    call: { ...call, settlement: { at: 'lost', why }, exposed: NO_MONEY, pending: 0n },
    postings: [
      ...transfers(bookOf(call), [
        [ACCOUNT.pending(call.payer), ACCOUNT.due(call.payer), call.pending],
        [ACCOUNT.loss, ACCOUNT.due(call.payer), unpaid],
      ]),
      ...gasOf(call, gas),
    ],
    bumps: [
      ...exposure(call, -call.exposed),
      ...unsign(call),
      ...bump(COUNTER.unpaid(call.payer), toUsd(unpaid, call.decimals)),
    ],
  }
}

/** The book that a call's money is kept in. */
export const bookOf = (call: Call): string => assetKey({ chain: call.chain, address: call.token })

const withIntent = (change: Change, tx: Tx | undefined): Change =>
  tx && (change.call.settlement.at === 'none' || change.call.settlement.at === 'settling')
    ? { ...change, tx, call: { ...change.call, settlement: { at: 'settling', hash: tx.hash } } }
    : change

const gasOf = (call: Call, wei: bigint): Posting[] =>
  transfers(nativeOf(call), [[ACCOUNT.gas, ACCOUNT.settlerGas, wei]])

const nativeOf = (call: Call): string => `${call.chain}/native`

const unsign = (call: Call): Bump[] => bump(COUNTER.signed(bookOf(call), call.payer), -call.signed)

const exposure = (call: Call, by: bigint): Bump[] => [
  ...bump(COUNTER.payerExposure(call.payer), by),
  ...bump(COUNTER.exposure, by),
]
