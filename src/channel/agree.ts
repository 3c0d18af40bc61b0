import { type ChainId, chainNumber } from '../assets.ts'
import { channelIdOf, voucherDigest } from '../chain/channel.ts'
import { curve } from '../chain/signatures.ts'
import { fail } from '../errors.ts'
import { type Channel, channelKey } from '../ledger/channel.ts'
import { agreeOffer, type TermsFacts } from '../payment/terms.ts'
import { amountOf, type Till } from '../quote/offers.ts'
import type { Terms } from '../quote/seal.ts'
import type { ChannelPayment, PaymentChannel } from '../wire/payment.ts'
import { isPlainSignature } from '../wire/payment.ts'

/** A channel that is paid from, under terms that its payer accepted; `amount` is what the voucher must add, in units. */
export type AgreedChannel = {
  terms: Terms
  till: Till
  payment: Extract<ChannelPayment, { kind: 'voucher' }>
  amount: bigint
  /** The channel's id in the ledger. */
  id: string
}

export type ChannelFacts = Omit<TermsFacts, 'now' | 'fresh'> & {
  /** Seconds: the least that a payer must wait to take its money out. */
  withdrawDelay: number
}

/** Seconds that the contract allows at most. */
const LONGEST_DELAY = 2_592_000

/** Judges a channel payment against the quote it names and the channel it draws on; the signature is for `checkVoucher`. */
export const agreeChannel = ({ accepted, channel }: PaymentChannel, facts: ChannelFacts): AgreedChannel => {
  const { terms, till } = agreeOffer(accepted, { ...facts, now: facts.ours, fresh: () => [] })
  if (!isOffered(till)) throw fail('payment_scheme_unsupported')
  if (channel.kind !== 'voucher') throw refundByGet()
  checkConfig(channel, till, facts)
  if (terms.payer !== undefined && terms.payer !== channel.config.payer) throw fail('quote_payer_mismatch')
  const id = channelKey(till.asset.chain, channel.voucher.channel)
  return { terms, till, payment: channel, amount: amountOf(terms, 'batch-settlement'), id }
}

/** Whether channels of this till's token are taken. */
export const isOffered = (till: Till): boolean => till.ways.some((way) => way.scheme === 'batch-settlement')

export const refundByGet = () =>
  fail('payment_malformed', {
    problem: 'payload.type: a refund is asked for by GET, a call is paid for by POST',
  })

/** Refuses a channel that we could not claim from, or whose payer could take its money out too soon. */
export const checkConfig = (
  { config, voucher }: Pick<ChannelPayment, 'config' | 'voucher'>,
  { asset, payTo }: Till,
  { settler, withdrawDelay }: Pick<ChannelFacts, 'settler' | 'withdrawDelay'>,
): void => {
  const problem = wrong(
    [config.receiver !== payTo, `its receiver is not ${payTo}`, 'receiver_mismatch'],
    [
      config.receiverAuthorizer !== settler,
      `its receiverAuthorizer is not ${settler}`,
      'receiver_authorizer_mismatch',
    ],
    [config.token !== asset.address, `its token is not ${asset.address}`, 'token_mismatch'],
    [
      config.withdrawDelay < withdrawDelay || config.withdrawDelay > LONGEST_DELAY,
      `its withdrawDelay is not from ${withdrawDelay} to ${LONGEST_DELAY} seconds`,
      'withdraw_delay_out_of_range',
    ],
    [BigInt(config.payer) === 0n, 'it has no payer', 'channel_id_mismatch'],
    [BigInt(config.payerAuthorizer) === 0n, 'it has no payerAuthorizer', 'channel_id_mismatch'],
    [
      channelIdOf(chainNumber(asset.chain), config) !== voucher.channel,
      'the voucher is for another channel',
      'channel_id_mismatch',
    ],
  )
  if (problem) throw fail('channel_config_mismatch', problem)
}

type Rule = [broken: boolean, problem: string, x402: string]

const wrong = (...rules: Rule[]): { problem: string; x402: string } | undefined => {
  const [, problem, x402] = rules.find(([broken]) => broken) ?? []
  if (problem === undefined) return undefined
  return { problem, x402: `invalid_batch_settlement_evm_${x402}` }
}

/** Refuses a voucher that its channel's authorizer did not sign. Offline. */
export const checkVoucher = async (
  chain: ChainId,
  { config, voucher }: Pick<ChannelPayment, 'config' | 'voucher'>,
): Promise<void> => {
  const { channel: channelId, max: maxClaimableAmount, signature } = voucher
  const digest = voucherDigest(chainNumber(chain), { channelId, maxClaimableAmount })
  const signer = isPlainSignature(signature) ? await curve.recover(digest, signature) : undefined
  if (signer !== config.payerAuthorizer) throw fail('voucher_signature_invalid')
}

/** Refuses a voucher that does not sign for exactly what was charged and `amount` more, or for more than there is. */
export const checkBase = (channel: Channel, max: bigint, amount: bigint): void => {
  const facts = {
    channel: channel.id,
    signed: max,
    charged: channel.charged,
    amount,
    balance: channel.balance,
  }
  if (max !== channel.charged + amount)
    throw fail(max < channel.claimed ? 'channel_below_claimed' : 'channel_mismatch', facts)
  if (max > channel.balance) throw fail('channel_balance_short', facts)
}

/** One voucher under one quote: showing both again is the same payment, however much was charged since. */
export const paymentKey = ({ id, terms, payment }: Pick<AgreedChannel, 'id' | 'terms' | 'payment'>): string =>
  `${id} ${payment.voucher.max} ${terms.id}`
