import type { Hex } from '../assets.ts'
import { checkBase, checkConfig, checkVoucher, isOffered } from '../channel/agree.ts'
import { type Code, type Details, errorBody, fail, REFUSALS, Refusal, type Refused } from '../errors.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import { type Claim, type Errand, newErrand } from '../ledger/errand.ts'
import { maxOf, minOf } from '../money.ts'
import { movedResponse } from '../payment/channel-answer.ts'
import { leastDeposit, type Till } from '../quote/offers.ts'
import { CHAT_PATH } from '../wire/chat-door.ts'
import { BATCH_SETTLEMENT } from '../wire/contracts.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import {
  HEADER,
  type Payment,
  type PaymentChannel,
  type Requirement,
  type RequirementExtra,
} from '../wire/payment.ts'
import { aboutChannel } from './channel-demand.ts'
import type { Deps } from './deps.ts'
import { JSON_TYPE, NO_STORE, type Reply } from './reply.ts'

export type RefundVisit = {
  payment: () => Payment | undefined
  /** Only channels of this token are offered; a client that has several asks for one. */
  asset: Hex | undefined
  signal: AbortSignal
}

/** Gives back what is left in a channel; without payment, 402 with the channels that could be. */
export const refundDoor = async (deps: Deps, visit: RefundVisit): Promise<Reply> => {
  try {
    const payment = visit.payment()
    if (!payment) return ask(deps, visit, 'refund_by_voucher')
    if (!('channel' in payment)) throw fail('payment_scheme_unsupported')
    return await refund(deps, payment, visit.signal)
  } catch (error) {
    if (error instanceof Refusal && error.status === 402) return ask(deps, visit, error.code, error.details)
    throw error
  }
}

const refund = async (
  deps: Deps,
  { accepted, channel: payment }: PaymentChannel,
  signal: AbortSignal,
): Promise<Reply> => {
  if (payment.kind !== 'refund')
    throw fail('payment_malformed', { problem: 'payload.type: only a refund is asked for by GET' })
  const till = deps.offers.tills.find(
    ({ asset }) => asset.chain === accepted.network && asset.address === accepted.asset.toLowerCase(),
  )
  if (!till || !isOffered(till)) throw fail('payment_asset_mismatch')
  // What is asked of new channels must not keep anybody from leaving an old one.
  checkConfig(payment, till, { settler: deps.offers.signer, withdrawDelay: 0 })
  await checkVoucher(till.asset.chain, payment)
  const leave = await deps.turns.enter(channelKey(till.asset.chain, payment.voucher.channel), signal)
  try {
    const until = deps.clock.now() + CLAIMED_MS
    for (;;) {
      const { channel } = await deps.channels.find(till, payment, payment.voucher.max)
      const idle = channel && (await claimed(deps, channel, signal))
      if (!idle) throw fail('refund_nothing_left')
      checkBase(idle, payment.voucher.max, 0n)
      const done = await ordered(deps, errandOf(deps, till, idle, payment.amount), signal)
      if (done) return done
      // What was earned on it began to be claimed in this moment, and will be over as soon.
      if (signal.aborted || deps.clock.now() >= until) throw fail('channel_busy')
      await deps.clock.sleep(LOOK_MS, signal)
    }
  } finally {
    leave()
  }
}

/** How long a refund waits for claims of what was earned on its channel, ms. */
const CLAIMED_MS = 10_000
const LOOK_MS = 50

/** The channel when no claim is under way on it. */
const claimed = async (deps: Deps, channel: Channel, signal: AbortSignal): Promise<Channel> => {
  if (channel.busy !== undefined) throw fail('channel_busy')
  if (!channel.claiming) return channel
  const patience = AbortSignal.any([signal, AbortSignal.timeout(deps.settleFirstMs)])
  const { errand } = channel.claiming
  await deps.settler(channel.chain).outcome(errand, patience)
  const after = await deps.ledger.channel(channel.id)
  if (!after || after.claiming?.errand === errand) throw fail('channel_busy')
  return after.claiming ? claimed(deps, after, signal) : after
}

