import { toUsd } from '../assets.ts'
import { minOf, NO_MONEY, type Usd } from '../money.ts'
import { book, bookOf } from './accounts.ts'
import { billOf, type Call, fromSigned, isServing } from './call.ts'
import type { Channel } from './channel.ts'
import type { Change, Limits, Read, Refused } from './moves.ts'
import { ACCOUNT, COUNTER } from './names.ts'
import { type Bump, bound, bump } from './postings.ts'

/** Takes the authorization, and holds budgets, exposure, credit and the channel for the call. */
export const claim = (call: Call, limits: Limits, read: Read): Change | Refused => {
  const asset = bookOf(call)
  const exposed = call.exposed
  const bumps: Bump[] = [{ name: COUNTER.settled(call.payer), by: 0n }]
  if (call.kind !== 'voucher') bumps.unshift({ name: COUNTER.signed(asset, call.payer), by: call.signed })
  bumps.push(...held(call))
  if (exposed > 0n) {
    // A payer with an unpaid call gets no service on trust.
    bumps.push({ name: COUNTER.unpaid(call.payer), by: 0n, limit: 0n })
    bumps.push({ name: COUNTER.payerExposure(call.payer), by: exposed, ...bound(limits.perPayer) })
    bumps.push({ name: COUNTER.exposure, by: exposed, ...bound(limits.total) })
  }
  const credit = ACCOUNT.credit(call.payer)
  const postings = book(call, [[credit, ACCOUNT.held(call.payer), call.credit]])
  const guard = call.credit > 0n ? { guard: credit } : {}
  if (call.kind !== 'voucher') return { put: [call], bumps, postings, ...guard }
  const channel = drawn(call, read(call.channel ?? ''))
  return 'refused' in channel ? channel : { put: [call, channel], bumps, postings, ...guard }
}

/** The channel with this call on it, if the voucher signs for exactly what it must and nobody else is on it. */
const drawn = (call: Call, channel: ReturnType<Read>): Channel | Refused => {
  if (channel?.is !== 'channel') return { refused: 'channel', channel: undefined }
  const fits =
    channel.busy === undefined &&
    call.claim === turnOf(channel) &&
    call.cumulative === channel.charged + call.signed &&
    call.cumulative <= channel.balance
  return fits ? { ...channel, busy: call.id, turns: channel.turns + 1 } : { refused: 'channel', channel }
}

/** What a call on a channel claims: its next turn. */
export const turnOf = (channel: Pick<Channel, 'id' | 'turns'>): string => `${channel.id}#${channel.turns}`

/**
 * Ends the service. `charged` comes from the signed amount or from credit, what of it moves on the chain anyway first;
 * what is left returns to the payer. What no payment stands behind cannot be charged: the stored bill says what is booked.
 */
export const close = (
  before: Call,
  service: Call['service'],
  wanted: bigint,
  read: Read,
): Change | undefined => {
  const { payer } = before
  const ended = endedBy(before, service, wanted)
  const charged = billOf(ended)?.charged ?? 0n
  const { settlement } = ended
  const lost = settlement.at === 'lost'
  const comes = settlement.at !== 'none' && !lost
  const proven = settlement.at === 'settled'
  const signed = comes || lost || before.kind === 'voucher' ? fromSigned(before, charged) : 0n
  const fromCredit = charged - signed
  const moves = before.kind === 'upto' ? signed : comes ? before.signed : 0n
  const unused = comes ? moves - signed : 0n
  const exposed = comes && !proven ? minOf(before.exposed, toUsd(signed, before.decimals)) : NO_MONEY
  const call: Call = { ...ended, exposed, pending: proven ? 0n : unused }
  const from = before.kind === 'voucher' ? ACCOUNT.channel(channelOf(before)) : ACCOUNT.due(payer)
  const unsigned = before.kind === 'voucher' ? 0n : comes ? before.signed - moves : lost ? 0n : before.signed
  const channel = left(call, signed, read)
  return {
    put: channel ? [call, channel] : [call],
    postings: book(call, [
      [lost ? ACCOUNT.loss : from, ACCOUNT.revenue, signed],
      [ACCOUNT.due(payer), proven ? ACCOUNT.credit(payer) : ACCOUNT.pending(payer), unused],
      [ACCOUNT.held(payer), ACCOUNT.revenue, fromCredit],
      [ACCOUNT.held(payer), ACCOUNT.credit(payer), before.credit - fromCredit],
    ]),
    bumps: [
      ...bump(COUNTER.payerExposure(payer), exposed - before.exposed),
      ...bump(COUNTER.exposure, exposed - before.exposed),
      ...bump(COUNTER.signed(bookOf(call), payer), -unsigned),
      ...bump(COUNTER.unpaid(payer), lost ? toUsd(signed, before.decimals) : 0n),
      ...trued(before, toUsd(charged, before.decimals) - worst(before)),
    ],
  }
}

