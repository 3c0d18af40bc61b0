import { z } from 'zod'
import type { ChainId, Hex, TransferMethod } from '../assets.ts'
import { parseAmount } from '../money.ts'
import { address, hex, uint } from '../wire/fields.ts'

/** How we can pay: out of a channel, `exact` by EIP-3009, `upto`, `exact` by Permit2. */
export type Way = 'channel' | 'exact' | 'upto' | 'permit2'
export const WAYS: readonly Way[] = ['channel', 'exact', 'upto', 'permit2']

/** Where a router says that a channel stands, and the voucher of ours that it shows for it; amounts in token units. */
export type StatedChannel = {
  id: Hex
  balance: bigint
  totalClaimed: bigint
  charged: bigint
  voucher: { max: bigint; signature: Hex } | undefined
}

/** What an offer of `batch-settlement` asks of a channel; `withdrawDelay` in seconds, `minDeposit` in token units. */
export type ChannelTerms = {
  receiverAuthorizer: Hex
  withdrawDelay: number
  minDeposit: bigint
  stated: StatedChannel | undefined
}

/** One offer of a 402 that we know how to pay. Addresses in lower case, `amount` in token units: the most that it costs. */
export type Offer = {
  way: Way
  /** How the token moves: of a channel, its deposit. */
  method: TransferMethod
  chain: ChainId
  asset: Hex
  payTo: Hex
  amount: bigint
  maxTimeoutSeconds: number
  /** Name and version of the token's EIP-712 domain, as the offer says; never absent where EIP-3009 moves the token. */
  domain: { name: string; version: string } | undefined
  /** Who is to sign the receipt, as the offer says; undefined from servers that sign none. */
  signer: Hex | undefined
  /** The only one who may settle an `upto`. */
  facilitator?: Hex
  channel?: ChannelTerms
  /** The offer as it came: it is echoed unchanged. */
  raw: Record<string, unknown>
}

const units = z.string().transform((text, ctx) => {
  const parsed = parseAmount(text)
  if (parsed !== undefined && parsed < 2n ** 256n) return parsed
  ctx.addIssue({ code: 'custom', message: 'must be a plain decimal below 2^256' })
  return z.NEVER
})

const payable = z.object({
  scheme: z.enum(['exact', 'upto', 'batch-settlement']),
  network: z.string().regex(/^eip155:[1-9]\d{0,14}$/),
  amount: units,
  asset: address,
  payTo: address,
  maxTimeoutSeconds: z.int().min(1),
  extra: z.object({
    name: z.string().min(1).max(200).optional(),
    version: z.string().min(1).max(50).optional(),
    signer: address.optional(),
    // Absent means EIP-3009 and pay-on-answer; another method or flow is not ours to guess at.
    assetTransferMethod: z.enum(['eip3009', 'permit2']).optional(),
    paymentFlow: z.literal('authorization').optional(),
    facilitatorAddress: address.optional(),
    receiverAuthorizer: address.optional(),
    withdrawDelay: z
      .int()
      .min(0)
      .max(2 ** 40 - 1)
      .optional(),
    minDeposit: uint(128).optional(),
    channelState: z.unknown().optional(),
    voucherState: z.unknown().optional(),
  }),
})

const statedChannel = z.object({
  channelId: hex(32),
  balance: uint(128),
  totalClaimed: uint(128),
  chargedCumulativeAmount: uint(128),
})
const statedVoucher = z.object({ signedMaxClaimable: uint(128), signature: hex(65) })

/** The contract's own shortest delay, which the scheme takes when an offer names none. */
const SHORTEST_DELAY = 900

/** Reads one entry of `accepts`, believing nothing; undefined when it is not one that we can pay. */
export const readOffer = (raw: unknown): Offer | undefined => {
  const parsed = payable.safeParse(raw)
  if (!parsed.success) return undefined
  const { scheme, network, amount, asset, payTo, maxTimeoutSeconds, extra } = parsed.data
  const { name, version, signer, facilitatorAddress } = extra
  // `upto` moves by Permit2 alone, so servers need not say so.
  const method = scheme === 'upto' ? 'permit2' : (extra.assetTransferMethod ?? 'eip3009')
  const domain = name !== undefined && version !== undefined ? { name, version } : undefined
  if (method === 'eip3009' && domain === undefined) return undefined
  if (scheme === 'upto' && (facilitatorAddress === undefined || extra.assetTransferMethod === 'eip3009'))
    return undefined
  const channel = scheme === 'batch-settlement' ? channelTerms(extra) : undefined
  if (scheme === 'batch-settlement' && channel === undefined) return undefined
  return {
    way: scheme === 'exact' ? (method === 'permit2' ? 'permit2' : 'exact') : WAY_OF[scheme],
    method,
    chain: network as ChainId,
    asset,
    payTo,
    amount,
    maxTimeoutSeconds,
    domain,
    signer,
    ...(scheme === 'upto' && { facilitator: facilitatorAddress! }),
    ...(channel && { channel }),
    raw: raw as Record<string, unknown>,
  }
}

const WAY_OF = { upto: 'upto', 'batch-settlement': 'channel' } as const

const channelTerms = (extra: z.infer<typeof payable>['extra']): ChannelTerms | undefined => {
  const { receiverAuthorizer, withdrawDelay = SHORTEST_DELAY, minDeposit = 0n } = extra
  if (receiverAuthorizer === undefined || BigInt(receiverAuthorizer) === 0n) return undefined
  return { receiverAuthorizer, withdrawDelay, minDeposit, stated: statedOf(extra) }
}

const statedOf = (extra: { channelState?: unknown; voucherState?: unknown }): StatedChannel | undefined => {
  const state = statedChannel.safeParse(extra.channelState)
  if (!state.success) return undefined
  const { channelId, balance, totalClaimed, chargedCumulativeAmount: charged } = state.data
  const shown = statedVoucher.safeParse(extra.voucherState)
  const voucher = shown.success
    ? { max: shown.data.signedMaxClaimable, signature: shown.data.signature }
    : undefined
  return { id: channelId, balance, totalClaimed, charged, voucher }
}
