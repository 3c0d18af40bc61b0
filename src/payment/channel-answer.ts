import { billOf, type Call, fromSigned } from '../ledger/call.ts'
import type { Channel } from '../ledger/channel.ts'
import type { ChannelState, SettleResponse, VoucherState } from '../wire/payment.ts'
import type { SignedReceipt } from '../wire/receipt.ts'

/** A channel as its payer is told of it; `withdrawRequestedAt` is 0: from a channel that is being emptied nothing is served. */
export const channelState = (channel: Channel): ChannelState => ({
  channelId: channel.channel,
  balance: channel.balance.toString(),
  totalClaimed: channel.claimed.toString(),
  withdrawRequestedAt: 0,
  refundNonce: channel.refundNonce.toString(),
  chargedCumulativeAmount: channel.charged.toString(),
})

/** What a payer that has lost count needs: where the channel stands, and its own best voucher as proof. */
export const standingOf = (
  channel: Channel,
): { channelState: ChannelState; voucherState?: VoucherState } => ({
  channelState: channelState(channel),
  ...(channel.voucher && {
    voucherState: {
      signedMaxClaimable: channel.voucher.max.toString(),
      signature: channel.voucher.signature,
    },
  }),
})

/** What `PAYMENT-RESPONSE` says of a call on a channel: nothing moved on the chain, and the channel is charged so much more. */
export const channelResponse = (
  call: Call,
  channel: Channel,
  receipt: SignedReceipt,
): SettleResponse<SignedReceipt> => ({
  success: true,
  transaction: '',
  network: call.chain,
  payer: call.payer,
  amount: '',
  extra: {
    channelState: channelState(channel),
    chargedAmount: fromSigned(call, billOf(call)?.charged ?? 0n).toString(),
  },
  extensions: { farebox: receipt },
})

/** The same for a deposit or a refund, in transaction `hash`, that came without a bill. */
export const movedResponse = (channel: Channel, hash: string, amount: bigint | undefined) => ({
  success: true,
  transaction: hash,
  network: channel.chain,
  payer: channel.config.payer,
  amount: amount === undefined ? '' : amount.toString(),
  extra: { channelState: channelState(channel) },
})