const endedBy = (call: Call, service: Call['service'], wanted: bigint): Call => {
  if (!('bill' in service)) return { ...call, service }
  const backed = call.settlement.at !== 'none' || call.kind === 'voucher'
  const charged = minOf(wanted, backed ? call.ceiling : minOf(call.credit, call.ceiling))
  const next: Call = { ...call, service: { ...service, bill: { ...service.bill, charged } } }
  // Nothing of an `upto` was used: nothing is to be moved, and the claim has burnt its signature.
  const nothing = call.kind === 'upto' && call.settlement.at === 'due' && fromSigned(call, charged) === 0n
  return nothing ? { ...next, settlement: { at: 'none' } } : next
}

/** The channel without the call that was on it, charged for what it used. */
const left = (call: Call, charged: bigint, read: Read): Channel | undefined => {
  if (call.kind !== 'voucher') return undefined
  const channel = read(call.channel ?? '')
  if (channel?.is !== 'channel' || channel.busy !== call.id) return undefined
  const voucher = charged > 0n ? { max: call.cumulative ?? 0n, signature: call.signature } : channel.voucher
  const at = billOf(call)?.at ?? channel.at
  return { ...channel, busy: undefined, last: call.id, charged: channel.charged + charged, voucher, at }
}

const channelOf = (call: Call): string => (call.channel ?? '').slice((call.channel ?? '').indexOf('0x'))

/** Gives the whole charge back as credit, once, what is not proven yet when it is; undefined when there is nothing to give back, or it was never paid. */
export const refund = (call: Call): Change | undefined => {
  const bill = billOf(call)
  if (isServing(call) || !bill || bill.charged === 0n || bill.refunded !== undefined) return undefined
  if (call.settlement.at === 'lost') return undefined
  const back = bill.charged
  const waits = call.settlement.at !== 'none' && call.settlement.at !== 'settled'
  const unproven = waits ? fromSigned(call, back) : 0n
  const { payer } = call
  const service = { ...call.service, bill: { ...bill, refunded: back } } as Call['service']
  const exposed = waits ? NO_MONEY : call.exposed
  return {
    put: [{ ...call, service, exposed, pending: call.pending + unproven }],
    postings: book(call, [
      [ACCOUNT.revenue, ACCOUNT.pending(payer), unproven],
      [ACCOUNT.revenue, ACCOUNT.credit(payer), back - unproven],
    ]),
    bumps: [
      ...bump(COUNTER.payerExposure(payer), exposed - call.exposed),
      ...bump(COUNTER.exposure, exposed - call.exposed),
      ...trued(call, -toUsd(back, call.decimals)),
    ],
  }
}

/** The most that a call may take of a budget, micro-dollars: rounded as every charge is, so that it never ends above. */
const worst = ({ ceiling, decimals }: Call): Usd => toUsd(ceiling, decimals)

/** Its worst case in every budget that it draws on; the first that has no room for it refuses it. */
const held = (call: Call): Bump[] =>
  (call.budgets ?? []).map(({ counter, limit, beside }) => ({
    name: counter,
    by: worst(call),
    ...bound(limit),
    ...(beside && { beside }),
  }))

/** What becomes of that later; it only goes down, so no limit stands in its way. */
const trued = ({ budgets = [] }: Call, by: bigint): Bump[] =>
  budgets.map(({ counter, beside }) => ({ name: counter, by, ...(beside && { beside }) }))
