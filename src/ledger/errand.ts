import type { Asset, ChainId, Hex } from '../assets.ts'
import { newErrandId } from '../ids.ts'
import type { ChannelConfig } from '../wire/contracts.ts'
import type { Authorization } from '../wire/payment.ts'
import type { Settlement, Sponsored } from './call.ts'

/** Something that must be done on the chain and is no call: stored before it is sent, and proven like a payment. */
export type Errand = {
  is: 'errand'
  id: string
  chain: ChainId
  token: Hex
  decimals: number
  /** Whose money it is about. */
  payer: Hex
  /** Where the units move from and to on the chain. */
  from: Hex
  to: Hex
  /** The authorization that it uses up, if any: may be used once. */
  claim?: string
  /** Units that move, as far as it is known. */
  amount: bigint
  at: number
  /** Unix seconds after which it can no longer happen; 0 when it always can. */
  validBefore: bigint
  validAfter: bigint
  settlement: Settlement
  task: Task
}

export type Task =
  /**
   * Puts the payer's money into a channel. `claimed` and `refundNonce`: what the contract says of it, taken over when we
   * have no record of the channel.
   */
  | {
      kind: 'deposit'
      channel: string
      config: ChannelConfig
      by: DepositBy
      claimed: bigint
      refundNonce: bigint
      sponsored?: Sponsored
    }
  /** Claims what vouchers cover, for several channels of one receiver, and moves it to the receiver. */
  | { kind: 'claim'; receiver: Hex; claims: readonly Claim[] }
  /** Gives the unused part of a channel back to its payer; what was charged is claimed on the way. */
  | { kind: 'refund'; channel: string; config: ChannelConfig; claim: Claim | undefined; refundNonce: bigint }
  /** The payer took its money out of a channel by itself: only ever seen. */
  | { kind: 'withdrawal'; channel: string }
  /** Pays out credit from the settler's own balance. */
  | { kind: 'payout' }
  /** Settles somebody else's payment: none of its money is ours. */
  | { kind: 'relay'; authorization: Authorization; sponsored?: Sponsored }
  /** Brings a payer's own approval of Permit2 to the chain: what it may be done so often for is its claim. */
  | { kind: 'sponsor'; raw: Hex }
  /** A transfer that nobody ordered: only ever seen. */
  | { kind: 'observed'; what: 'inflow' | 'outflow' | 'funding' | 'defunding' | 'refill' | 'return' | 'sweep' }

export type DepositBy =
  | { kind: 'eip3009'; validAfter: bigint; validBefore: bigint; salt: Hex; nonce: Hex; signature: Hex }
  | { kind: 'permit2'; nonce: Hex; deadline: bigint; signature: Hex }
  /** Somebody else sent it. */
  | { kind: 'seen' }

/** One voucher to be claimed: the contract's cumulative amount goes from `from` to `total`. */
export type Claim = {
  channel: string
  config: ChannelConfig
  max: bigint
  signature: Hex
  from: bigint
  total: bigint
  /** What of it we had not charged, of a claim that was only seen: a lost ledger did. */
  over?: bigint
}

/** An errand about a token, under a new id. */
export const newErrand = (
  { chain, address: token, decimals }: Pick<Asset, 'chain' | 'address' | 'decimals'>,
  errand: Omit<Errand, 'is' | 'id' | 'chain' | 'token' | 'decimals'>,
): Errand => ({ is: 'errand', id: newErrandId(), chain, token, decimals, ...errand })
