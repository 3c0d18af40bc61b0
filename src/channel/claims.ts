import { assetKey, toUsd } from '../assets.ts'
import type { Channel } from '../ledger/channel.ts'
import type { Claim } from '../ledger/errand.ts'
import { minOf, type Usd } from '../money.ts'

/** When channels are claimed. */
export type ClaimPolicy = {
  /** A channel with this much to be claimed does not wait. */
  above: Usd
  /** Longest wait, ms. */
  afterMs: number
}

/** A channel with something to be claimed, since when as far as we know, ms, and whether its payer is emptying it. */
export type Unclaimed = { channel: Channel; since: number; withdrawing: boolean }

/** Most claims in one transaction. */
const MOST = 50
/** What waits along goes along when it has a quarter of what would not wait, or has waited half as long. */
const COMPANY = 4n
/** Of ten parts of the balance, so many are charged: its payer will top it up or leave it soon. */
const NEARLY_USED = 9n

/** Units that a claim would get from a channel now. */
export const claimable = (channel: Pick<Channel, 'charged' | 'balance' | 'claimed'>): bigint =>
  minOf(channel.charged, channel.balance) - channel.claimed

/**
 * Which channels to claim now, and which of them together: those of one receiver and token. A channel with reason enough
 * takes others along that have some.
 */
export const dueClaims = (policy: ClaimPolicy, waiting: readonly Unclaimed[], now: number): Channel[][] => {
  const groups = Map.groupBy(
    waiting,
    ({ channel }) => `${assetKey(tokenOf(channel))} ${channel.config.receiver}`,
  )
  return [...groups.values()].flatMap((group) => {
    if (!group.some((one) => isDue(policy, one, now))) return []
    const going = group.filter((one) => isDue(policy, one, now) || isCompany(policy, one, now))
    const channels = going.toSorted((a, b) => rank(a) - rank(b)).map((one) => one.channel)
    return Array.from({ length: Math.ceil(channels.length / MOST) }, (_, i) =>
      channels.slice(i * MOST, (i + 1) * MOST),
    )
  })
}

const isDue = (
  { above, afterMs }: ClaimPolicy,
  { channel, since, withdrawing }: Unclaimed,
  now: number,
): boolean => {
  const worth = toUsd(claimable(channel), channel.decimals)
  const nearlyUsed = channel.charged * 10n >= channel.balance * NEARLY_USED
  return withdrawing || worth >= above || now - since >= afterMs || (nearlyUsed && worth * COMPANY >= above)
}

const isCompany = ({ above, afterMs }: ClaimPolicy, { channel, since }: Unclaimed, now: number): boolean =>
  toUsd(claimable(channel), channel.decimals) * COMPANY >= above || (now - since) * 2 >= afterMs

const rank = ({ withdrawing, since }: Unclaimed): number => (withdrawing ? 0 : since)

const tokenOf = ({ chain, token }: Channel) => ({ chain, address: token })

/** What a claim says of a channel: up to what is charged, and never more than there is. */
export const claimOf = (channel: Channel): Claim | undefined => {
  const { id, config, voucher, claimed } = channel
  if (!voucher) return undefined
  const total = claimed + claimable(channel)
  return { channel: id, config, max: voucher.max, signature: voucher.signature, from: claimed, total }
}
