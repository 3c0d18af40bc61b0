import type { Hex } from '../assets.ts'
import { maxOf } from '../money.ts'
import { decodeHeaderJson, encodeHeaderJson } from '../wire/json.ts'
import { HEADER } from '../wire/payment.ts'
import type { Buyer } from './buyer.ts'
import { type Channel, signVoucher } from './channel.ts'
import { type Demand, readDemand } from './demand.ts'
import { parse, readBytes } from './request.ts'

/** What became of asking for a channel's money: units that the router is giving back, or why it does not. */
export type Refunded = { channel: Hex; url: string } & (
  | { ok: true; amount: bigint }
  | { ok: false; why: string }
)

const MOST_BODY = 1 << 16
const LOOKS = 10
const LOOK_MS = 1_000

/** Asks for all that is left in every idle channel. What comes back is counted as gone until the chain shows it. */
export const refundChannels = async (buyer: Buyer): Promise<readonly Refunded[]> => {
  const { channels } = buyer
  if (!channels) return []
  const refunded: Refunded[] = []
  for (const { id, url, balance, pending, charged } of await channels.list()) {
    if (balance + pending <= charged) continue
    const done = await channels.hold(id, (channel) => refund(buyer, channel))
    refunded.push(done ?? { channel: id, url, ok: false, why: 'a call is using it' })
  }
  return refunded
}

const refund = async (buyer: Buyer, channel: Channel): Promise<Refunded> => {
  const { id, url } = channel
  const no = (why: string): Refunded => ({ channel: id, url, ok: false, why })
  try {
    const { accepted, echo } = await offerFor(buyer, channel)
    const voucher = await signVoucher(buyer.wallet, channel, channel.charged)
    const payload = { type: 'refund', channelConfig: channel.config, voucher }
    const header = encodeHeaderJson({ x402Version: 2, accepted, payload, ...echo })
    const response = await buyer.fetch(url, { headers: { [HEADER.signature]: header }, redirect: 'error' })
    const body = parse(await readBytes(response, MOST_BODY)) as { error?: { message?: unknown } } | undefined
    if (!response.ok) return no(String(body?.error?.message ?? `status ${response.status}`))
    const amount = maxOf(channel.balance + channel.pending - channel.charged, 0n)
    const told = amountOf(response)
    // Its word is not its deed: until the chain shows it, this money counts as lying in the channel.
    channel.pending = amount
    channel.balance = channel.charged
    await seeOnChain(buyer, channel)
    return { channel: id, url, ok: true, amount: told ?? amount }
  } catch (error) {
    return no(error instanceof Error ? error.message : String(error))
  }
}

/** A fresh offer for this channel, or the one it was paid by at last where a bare GET shows none. */
const offerFor = async (
  { fetch }: Buyer,
  { url, accepted, config, chain }: Channel,
): Promise<{ accepted: Record<string, unknown>; echo: object }> => {
  const response = await fetch(url, { redirect: 'error' })
  const body = await readBytes(response, MOST_BODY)
  const demand: Demand | undefined =
    response.status === 402 ? readDemand(response.headers, parse(body)) : undefined
  const fresh = demand?.offers.find(
    (offer) =>
      offer.chain === chain &&
      offer.asset === config.token &&
      offer.payTo === config.receiver &&
      offer.channel?.receiverAuthorizer === config.receiverAuthorizer &&
      offer.channel.withdrawDelay === config.withdrawDelay,
  )
  if (!demand || !fresh) return { accepted, echo: {} }
  const { resource, extensions } = demand
  return { accepted: fresh.raw, echo: { resource, extensions } }
}

const amountOf = (response: Response): bigint | undefined => {
  const told = decodeHeaderJson(response.headers.get(HEADER.response) ?? '') as
    | { amount?: unknown }
    | undefined
  return typeof told?.amount === 'string' && /^\d{1,38}$/.test(told.amount) ? BigInt(told.amount) : undefined
}

const seeOnChain = async ({ reads, clock }: Buyer, channel: Channel): Promise<void> => {
  const chain = reads(channel.chain)
  for (let looks = 0; chain && looks < LOOKS; looks++) {
    const seen = await chain.channel(channel.id).catch(() => undefined)
    if (seen && seen.balance <= channel.charged) {
      channel.pending = 0n
      channel.balance = seen.balance
      return
    }
    await clock.sleep(LOOK_MS)
  }
}
