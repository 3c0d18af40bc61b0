import type { Caller } from '../accounts/caller.ts'
import { type Hex, toUsd } from '../assets.ts'
import { type AgreedChannel, agreeChannel, checkBase, checkVoucher, paymentKey } from '../channel/agree.ts'
import { seconds } from '../clock.ts'
import { fail, type Refusal } from '../errors.ts'
import { newCallId } from '../ids.ts'
import type { Call } from '../ledger/call.ts'
import { turnOf } from '../ledger/call-moves.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import { NO_MONEY } from '../money.ts'
import type { Terms } from '../quote/seal.ts'
import type { Order } from '../wire/order.ts'
import type { PaymentChannel } from '../wire/payment.ts'
import { type Deposited, deposit, showDeposit } from './channel-deposit.ts'
import type { Deps } from './deps.ts'
import { orTakeBack } from './end.ts'
import { budgetRefusal, type Held, taken } from './hold.ts'
import { type Asker, type Permit, permit, room, whoAsks } from './permit.ts'
import { nameKey, nameTaken } from './repeat.ts'
import type { Reply } from './reply.ts'
import type { Trail } from './trail.ts'

export type ChannelVisit = {
  order: Order
  caller: Caller
  asker: Asker
  /** How the caller calls it. */
  name?: string | undefined
  signal: AbortSignal
  trail: Trail
  /** Unix seconds: the later of our clock and the chain's. */
  now: number
}

/** A visit that its caller may make. */
type Granted = ChannelVisit & { granted: Permit }

/**
 * Runs a call that is paid from a channel, with a deposit into it first where one comes along. One call at a time: others
 * wait in line until it is billed, because each voucher builds on the charge before it.
 */
export const onChannel = async (
  deps: Deps,
  payment: PaymentChannel,
  visit: ChannelVisit,
  run: (terms: Terms, held: Held) => Promise<Reply>,
): Promise<Reply> => {
  const { trail } = visit
  const agreed = await trail.step('verify', () => agreedOn(deps, payment, visit.order.digest))
  await deps.admission.admit('paid', { payer: agreed.payment.config.payer })
  const used = () => usedBefore(deps, payment, visit.order.digest)
  const granted = await permitted(deps, agreed, visit, used)
  const came = deps.clock.now()
  const leave = await deps.turns.enter(agreed.id, visit.signal)
  try {
    const waited = deps.clock.now() - came > SHORT_MS
    const allowed = waited ? await askedAgain(deps, agreed, visit, used) : { ...visit, granted }
    const { channel, deposited } = await trail.step('chain', () => funded(deps, agreed, payment, allowed))
    const held = await trail.step('claim', () => draw(deps, agreed, channel, allowed))
    const reply = showDeposit(await run(agreed.terms, held), deposited)
    if (typeof reply.body !== 'string') return { ...reply, body: lasting(reply.body, leave) }
    leave()
    return reply
  } catch (error) {
    leave()
    throw error
  }
}

/** What stood in line for longer may be asked again whether its caller may still make it. */
const SHORT_MS = 500

const permitted = (
  deps: Deps,
  agreed: AgreedChannel,
  { caller, asker, order }: ChannelVisit,
  used: () => Promise<Refusal | undefined>,
): Promise<Permit> => permit(deps, caller, { ...asker, order }, { ...agreed, asset: agreed.till.asset, used })

/** The visit as its caller may make it now: a key may have been frozen, or its budget lowered, since it came. */
const askedAgain = async (
  deps: Deps,
  agreed: AgreedChannel,
  visit: ChannelVisit,
  used: () => Promise<Refusal | undefined>,
): Promise<Granted> => {
  const caller = await whoAsks(deps, visit.asker, agreed.payment.config.payer)
  const now = { ...visit, caller }
  return { ...now, granted: await permitted(deps, agreed, now, used) }
}

/** The turn lasts as long as the stream: it ends in the bill. */
async function* lasting(body: AsyncGenerator<string>, leave: () => void): AsyncGenerator<string> {
  try {
    yield* body
  } finally {
    leave()
  }
}

/** The quote and the channel that this payment is for, its voucher signed. What has paid before is told how that call stands. */
const agreedOn = async (deps: Deps, payment: PaymentChannel, digest: Hex): Promise<AgreedChannel> => {
  try {
    const agreed = agreeChannel(payment, channelFacts(deps, digest))
    await checkVoucher(agreed.till.asset.chain, agreed.payment)
    return agreed
  } catch (error) {
    throw (await usedBefore(deps, payment, digest)) ?? error
  }
}

/** What channel payments are judged by. */
export const channelFacts = (deps: Deps, digest: Hex) => {
  const { tills, sealer, epoch, signer: settler, withdrawDelay } = deps.offers
  const ours = seconds(deps.clock.now())
  return { tills, open: sealer.open, digest, ours, epoch, settler, withdrawDelay }
}

/** A retry that comes too late for its quote must not be answered with a new price. */
const usedBefore = async (
  deps: Deps,
  { accepted, channel }: PaymentChannel,
  digest: Hex,
): Promise<Refusal | undefined> => {
  const terms = accepted.quote === undefined ? undefined : deps.offers.sealer.open(accepted.quote)
  if (!terms || channel.kind !== 'voucher') return undefined
  const id = channelKey(terms.chain, channel.voucher.channel)
  const call = await deps.ledger.callByKey(paymentKey({ id, terms, payment: channel }))
  return call?.signature === channel.voucher.signature && 'bill' in call.service
    ? taken(call, digest)
    : undefined
}

