import type { Asset, Hex } from '../assets.ts'
import {
  CHANNEL_CONFIG_TYPES,
  type ChannelConfig,
  CLAIM_BATCH_TYPES,
  channelDomain,
  REFUND_TYPES,
  VOUCHER_TYPES,
} from '../wire/contracts.ts'
import { keccak } from './keccak.ts'
import { toHex } from './signatures.ts'
import { domainSeparator, left, typedDigest, typeHash, uint, words } from './typed-data.ts'

/** What a claim takes from one channel, in token units since the channel was opened; `totalClaimed` is at most what the voucher allows. */
export type ClaimEntry = { channelId: Hex; maxClaimableAmount: bigint; totalClaimed: bigint }

const CONFIG_TYPE = typeHash(CHANNEL_CONFIG_TYPES, 'ChannelConfig')
const VOUCHER_TYPE = typeHash(VOUCHER_TYPES, 'Voucher')
const REFUND_TYPE = typeHash(REFUND_TYPES, 'Refund')
const BATCH_TYPE = typeHash(CLAIM_BATCH_TYPES, 'ClaimBatch')
const ENTRY_TYPE = typeHash(CLAIM_BATCH_TYPES, 'ClaimEntry')

const separators = new Map<number, Uint8Array>()

/** The settlement contract's domain separator, computed once per chain. */
export const channelSeparator = (chainId: number): Uint8Array => {
  const known = separators.get(chainId)
  if (known) return known
  const { name, version, verifyingContract } = channelDomain(chainId)
  const domain: Pick<Asset, 'name' | 'version' | 'chain' | 'address'> = {
    name,
    version,
    chain: `eip155:${chainId}`,
    address: verifyingContract,
  }
  const made = domainSeparator(domain)
  separators.set(chainId, made)
  return made
}

/** The id of a channel: the same configuration has another one on every chain. */
export const channelIdOf = (chainId: number, config: ChannelConfig): Hex => {
  const struct = words([
    CONFIG_TYPE,
    left(config.payer),
    left(config.payerAuthorizer),
    left(config.receiver),
    left(config.receiverAuthorizer),
    left(config.token),
    uint(BigInt(config.withdrawDelay)),
    left(config.salt),
  ])
  return toHex(typedDigest(channelSeparator(chainId), keccak(struct)))
}

/** What the payer's authorizer signs: the channel may be claimed up to this total. */
export const voucherDigest = (
  chainId: number,
  voucher: { channelId: Hex; maxClaimableAmount: bigint },
): Uint8Array =>
  typedDigest(
    channelSeparator(chainId),
    keccak(words([VOUCHER_TYPE, left(voucher.channelId), uint(voucher.maxClaimableAmount)])),
  )

/** What the receiver's authorizer signs to give `amount` back; `nonce` is what `refundNonce(channelId)` says. */
export const refundDigest = (
  chainId: number,
  refund: { channelId: Hex; nonce: bigint; amount: bigint },
): Uint8Array =>
  typedDigest(
    channelSeparator(chainId),
    keccak(words([REFUND_TYPE, left(refund.channelId), uint(refund.nonce), uint(refund.amount)])),
  )

/** What the receiver's authorizer signs so that anybody may submit these claims, in this order. */
export const claimBatchDigest = (chainId: number, entries: readonly ClaimEntry[]): Uint8Array => {
  const hashes = entries.map(({ channelId, maxClaimableAmount, totalClaimed }) =>
    keccak(words([ENTRY_TYPE, left(channelId), uint(maxClaimableAmount), uint(totalClaimed)])),
  )
  return typedDigest(channelSeparator(chainId), keccak(words([BATCH_TYPE, keccak(words(hashes))])))
}
