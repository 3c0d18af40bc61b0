import { randomBytes } from 'node:crypto'
import { chainNumber, type Hex } from '../src/assets.ts'
import { channelIdOf, voucherDigest } from '../src/chain/channel.ts'
import { receiveDigest } from '../src/chain/deposit.ts'
import { signDigest } from '../src/chain/signatures.ts'
import type { ChannelConfig } from '../src/wire/contracts.ts'
import type { Requirement, SettleResponse } from '../src/wire/payment.ts'
import { JSON_HEADERS } from './farebox.ts'
import { asHeader, type Headers, quotes, separatorOf } from './payments.ts'
import type { Payer, World } from './world.ts'

/** A channel with money in it; `charged`: units that its vouchers will have been charged once all that were signed are used. */
export type OpenChannel = { payer: Payer; config: ChannelConfig; id: Hex; charged: bigint }

/** `each`: what one call is charged, in units. The mock always uses the same, so vouchers can be signed ahead. */
export type Channels = { open: OpenChannel[]; each: bigint }

const DEPOSIT = 1_000_000_000n
const VALID_SECONDS = 3_600

/** Opens a channel for each payer through the door, with 1,000 USDC and its first call. */
export const openChannels = async (
  world: World,
  { url, body, payers }: { url: string; body: string; payers: readonly Payer[] },
): Promise<Channels> => {
  const offers = await quotes(world, { url, body, each: payers.map(() => ({})) }, 'voucher')
  const separator = separatorOf(world.asset)
  const open: OpenChannel[] = []
  const each: Headers[] = []
  for (const [i, payer] of payers.entries()) {
    const offer = offers[i]!
    const channel = channelFor(offer, payer)
    open.push(channel)
    const deposit = await signDeposit(channel, separator)
    each.push(asHeader(offer, { ...(await signVoucher(channel, offer)), type: 'deposit', deposit }))
  }
  const job = { url, body, headers: JSON_HEADERS, concurrency: 64, each, keep: 'payment-response' }
  const { kept } = await world.fire(job, 200)
  const charges = new Set(kept.map(chargeIn))
  if (charges.size !== 1) throw new Error(`calls are not charged alike: ${[...charges].join(', ')}`)
  const charge = BigInt([...charges][0]!)
  for (const channel of open) channel.charged = charge
  return { open, each: charge }
}

/** Signs vouchers for calls, over the channels in turn, each on top of the charges before it. */
export const signVouchers = async (
  world: World,
  { open, each: charge }: Channels,
  { url, body, calls }: { url: string; body: string; calls: number },
): Promise<Headers[]> => {
  const offers = await quotes(
    world,
    { url, body, each: Array.from({ length: calls }, () => ({})) },
    'voucher',
  )
  const headers: Headers[] = []
  for (const [i, offer] of offers.entries()) {
    const channel = open[i % open.length]!
    headers.push(asHeader(offer, { ...(await signVoucher(channel, offer)), type: 'voucher' }))
    channel.charged += charge
  }
  return headers
}

const channelFor = (offer: Requirement, payer: Payer): OpenChannel => {
  const config: ChannelConfig = {
    payer: payer.address,
    payerAuthorizer: payer.address,
    receiver: offer.payTo,
    receiverAuthorizer: offer.extra.receiverAuthorizer!,
    token: offer.asset,
    withdrawDelay: offer.extra.withdrawDelay!,
    salt: `0x${randomBytes(32).toString('hex')}`,
  }
  return { payer, config, id: channelIdOf(chainNumber(offer.network), config), charged: 0n }
}

const signVoucher = async ({ payer, config, id, charged }: OpenChannel, offer: Requirement) => {
  const max = charged + BigInt(offer.amount)
  const digest = voucherDigest(chainNumber(offer.network), { channelId: id, maxClaimableAmount: max })
  const signature = await signDigest(digest, payer.key)
  return { channelConfig: config, voucher: { channelId: id, maxClaimableAmount: max.toString(), signature } }
}

const signDeposit = async ({ payer, id }: OpenChannel, separator: Uint8Array) => {
  const validBefore = BigInt(Math.floor(Date.now() / 1000) + VALID_SECONDS)
  const salt: Hex = `0x${randomBytes(32).toString('hex')}`
  const about = { from: payer.address, value: DEPOSIT, validAfter: 0n, validBefore, channelId: id, salt }
  const signature = await signDigest(receiveDigest(separator, about), payer.key)
  const erc3009Authorization = { validAfter: '0', validBefore: String(validBefore), salt, signature }
  return { amount: DEPOSIT.toString(), authorization: { erc3009Authorization } }
}

const chargeIn = (header: string): string | undefined =>
  (JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as SettleResponse<unknown>).extra?.chargedAmount
