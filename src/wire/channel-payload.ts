/** What a payer signs in a payment channel: a voucher, with it a deposit, or the wish to have the rest back. Source: x402 scheme_batch_settlement_evm. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { type ChannelConfig, PERMIT2_COLLECTOR } from './contracts.ts'
import { address, addressOf, chosen, hex, signature, uint, word } from './fields.ts'

/** The right to claim up to `max` token units of a channel in all, not on top of what was claimed before. */
export type Voucher = { channel: Hex; max: bigint; signature: Hex }

/** A signed transfer into the channel; with EIP-3009 its nonce is the hash of channel and `salt`, with Permit2 `channel` is the witness. */
export type Deposit = { amount: bigint } & (
  | { by: 'eip3009'; validAfter: bigint; validBefore: bigint; salt: Hex; signature: Hex }
  | {
      by: 'permit2'
      from: Hex
      token: Hex
      nonce: Hex
      validBefore: bigint
      channel: Hex
      signature: Hex
    }
)

/** A refund without an amount asks for all that is left. That `voucher.channel` is the id of `config` is for the reader of the chain to check. */
export type ChannelPayment =
  | { kind: 'voucher'; config: ChannelConfig; voucher: Voucher; deposit?: Deposit }
  | { kind: 'refund'; config: ChannelConfig; voucher: Voucher; amount: bigint | undefined }

const config = z.object({
  payer: address,
  payerAuthorizer: address,
  receiver: address,
  receiverAuthorizer: address,
  token: address,
  withdrawDelay: z
    .int()
    .min(0)
    .max(2 ** 40 - 1),
  salt: hex(32),
})

const voucher = z.object({ channelId: hex(32), maxClaimableAmount: uint(128), signature }).transform(
  ({ channelId, maxClaimableAmount, signature }): Voucher => ({
    channel: channelId,
    max: maxClaimableAmount,
    signature,
  }),
)

const eip3009Deposit = z
  .object({
    amount: uint(128),
    authorization: z.object({
      erc3009Authorization: z.object({
        validAfter: uint(256),
        validBefore: uint(256),
        salt: hex(32),
        signature,
      }),
    }),
  })
  .transform(
    ({ amount, authorization }): Deposit => ({
      amount,
      by: 'eip3009',
      ...authorization.erc3009Authorization,
    }),
  )

const permit2Deposit = z
  .object({
    amount: uint(128),
    authorization: z.object({
      permit2Authorization: z.object({
        from: address,
        permitted: z.object({ token: address, amount: uint(128) }),
        spender: addressOf(PERMIT2_COLLECTOR, "the channels' Permit2 deposit collector"),
        nonce: uint(256),
        deadline: uint(256),
        witness: z.object({ channelId: hex(32) }),
        signature,
      }),
    }),
  })
  .refine(({ amount, authorization }) => authorization.permit2Authorization.permitted.amount === amount, {
    path: ['amount'],
    message: 'must be the permitted amount',
  })
  .transform(
    ({ amount, authorization: { permit2Authorization: signed } }): Deposit => ({
      amount,
      by: 'permit2',
      from: signed.from,
      token: signed.permitted.token,
      nonce: word(signed.nonce),
      validBefore: signed.deadline,
      channel: signed.witness.channelId,
      signature: signed.signature,
    }),
  )

const deposit = chosen<Deposit>(({ authorization }) => {
  const { erc3009Authorization: one, permit2Authorization: two } = (authorization ?? {}) as Record<
    string,
    unknown
  >
  if (two === undefined) return eip3009Deposit
  if (one === undefined) return permit2Deposit
  return 'carries both erc3009Authorization and permit2Authorization'
})

/** Reads a payload of `batch-settlement`; what only a settler may say (claim, settle) is refused. */
export const channelPayload = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('voucher'), channelConfig: config, voucher }),
    z.object({ type: z.literal('deposit'), channelConfig: config, voucher, deposit }),
    z.object({ type: z.literal('refund'), channelConfig: config, voucher, amount: uint(128).optional() }),
  ])
  .transform((payload): ChannelPayment => {
    const { channelConfig: config, voucher } = payload
    if (payload.type === 'refund') return { kind: 'refund', config, voucher, amount: payload.amount }
    if (payload.type === 'deposit') return { kind: 'voucher', config, voucher, deposit: payload.deposit }
    return { kind: 'voucher', config, voucher }
  })
