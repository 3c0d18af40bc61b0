import { toUsd } from '../assets.ts'
import { minOf } from '../money.ts'
import { bookOf } from './accounts.ts'
import { billOf, type Call, fromSigned, isServing, isSettling, toMove } from './call.ts'
import type { Errand } from './errand.ts'
import { hexOf, SEEN } from './errand-moves.ts'
import type { Subject } from './moves.ts'
import { ACCOUNT, COUNTER } from './names.ts'

/** What one subject holds in the books: its balances by account of its book, and its counters. */
export type Weight = { balances: readonly Amount[]; counters: readonly Amount[] }
export type Amount = readonly [name: string, by: bigint]

/**
 * The books told from what calls and errands are, not from how they came to be: every balance and counter is the sum
 * over all of them. It says a second time, in another way, what the moves post step by step, so that either finds the
 * other wrong. A channel holds nothing: its money is that of its errands and calls.
 */
export const weigh = (subject: Subject): Weight => {
  if (subject.is === 'channel') return { balances: [], counters: [] }
  if (subject.is === 'errand') return { balances: errandRows(subject), counters: [] }
  return { balances: isServing(subject) ? serving(subject) : ended(subject), counters: counted(subject) }
}

const serving = ({ payer, credit, signed, settlement }: Call): Amount[] => {
  const paid = settlement.at === 'settled' ? signed : 0n
  return [
    [ACCOUNT.credit(payer), -credit],
    [ACCOUNT.held(payer), credit],
    [ACCOUNT.due(payer), paid],
    [ACCOUNT.chain, -paid],
  ]
}

const ended = (call: Call): Amount[] => {
  const { payer } = call
  const { charged, refunded = 0n } = billOf(call) ?? { charged: 0n }
  const signed = charge(call)
  const back = givenBack(call)
  const moved = toMove(call)
  const used: Amount[] = [
    [ACCOUNT.revenue, charged - refunded],
    [ACCOUNT.credit(payer), signed - charged + refunded - back],
  ]
  if (call.kind === 'voucher')
    return [...used, [ACCOUNT.channel(hexOf(call.channel ?? '')), -signed], [ACCOUNT.credit(payer), back]]
  switch (call.settlement.at) {
    case 'none':
      return used
    case 'lost':
      return [...used, [ACCOUNT.loss, back - signed]]
    case 'settled':
      return [...used, [ACCOUNT.chain, -moved], [ACCOUNT.credit(payer), moved - signed + back]]
    default:
      return [...used, [ACCOUNT.due(payer), -moved], [ACCOUNT.pending(payer), moved - signed + back]]
  }
}

const counted = (call: Call): Amount[] => {
  const { payer, exposed, settlement } = call
  const open = isSettling(call) || (settlement.at === 'none' && isServing(call))
  const lost = settlement.at === 'lost' && !isServing(call)
  const unpaid = charge(call) - givenBack(call)
  return [
    [COUNTER.exposure, exposed],
    [COUNTER.payerExposure(payer), exposed],
    [COUNTER.signed(bookOf(call), payer), open ? toMove(call) : 0n],
    [COUNTER.settled(payer), settlement.at === 'settled' ? 1n : 0n],
    [COUNTER.unpaid(payer), lost ? toUsd(unpaid, call.decimals) : 0n],
    ...(call.budgets ?? []).map(({ counter }): Amount => [counter, spent(call)]),
  ]
}

/** What a call takes of each budget that it draws on: all that it may cost, until it is known what it cost. */
const spent = (call: Call): bigint => {
  if (isServing(call)) return toUsd(call.ceiling, call.decimals)
  const bill = billOf(call)
  return bill === undefined || bill.refunded !== undefined ? 0n : toUsd(bill.charged, call.decimals)
}

/** The part of the charge that the signed amount pays for; the rest came from credit. */
const charge = (call: Call): bigint =>
  call.settlement.at === 'none' && call.kind !== 'voucher'
    ? 0n
    : fromSigned(call, billOf(call)?.charged ?? 0n)

/** What was given back of the part that the signed amount pays for. */
const givenBack = (call: Call): bigint => minOf(charge(call), billOf(call)?.refunded ?? 0n)

const errandRows = ({ task, payer, amount, settlement }: Errand): Amount[] => {
  const done = settlement.at === 'settled'
  if (task.kind === 'payout') {
    if (settlement.at === 'lost') return []
    return [
      [ACCOUNT.credit(payer), -amount],
      [done ? ACCOUNT.float : ACCOUNT.payout(payer), amount],
    ]
  }
  if (!done) return []
  switch (task.kind) {
    case 'deposit':
      return between(ACCOUNT.escrow, ACCOUNT.channel(hexOf(task.channel)), amount)
    case 'refund':
    case 'withdrawal':
      return between(ACCOUNT.channel(hexOf(task.channel)), ACCOUNT.escrow, amount)
    case 'claim':
      return [
        ...between(ACCOUNT.chain, ACCOUNT.escrow, amount),
        ...task.claims.flatMap(({ channel, over = 0n }) =>
          between(ACCOUNT.channel(hexOf(channel)), ACCOUNT.suspense, over),
        ),
      ]
    case 'observed':
      return between(SEEN[task.what][0], SEEN[task.what][1], amount)
    case 'relay':
    case 'sponsor':
      return []
  }
}

const between = (debit: string, credit: string, amount: bigint): Amount[] => [
  [debit, -amount],
  [credit, amount],
]