const refuseUsed = async (deps: Deps, agreed: AgreedChannel, digest: Hex): Promise<void> => {
  const call = await deps.ledger.callByKey(paymentKey(agreed))
  if (call && 'bill' in call.service) throw taken(call, digest)
}

type Funded = { channel: Channel; deposited: Deposited | undefined }

/** The channel with enough in it: as it stands, or after the deposit that came with the voucher. What was used before is told so first: the claim of any other tells it too. */
const funded = async (
  deps: Deps,
  agreed: AgreedChannel,
  payment: PaymentChannel,
  visit: ChannelVisit,
): Promise<Funded> => {
  const { till, payment: paid, amount } = agreed
  const { max } = paid.voucher
  const { channel: known, withdrawal } = await deps.channels.find(till, paid, max)
  const charged = known?.charged ?? 0n
  if (withdrawal || !known || paid.deposit || max !== charged + amount || max > known.balance)
    await refuseUsed(deps, agreed, visit.order.digest)
  if (withdrawal) throw fail('channel_withdrawing')
  if (max !== charged + amount && known) checkBase(known, max, amount)
  // Money that is there already, because its deposit came through after all, needs no second one.
  if (!paid.deposit || (known && max <= known.balance)) {
    if (!known) throw fail('channel_mismatch', { signed: max, charged, amount })
    return { channel: known, deposited: undefined }
  }
  if (max !== charged + amount) throw fail('channel_mismatch', { signed: max, charged, amount })
  // Nobody is to put money in for a call that is then refused.
  await room(deps, visit.caller, visit.order, toUsd(agreed.terms.ceiling, till.asset.decimals))
  const deposited = await deposit(deps, agreed, payment, known, visit)
  return { channel: deposited.channel, deposited }
}

/** Takes the channel's next turn in the ledger, where only one can have it. */
const draw = async (deps: Deps, agreed: AgreedChannel, found: Channel, visit: Granted): Promise<Held> => {
  const { max } = agreed.payment.voucher
  const channel = found.busy === undefined ? found : await freed(deps, found.id, visit.signal)
  checkBase(channel, max, agreed.amount)
  deps.probe('K0')
  const call = newCall(deps, agreed, channel, visit)
  const posted = await orTakeBack(deps, call.id, () => deps.ledger.post({ type: 'claim', call, limits: {} }))
  deps.probe('K1')
  if (posted.ok) {
    deps.alerts.drew(visit.caller, posted.call, posted.counters)
    return { call: posted.call, counters: posted.counters, channel }
  }
  const over = budgetRefusal(deps, visit, posted, call)
  if (over) throw over
  if (posted.why === 'channel' && posted.channel) {
    if (posted.channel.busy !== undefined) return draw(deps, agreed, posted.channel, visit)
    checkBase(posted.channel, max, agreed.amount)
  }
  if (posted.why === 'claimed' && posted.call.is === 'call' && posted.call.key === call.key)
    throw taken(posted.call, visit.order.digest)
  const named =
    posted.why === 'claimed' && posted.call.is === 'call' ? nameTaken(posted.call, call) : undefined
  if (named) throw named
  if (posted.why === 'approval') throw fail('approval_invalid', { problem: 'a call has used it' })
  throw fail(posted.why === 'short' ? 'credit_spent' : 'channel_busy')
}

/** The channel once a call at another instance has left it; `channel_busy` when that takes too long, and at once where there are no others. */
const freed = async (deps: Deps, id: string, signal: AbortSignal): Promise<Channel> => {
  const until = deps.clock.now() + (deps.instance === undefined ? 0 : ELSEWHERE_MS)
  while (deps.clock.now() < until && !signal.aborted) {
    const channel = await deps.ledger.channel(id)
    if (channel && channel.busy === undefined) return channel
    await deps.clock.sleep(LOOK_MS)
  }
  throw fail('channel_busy')
}

const ELSEWHERE_MS = 5_000
const LOOK_MS = 60

const newCall = (deps: Deps, agreed: AgreedChannel, channel: Channel, visit: Granted): Call => {
  const { terms, till, payment, amount, id } = agreed
  const { voucher, config } = payment
  return {
    is: 'call',
    id: newCallId(),
    kind: 'voucher',
    claim: turnOf(channel),
    key: paymentKey(agreed),
    ...(visit.name !== undefined && { name: nameKey(config.payer, visit.name) }),
    chain: till.asset.chain,
    token: till.asset.address,
    decimals: till.asset.decimals,
    payer: config.payer,
    payTo: till.payTo,
    validAfter: 0n,
    validBefore: 0n,
    nonce: voucher.channel,
    signature: voucher.signature,
    signed: amount,
    channel: id,
    cumulative: voucher.max,
    credit: terms.credit,
    ceiling: terms.ceiling,
    quoteId: terms.id,
    requestDigest: visit.order.digest,
    asked: terms.asked,
    why: terms.why,
    stream: visit.order.stream,
    ...visit.granted(),
    ...(deps.instance !== undefined && { by: deps.instance }),
    settleFirst: false,
    at: deps.clock.now(),
    // The money is in the channel already.
    exposed: NO_MONEY,
    pending: 0n,
    service: { at: 'claimed' },
    settlement: { at: 'none' },
  }
}
