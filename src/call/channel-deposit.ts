import type { Hex } from '../assets.ts'
import type { AgreedChannel } from '../channel/agree.ts'
import { fail } from '../errors.ts'
import type { Channel } from '../ledger/channel.ts'
import type { Errand } from '../ledger/errand.ts'
import { movedResponse } from '../payment/channel-answer.ts'
import { leastDeposit } from '../quote/offers.ts'
import { decodeHeaderJson, encodeHeaderJson } from '../wire/json.ts'
import { HEADER, type PaymentChannel } from '../wire/payment.ts'
import type { ChannelVisit } from './channel.ts'
import type { Deps } from './deps.ts'
import type { Reply } from './reply.ts'

/** A channel after a deposit, in transaction `hash`. */
export type Deposited = { channel: Channel; hash: Hex; amount: bigint }

/**
 * Puts the deposit of a payment into its channel and waits until the chain proves it. The same payment shown again finds
 * the deposit that it ordered and goes on from there. Refuses with `settlement_pending` when the chain is slow.
 */
export const deposit = async (
  deps: Deps,
  agreed: AgreedChannel,
  { channel: payment, sponsored }: PaymentChannel,
  channel: Channel | undefined,
  { signal, now }: ChannelVisit,
): Promise<Deposited> => {
  if (payment.kind !== 'voucher' || !payment.deposit) throw fail('internal', { why: 'no deposit' })
  const least = leastDeposit(deps.offers, agreed.till)
  const terms = { deposit: payment.deposit, sponsored, channel, least, now, at: deps.clock.now() }
  const wanted = await deps.deposits.errandOf(agreed, terms)
  const errand = (await orderedBefore(deps, wanted)) ?? (await order(deps, wanted))
  const patience = AbortSignal.any([signal, AbortSignal.timeout(deps.settleFirstMs)])
  const done = await deps.settler(errand.chain).outcome(errand.id, patience)
  if (done?.settlement.at === 'lost')
    throw fail('settlement_failed', { why: done.settlement.why, id: errand.id })
  if (done?.settlement.at !== 'settled') throw fail('settlement_pending', { id: errand.id })
  deps.probe('D3')
  return { channel: await proven(deps, agreed), hash: done.settlement.proof.hash, amount: errand.amount }
}

/** The errand that has this authorization already: of this very channel, because what was signed names it. */
const orderedBefore = async (deps: Deps, { claim, task }: Errand): Promise<Errand | undefined> => {
  const holder = claim === undefined ? undefined : await deps.ledger.claimant(claim)
  if (holder === undefined) return undefined
  const errand = await deps.ledger.errand(holder)
  const same =
    errand?.task.kind === 'deposit' && task.kind === 'deposit' && errand.task.channel === task.channel
  if (!same) throw fail('authorization_used')
  return errand
}

const order = async (deps: Deps, wanted: Errand): Promise<Errand> => {
  await deps.deposits.check(wanted)
  deps.probe('D1')
  const posted = await deps.settler(wanted.chain).order(wanted)
  deps.probe('D2')
  if (!posted.ok) throw fail('authorization_used')
  return posted.call
}

/** The channel, which must hold on the chain what the ledger says: a proof is of a transfer, and this is of its effect. */
const proven = async (deps: Deps, { id, till, payment }: AgreedChannel): Promise<Channel> => {
  const channel = await deps.ledger.channel(id)
  const [look] = await deps.channels.look(till.asset.chain, [payment.voucher.channel])
  if (!channel || !look || look.state.balance < channel.balance)
    throw fail('chain_unavailable', { why: 'the channel holds less than was put into it' })
  return channel
}

/** Tells the deposit's transaction with the answer; a stream, whose bill comes last, tells it first. */
export const showDeposit = (reply: Reply, deposited: Deposited | undefined): Reply => {
  if (!deposited) return reply
  const { channel, hash } = deposited
  const before = reply.headers[HEADER.response]
  const told = before === undefined ? movedResponse(channel, hash, undefined) : decodeHeaderJson(before)
  const response = encodeHeaderJson({ ...(told as object), transaction: hash })
  return { ...reply, headers: { ...reply.headers, [HEADER.response]: response } }
}
