import { toUsd } from '../assets.ts'
import { minOf } from '../money.ts'
import { billOf, type Call, isServing, isSettling } from './call.ts'
import { ACCOUNT, bookOf, COUNTER } from './moves.ts'

/** What one call holds in the books: its balances by account of its book, and its counters. */
export type Weight = { balances: readonly Amount[]; counters: readonly Amount[] }
export type Amount = readonly [name: string, by: bigint]

/**
 * The books told from what calls are, not from how they came to be: every balance and counter is the sum over all
 * calls. It says a second time, in another way, what moves.ts posts step by step, so that either finds the other wrong.
 */
export const weigh = (call: Call): Weight => ({
  balances: isServing(call) ? serving(call) : ended(call),
  counters: counted(call),
})

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
  const { payer, signed } = call
  const charged = billOf(call)?.charged ?? 0n
  const fromSigned = unpaidUntilSettled(call)
  const used: Amount[] = [
    [ACCOUNT.revenue, charged],
    [ACCOUNT.credit(payer), fromSigned - charged],
  ]
  switch (call.settlement.at) {
    case 'none':
      return used
    case 'lost':
      return [...used, [ACCOUNT.loss, -fromSigned]]
    case 'settled':
      return [...used, [ACCOUNT.chain, -signed], [ACCOUNT.credit(payer), signed - fromSigned]]
    default:
      return [...used, [ACCOUNT.due(payer), -signed], [ACCOUNT.pending(payer), signed - fromSigned]]
  }
}

const counted = (call: Call): Amount[] => {
  const { payer, signed, exposed, settlement } = call
  const open = isSettling(call) || (settlement.at === 'none' && isServing(call))
  const lost = settlement.at === 'lost' && !isServing(call)
  return [
    [COUNTER.exposure, exposed],
    [COUNTER.payerExposure(payer), exposed],
    [COUNTER.signed(bookOf(call), payer), open ? signed : 0n],
    [COUNTER.settled(payer), settlement.at === 'settled' ? 1n : 0n],
    [COUNTER.unpaid(payer), lost ? toUsd(unpaidUntilSettled(call), call.decimals) : 0n],
  ]
}

/** The part of the charge that the signed amount pays for; the rest came from credit. */
const unpaidUntilSettled = (call: Call): bigint =>
  call.settlement.at === 'none' ? 0n : minOf(billOf(call)?.charged ?? 0n, call.signed)
