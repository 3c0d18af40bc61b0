import type { Hex } from '../assets.ts'
import type { ChannelConfig } from '../wire/contracts.ts'
import { bytes, callData, list, type Part, pad, selector, struct, word } from './abi.ts'

/** Calldata for `BATCH_SETTLEMENT`. Amounts are token units below 2^128. */

/** A voucher with its payer's signature and the total that the channel shall have given after the claim. */
export type VoucherClaim = {
  config: ChannelConfig
  maxClaimableAmount: bigint
  signature: Hex
  totalClaimed: bigint
}

const CONFIG = '(address,address,address,address,address,uint40,bytes32)'
const CLAIMS = `((${CONFIG},uint128),bytes,uint128)[]`
const DEPOSIT = selector(`deposit(${CONFIG},uint128,address,bytes)`)
const CLAIM = selector(`claim(${CLAIMS})`)
const CLAIM_WITH_SIGNATURE = selector(`claimWithSignature(${CLAIMS},bytes)`)
const SETTLE = selector('settle(address,address)')
const REFUND = selector(`refund(${CONFIG},uint128)`)
const REFUND_WITH_SIGNATURE = selector(`refundWithSignature(${CONFIG},uint128,uint256,bytes)`)
const MULTICALL = selector('multicall(bytes[])')

/** Opens a channel or adds to it; `collector` takes the money as `collectorData` says. */
export const depositData = (deposit: {
  config: ChannelConfig
  amount: bigint
  collector: Hex
  collectorData: Hex
}): Hex =>
  callData(
    DEPOSIT,
    configWords(deposit.config),
    word(deposit.amount),
    pad(deposit.collector),
    bytes(deposit.collectorData),
  )

/** Claims for the sender, who must be receiver or receiver's authorizer of every channel. */
export const claimData = (claims: readonly VoucherClaim[]): Hex => callData(CLAIM, claimList(claims))

/** Claims under the receiver's authorizer's signature over `claimBatchDigest`; anybody may submit. */
export const claimWithSignatureData = (claims: readonly VoucherClaim[], signature: Hex): Hex =>
  callData(CLAIM_WITH_SIGNATURE, claimList(claims), bytes(signature))

/** Pays everything claimed and not yet settled to the receiver; anybody may submit, nothing happens when there is none. */
export const settleData = (receiver: Hex, token: Hex): Hex => callData(SETTLE, pad(receiver), pad(token))

/** Gives a deposit back, at most what is not claimed; sent by receiver or receiver's authorizer. */
export const refundData = (config: ChannelConfig, amount: bigint): Hex =>
  callData(REFUND, configWords(config), word(amount))

/** As `refundData` under the receiver's authorizer's signature over `refundDigest`; anybody may submit. */
export const refundWithSignatureData = (refund: {
  config: ChannelConfig
  amount: bigint
  nonce: bigint
  signature: Hex
}): Hex =>
  callData(
    REFUND_WITH_SIGNATURE,
    configWords(refund.config),
    word(refund.amount),
    word(refund.nonce),
    bytes(refund.signature),
  )

/** Several calls to the contract in one, all or nothing, with the sender kept. */
export const channelMulticallData = (calls: readonly Hex[]): Hex =>
  callData(MULTICALL, list(calls.map(bytes)))

const claimList = (claims: readonly VoucherClaim[]): Part =>
  list(
    claims.map(({ config, maxClaimableAmount, signature, totalClaimed }) =>
      struct(configWords(config), word(maxClaimableAmount), bytes(signature), word(totalClaimed)),
    ),
  )

const configWords = (config: ChannelConfig): string =>
  [
    pad(config.payer),
    pad(config.payerAuthorizer),
    pad(config.receiver),
    pad(config.receiverAuthorizer),
    pad(config.token),
    word(config.withdrawDelay),
    pad(config.salt),
  ].join('')