const errandOf = (deps: Deps, till: Till, channel: Channel, wanted: bigint | undefined): Errand => {
  const { asset } = till
  const rest = channel.balance - channel.charged
  if (rest <= 0n) throw fail('refund_nothing_left')
  const least = maxOf(leastDeposit(deps.offers, till), 1n)
  if (wanted !== undefined && wanted < rest && wanted < least) throw fail('refund_amount_invalid', { least })
  const { id, config, refundNonce, charged, claimed: from, voucher } = channel
  const claim: Claim | undefined =
    charged > from && voucher
      ? { channel: id, config, max: voucher.max, signature: voucher.signature, from, total: charged }
      : undefined
  return newErrand(asset, {
    payer: config.payer,
    from: BATCH_SETTLEMENT,
    to: config.payer,
    amount: wanted === undefined ? rest : minOf(wanted, rest),
    at: deps.clock.now(),
    validAfter: 0n,
    validBefore: 0n,
    settlement: { at: 'due' },
    task: { kind: 'refund', channel: id, config, claim, refundNonce },
  })
}

/** The refund once it is done; undefined when the channel was not free for it. */
const ordered = async (deps: Deps, errand: Errand, signal: AbortSignal): Promise<Reply | undefined> => {
  await deps.deposits.check(errand)
  const posted = await deps.settler(errand.chain).order(errand)
  if (!posted.ok) return undefined
  const patience = AbortSignal.any([signal, AbortSignal.timeout(deps.settleFirstMs)])
  const after = await deps.settler(errand.chain).outcome(errand.id, patience)
  if (after?.settlement.at === 'lost')
    throw fail('settlement_failed', { why: after.settlement.why, id: errand.id })
  if (after?.settlement.at !== 'settled') throw fail('settlement_pending', { id: errand.id })
  const id = errand.task.kind === 'refund' ? errand.task.channel : ''
  const channel = await deps.ledger.channel(id)
  if (!channel) throw fail('internal', { id: errand.id })
  const { hash } = after.settlement.proof
  const told = {
    message: 'Refund acknowledged',
    channelId: channel.channel,
    amount: errand.amount.toString(),
    id: errand.id,
  }
  return {
    status: 200,
    headers: {
      'content-type': JSON_TYPE,
      'cache-control': NO_STORE,
      [HEADER.response]: encodeHeaderJson(movedResponse(channel, hash, errand.amount)),
    },
    body: JSON.stringify(told),
  }
}

type Refundable = Omit<Requirement, 'extra'> & { extra: Omit<RequirementExtra, 'quote'> }

const ask = async (deps: Deps, { asset }: RefundVisit, code: Code, details: Details = {}): Promise<Reply> => {
  const tills = deps.offers.tills.filter(
    (one) => isOffered(one) && (asset ?? one.asset.address) === one.asset.address,
  )
  const required = {
    x402Version: 2,
    error: String(details['x402'] ?? (REFUSALS[code] as Refused).x402 ?? code),
    resource: {
      url: `${deps.publicUrl}${CHAT_PATH}`,
      description: 'The rest of a payment channel',
      mimeType: 'application/json',
    },
    accepts: await aboutChannel(
      deps,
      code,
      details,
      tills.map((till) => refundable(deps, till)),
    ),
  }
  return {
    status: 402,
    headers: {
      'content-type': JSON_TYPE,
      'cache-control': NO_STORE,
      'x-should-retry': 'false',
      [HEADER.required]: encodeHeaderJson(required),
      ...(typeof details['id'] === 'string' && { [HEADER.call]: details['id'] }),
    },
    body: JSON.stringify(errorBody(code, details)),
  }
}

const refundable = (deps: Deps, { asset, payTo, ways }: Till): Refundable => ({
  scheme: 'batch-settlement',
  network: asset.chain,
  amount: '0',
  asset: asset.address,
  payTo,
  maxTimeoutSeconds: deps.offers.maxTimeout,
  extra: {
    name: asset.name,
    version: asset.version,
    ...(ways.some((way) => way.scheme === 'batch-settlement' && way.method === 'permit2') && {
      assetTransferMethod: 'permit2' as const,
    }),
    receiverAuthorizer: deps.offers.signer,
    withdrawDelay: deps.offers.withdrawDelay,
    signer: deps.offers.signer,
  },
})
