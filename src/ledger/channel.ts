import type { ChainId, Hex } from '../assets.ts'
import type { ChannelConfig } from '../wire/contracts.ts'

/** A payment channel as far as we know it: what the chain holds for it, what was charged, what was claimed. Units of its token. */
export type Channel = {
  is: 'channel'
  /** `eip155:8453/channel:0x…`. */
  id: string
  /** Its id in the contract. */
  channel: Hex
  chain: ChainId
  token: Hex
  decimals: number
  config: ChannelConfig
  /** Put in by the payer less refunds: what the contract calls its balance, as far as it is proven. */
  balance: bigint
  /** Cumulative charge of all calls; the next voucher must sign for this and the next ceiling. */
  charged: bigint
  /** Cumulative amount that the contract has accepted from us. */
  claimed: bigint
  /** The voucher that covers `charged`: what we would lose without it. */
  voucher: { max: bigint; signature: Hex } | undefined
  /** How often it was drawn on; each turn may be taken once. */
  turns: number
  /** The call or errand that has it now: one at a time. */
  busy: string | undefined
  /** The call that had it last. */
  last: string | undefined
  /** The claim that is under way, and what it will have claimed. */
  claiming: { errand: string; total: bigint } | undefined
  refundNonce: bigint
  /** When it was last used, ms. */
  at: number
}

/** How a channel is named in the ledger. */
export const channelKey = (chain: ChainId, channel: Hex): string => `${chain}/channel:${channel}`

/** Nobody has it, and nothing of it is to be claimed. */
export const isIdle = (channel: Channel): boolean =>
  channel.busy === undefined && channel.claiming === undefined && channel.charged === channel.claimed
