import type { Inclusion, TokenEvent } from '../chain/chain.ts'
import { type Proof, toMove } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { BATCH_SETTLEMENT } from '../wire/contracts.ts'

/**
 * What a transaction in a block proves about an item. `moved`: units, when they may differ from what was ordered.
 * `unsure`: it moved as much for fewer items than it was to settle, and which of them cannot be told from its logs.
 */
export type Verdict = { paid: true; proof: Proof; moved?: bigint } | { paid: false } | 'unsure'

export type JudgeFacts = {
  inclusion: Inclusion
  /** What we spent on it for this item, in wei; 0 when somebody else sent it. */
  gas: bigint
  /** Everything that the transaction was to settle, in its order; the item alone when it is not ours. */
  company: readonly Payable[]
  /** Items of the company whose Permit2 nonce is known to be unused: nothing moved for them. Known at the second look. */
  unused?: ReadonlySet<string>
  /** Indexes of its logs that prove other items already. */
  taken?: ReadonlySet<number>
}

/**
 * Judges an inclusion: paid means the right Transfer from the token, to the unit, in one successful transaction, and for
 * EIP-3009 AuthorizationUsed right before it. The receipt's status alone proves nothing.
 */
export const judge = (item: Payable, facts: JudgeFacts): Verdict => {
  const { inclusion, gas } = facts
  if (!inclusion.ok) return { paid: false }
  const task = item.is === 'errand' ? item.task.kind : undefined
  if (task === 'claim') return claimed(item, inclusion, gas)
  if (task === 'deposit' || task === 'refund') return moneyOfChannel(item, inclusion, gas)
  return nonceOf(item)?.kind === 'eip3009' ? byUse(item, inclusion, gas) : byTransfer(item, facts)
}

type Move = { payer: string; payTo: string; amount: bigint }

/** What has to move for an item. */
export const expected = (item: Payable): Move =>
  item.is === 'call'
    ? { payer: item.payer, payTo: item.payTo, amount: toMove(item) }
    : { payer: item.from, payTo: item.to, amount: item.amount }

/** The authorization that an item uses up; undefined when it uses none. */
export const nonceOf = (
  item: Payable,
): { kind: 'eip3009' | 'permit2' | 'upto'; nonce: `0x${string}` } | undefined => {
  if (item.is === 'call') return item.kind === 'voucher' ? undefined : { kind: item.kind, nonce: item.nonce }
  if (item.task.kind === 'relay') return item.task.authorization
  if (item.task.kind !== 'deposit' || item.task.by.kind === 'seen') return undefined
  return { kind: item.task.by.kind, nonce: item.task.by.nonce }
}

const byUse = (item: Payable, inclusion: Inclusion, gas: bigint): Verdict => {
  const nonce = nonceOf(item)?.nonce
  const used = inclusion.logs.findIndex(
    (log) =>
      log.kind === 'used' && log.token === item.token && log.payer === item.payer && log.nonce === nonce,
  )
  // The token logs the use and then its transfer: in a batch, another payment of the same sum must not prove this one.
  const log = used === -1 ? undefined : inclusion.logs[used + 1]
  return log && isMove(log, item) ? paid(inclusion, log.logIndex, gas) : { paid: false }
}

/**
 * Permit2 logs nothing: among items that move the same, any of their transfers proves any of them, each one once. Where
 * even the unused nonces do not say which of them it was, the first ones have it: their payer is the same.
 */
const byTransfer = (item: Payable, { inclusion, gas, company, unused, taken }: JudgeFacts): Verdict => {
  if (unused?.has(item.id)) return { paid: false }
  const alike = company.filter(
    (one) => one.id === item.id || (!unused?.has(one.id) && !isDone(one) && isAlike(one, item)),
  )
  const uses = new Set(inclusion.logs.flatMap((log, i) => (log.kind === 'used' ? [i + 1] : [])))
  const free = inclusion.logs.filter(
    (log, i) => isMove(log, item) && !uses.has(i) && !taken?.has(log.logIndex),
  )
  if (free.length === 0) return { paid: false }
  if (free.length < alike.length && !unused) return 'unsure'
  const mine = free[alike.findIndex((one) => one.id === item.id)]
  return mine ? paid(inclusion, mine.logIndex, gas) : { paid: false }
}

/** It needs no proof any more. */
const isDone = ({ settlement }: Payable): boolean => settlement.at === 'lost' || 'proof' in settlement

const isAlike = (a: Payable, b: Payable): boolean => {
  const [x, y] = [expected(a), expected(b)]
  const kinds = nonceOf(a)?.kind !== 'eip3009' && nonceOf(b)?.kind !== 'eip3009'
  return kinds && a.token === b.token && x.payer === y.payer && x.payTo === y.payTo && x.amount === y.amount
}

/** A claim is part of one whole transaction; what it swept to the receiver may be less when somebody swept before. */
const claimed = (item: Payable, inclusion: Inclusion, gas: bigint): Verdict => {
  const { payTo } = expected(item)
  const swept = inclusion.logs.find(
    (log) =>
      log.kind === 'transfer' &&
      log.token === item.token &&
      log.from === BATCH_SETTLEMENT &&
      log.to === payTo,
  )
  const proof = proofOf(inclusion, swept?.logIndex ?? -1, gas)
  return { paid: true, proof, moved: swept?.kind === 'transfer' ? swept.amount : 0n }
}

const moneyOfChannel = (item: Payable, inclusion: Inclusion, gas: bigint): Verdict => {
  const { payTo, amount } = expected(item)
  const log = inclusion.logs.find(
    (one) => one.kind === 'transfer' && one.token === item.token && one.to === payTo && one.amount === amount,
  )
  return log ? paid(inclusion, log.logIndex, gas) : { paid: false }
}

const isMove = (log: TokenEvent, item: Payable): boolean => {
  const { payer, payTo, amount } = expected(item)
  if (log.kind !== 'transfer' || log.token !== item.token) return false
  return log.from === payer && log.to === payTo && log.amount === amount
}

const paid = (inclusion: Inclusion, logIndex: number, gas: bigint): Verdict => ({
  paid: true,
  proof: proofOf(inclusion, logIndex, gas),
})

/** `gas`: what of its cost is booked with this proof, in wei. */
export const proofOf = ({ hash, block, blockHash }: Inclusion, logIndex: number, gas: bigint): Proof => ({
  hash,
  block,
  blockHash,
  logIndex,
  gas,
})
