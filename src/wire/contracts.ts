/** The public contracts that x402 pays through, and what payers sign for them. Source: @x402/evm 2.27, `constants` of exact, upto and batch-settlement. */
import type { Hex } from '../assets.ts'

/** Uniswap's Permit2, at one address on every chain. */
export const PERMIT2: Hex = '0x000000000022d473030f116ddee9f6b43ac78ba3'
/** Moves exactly what was signed; anybody may submit. */
export const EXACT_PROXY: Hex = '0x402085c248eea27d92e8b30b2c58ed07f9e20001'
/** Moves at most what was signed; only the signed facilitator may submit. */
export const UPTO_PROXY: Hex = '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002'
/** Holds the channels of the batch-settlement scheme. */
export const BATCH_SETTLEMENT: Hex = '0x4020074e9df2ce1dee5a9c1b5c3f541d02a10003'
/** Takes a channel's deposit by EIP-3009. */
export const ERC3009_COLLECTOR: Hex = '0x4020806089470a89826cb9fb1f4059150b550004'
/** Takes a channel's deposit by Permit2. */
export const PERMIT2_COLLECTOR: Hex = '0x4020425faf3b746c082c2f942b4e5159887b0005'
/** Several calls in one transaction; the targets see Multicall3 as the sender. */
export const MULTICALL3: Hex = '0xca11bde05977b3631167028862be2a173976ca11'

/** What makes a channel: its EIP-712 hash is the channel's id. `withdrawDelay` is in seconds, from 900 to 2,592,000. */
export type ChannelConfig = {
  payer: Hex
  /** Signs the vouchers; the zero address leaves that to the payer. */
  payerAuthorizer: Hex
  receiver: Hex
  /** Signs claims and refunds. */
  receiverAuthorizer: Hex
  token: Hex
  withdrawDelay: number
  salt: Hex
}

/** Permit2's EIP-712 domain, which has no version. */
export const permit2Domain = (chainId: number) => ({
  name: 'Permit2' as const,
  chainId,
  verifyingContract: PERMIT2,
})

/** The EIP-712 domain of vouchers, refunds, claim batches and channel ids. */
export const channelDomain = (chainId: number) => ({
  name: 'x402 Batch Settlement' as const,
  version: '1' as const,
  chainId,
  verifyingContract: BATCH_SETTLEMENT,
})

const transferFrom = <const W extends string>(witness: W) =>
  [
    { name: 'permitted', type: 'TokenPermissions' },
    { name: 'spender', type: 'address' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
    { name: 'witness', type: witness },
  ] as const
const TokenPermissions = [
  { name: 'token', type: 'address' },
  { name: 'amount', type: 'uint256' },
] as const

/** Signed for `EXACT_PROXY`. */
export const PERMIT2_EXACT_TYPES = {
  PermitWitnessTransferFrom: transferFrom('Witness'),
  TokenPermissions,
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const

/** Signed for `UPTO_PROXY`. */
export const PERMIT2_UPTO_TYPES = {
  PermitWitnessTransferFrom: transferFrom('Witness'),
  TokenPermissions,
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'facilitator', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const

/** Signed for `PERMIT2_COLLECTOR`: binds a deposit to its channel. */
export const PERMIT2_DEPOSIT_TYPES = {
  PermitWitnessTransferFrom: transferFrom('DepositWitness'),
  TokenPermissions,
  DepositWitness: [{ name: 'channelId', type: 'bytes32' }],
} as const

/** Signed for `ERC3009_COLLECTOR`, under the token's own domain. */
export const RECEIVE_TYPES = {
  ReceiveWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** An EIP-2612 allowance, under the token's own domain. */
export const EIP2612_TYPES = {
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

export const CHANNEL_CONFIG_TYPES = {
  ChannelConfig: [
    { name: 'payer', type: 'address' },
    { name: 'payerAuthorizer', type: 'address' },
    { name: 'receiver', type: 'address' },
    { name: 'receiverAuthorizer', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'withdrawDelay', type: 'uint40' },
    { name: 'salt', type: 'bytes32' },
  ],
} as const

/** Signed per call; the amount is the total since the channel was opened. */
export const VOUCHER_TYPES = {
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' },
  ],
} as const

/** Signed by the receiver's authorizer to give a deposit back. */
export const REFUND_TYPES = {
  Refund: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'nonce', type: 'uint256' },
    { name: 'amount', type: 'uint128' },
  ],
} as const

/** Signed by the receiver's authorizer so that anybody may submit its claims. */
export const CLAIM_BATCH_TYPES = {
  ClaimBatch: [{ name: 'claims', type: 'ClaimEntry[]' }],
  ClaimEntry: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' },
    { name: 'totalClaimed', type: 'uint128' },
  ],
} as const
