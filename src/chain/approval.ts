import type { Hex } from '../assets.ts'
import { EIP2612_TYPES } from '../wire/contracts.ts'
import { callData, pad, selector, word } from './abi.ts'
import { keccak } from './keccak.ts'
import { left, typedDigest, typeHash, uint, words } from './typed-data.ts'

/** A signed EIP-2612 allowance for Permit2, in token units; `deadline` in unix seconds, `signature` of 65 bytes. */
export type Permit = { value: bigint; deadline: bigint; signature: Hex }

const PERMIT_TYPE = typeHash(EIP2612_TYPES, 'Permit')
const APPROVE = selector('approve(address,uint256)')
const TRANSFER = selector('transfer(address,uint256)')

/** What an owner signs for an EIP-2612 allowance; `separator` is the token's, `nonce` what `nonces(owner)` says. */
export const permitDigest = (
  separator: Uint8Array,
  permit: { owner: Hex; spender: Hex; value: bigint; nonce: bigint; deadline: bigint },
): Uint8Array => {
  const { owner, spender, value, nonce, deadline } = permit
  return typedDigest(
    separator,
    keccak(words([PERMIT_TYPE, left(owner), left(spender), uint(value), uint(nonce), uint(deadline)])),
  )
}

/** The words r, s and v of a 65-byte signature, each padded to 32 bytes, without 0x. */
export const splitSignature = (signature: Hex): { r: string; s: string; v: string } => ({
  r: signature.slice(2, 66),
  s: signature.slice(66, 130),
  v: signature.slice(130).padStart(64, '0'),
})

/** Calldata of an ERC-20 allowance. USDT takes a new one only after one of 0. */
export const approveData = (spender: Hex, amount: bigint): Hex =>
  callData(APPROVE, pad(spender), word(amount))

/** Calldata of an ERC-20 transfer out of the sender's own balance. */
export const tokenTransferData = (to: Hex, amount: bigint): Hex => callData(TRANSFER, pad(to), word(amount))

/** The gas limit of an ERC-20 transfer to an account that may be new to the token; Circle's and Tether's need up to 66,000. */
export const TOKEN_TRANSFER_GAS = 90_000n
