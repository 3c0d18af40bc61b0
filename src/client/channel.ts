import { concat, hashTypedData, keccak256, recoverTypedDataAddress } from 'viem'
import { type ChainId, chainNumber, type Hex } from '../assets.ts'
import { maxOf, minOf } from '../money.ts'
import {
  CHANNEL_CONFIG_TYPES,
  type ChannelConfig,
  channelDomain,
  ERC3009_COLLECTOR,
  RECEIVE_TYPES,
  VOUCHER_TYPES,
} from '../wire/contracts.ts'
import { word } from '../wire/fields.ts'
import type { Offer, StatedChannel } from './offer.ts'
import type { Window } from './payment.ts'
import { signTyped, type Wallet } from './wallet.ts'

/**
 * A payment channel as its payer knows it; amounts in token units since it was opened. The router can never claim more than
 * `signed`, and each voucher allows `charged` and one call's maximum.
 */
export type Channel = {
  id: Hex
  chain: ChainId
  config: ChannelConfig
  decimals: number
  /** Where it was paid at last, and the offer that it took there: a refund is asked for with both. */
  url: string
  accepted: Record<string, unknown>
  /** Deposits that an answer or the chain confirmed. */
  balance: bigint
  /** What calls have cost so far. */
  charged: bigint
  /** The highest total that was ever signed. */
  signed: bigint
  /** The most that calls may have cost of which we heard no price. */
  open: bigint
  /** Deposits that were signed and not confirmed. */
  pending: bigint
  state: 'open' | 'disputed'
}

/** The channel that an offer asks for; the same payer, offer and `index` give the same one in every process. */
export const configOf = (offer: Offer, payer: Hex, index: number): ChannelConfig => ({
  payer,
  payerAuthorizer: payer,
  receiver: offer.payTo,
  receiverAuthorizer: offer.channel!.receiverAuthorizer,
  token: offer.asset,
  withdrawDelay: offer.channel!.withdrawDelay,
  salt: word(BigInt(index)),
})

/** The id of a channel on a chain. */
export const channelIdOf = (chain: ChainId, config: ChannelConfig): Hex =>
  hashTypedData({
    domain: channelDomain(chainNumber(chain)),
    types: CHANNEL_CONFIG_TYPES,
    primaryType: 'ChannelConfig',
    message: config,
  })

/** Signs that the channel may be claimed up to `max` units in all. */
export const signVoucher = async (
  wallet: Wallet,
  { id, chain }: Pick<Channel, 'id' | 'chain'>,
  max: bigint,
) => {
  const signature = await signTyped(wallet, { ...voucherData(chain, id, max) })
  return { channelId: id, maxClaimableAmount: max.toString(), signature }
}

/** Signs a deposit by EIP-3009; returns the `deposit.authorization` of its payload. `salt` is 32 bytes of chance. */
export const signDeposit = async (facts: {
  wallet: Wallet
  offer: Offer
  window: Window
  channelId: Hex
  amount: bigint
  salt: Hex
}) => {
  const { wallet, offer, window, channelId, amount, salt } = facts
  const validAfter = BigInt(window.validAfter)
  const validBefore = BigInt(window.validBefore)
  const signature = await signTyped(wallet, {
    domain: { ...offer.domain!, chainId: chainNumber(offer.chain), verifyingContract: offer.asset },
    types: RECEIVE_TYPES,
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: wallet.address.toLowerCase(),
      to: ERC3009_COLLECTOR,
      value: amount,
      validAfter,
      validBefore,
      nonce: keccak256(concat([channelId, salt])),
    },
  })
  const authorization = { validAfter: String(validAfter), validBefore: String(validBefore), salt, signature }
  return { erc3009Authorization: authorization }
}

/** Is the voucher that a router shows for this channel one of ours? */
export const isOurVoucher = async (
  { id, chain, config }: Channel,
  voucher: NonNullable<StatedChannel['voucher']>,
): Promise<boolean> => {
  const { max, signature } = voucher
  const found = await recoverTypedDataAddress({ ...voucherData(chain, id, max), signature }).catch(
    () => undefined,
  )
  return found?.toLowerCase() === config.payerAuthorizer
}

/** What a chain says of a channel. */
export type OnChain = { balance: bigint; totalClaimed: bigint }

/**
 * What a router's word is weighed against. `ours`: it showed a voucher that we signed; `proven`: we know what the calls of
 * this channel have cost; `onChain`: what the chain says, where it could be asked.
 */
export type Evidence = { ours: boolean; proven: boolean; onChain: OnChain | undefined }

/**
 * Judges where a router says that a channel stands. No charge is taken that our signature does not cover, and where we know
 * the prices of our calls none beyond them, unless the voucher shows that another process with our key went on. A smaller
 * balance than we know is the chain's to tell.
 */
export const judgeStated = (
  channel: Pick<Channel, 'id' | 'balance' | 'charged' | 'signed' | 'open'>,
  stated: StatedChannel,
  evidence: Evidence,
): { ok: true; balance: bigint; charged: bigint } | { ok: false; why: string } => {
  const no = (why: string) => ({ ok: false as const, why })
  const { onChain } = evidence
  const { charged } = stated
  if (stated.id !== channel.id) return no('it speaks of another channel')
  if (stated.voucher && !evidence.ours) return no('the voucher it shows is not signed by us')
  const most = mostCharged(channel, stated.voucher?.max, evidence)
  if (charged > most) return no(`it charges ${charged} units in all, ${most} at most were agreed to`)
  const balance = onChain?.balance ?? stated.balance
  if (!onChain && balance < channel.balance)
    return no(`it knows of ${balance} units, ${channel.balance} were deposited`)
  if (charged > balance) return no(`it charges ${charged} units out of ${balance}`)
  return { ok: true, balance, charged }
}

const mostCharged = (
  { charged, open, signed }: Pick<Channel, 'charged' | 'open' | 'signed'>,
  shown: bigint | undefined,
  { proven, onChain }: Evidence,
): bigint => {
  const claimed = onChain?.totalClaimed ?? 0n
  if (shown === undefined) return maxOf(charged, claimed)
  // A first voucher may have met a channel that an earlier process used: then that one's is all there is to go by.
  if (!proven || shown > signed) return shown
  return minOf(maxOf(charged + open, claimed), shown)
}

const voucherData = (chain: ChainId, channelId: Hex, max: bigint) => ({
  domain: channelDomain(chainNumber(chain)),
  types: VOUCHER_TYPES,
  primaryType: 'Voucher' as const,
  message: { channelId, maxClaimableAmount: max },
})
