import type { Hex } from '../assets.ts'
import { keccak } from './keccak.ts'
import { type RlpItem, rlpList, rlpNumber, trimmed } from './rlp.ts'
import { curve, fromHex } from './signatures.ts'

/** A signed wish of an account to run the code at `address`. Source: EIP-7702. */
export type Delegation = {
  chainId: number
  address: Hex
  nonce: number
  parity: 0 | 1
  /** r ‖ s, 64 bytes. */
  rs: Uint8Array
}

/**
 * Lets the account of `key` run the code at `address`; the zero address takes the code away. `nonce` is the account's
 * own when the list is read: one above the transaction's when the account sends the transaction itself.
 */
export const signDelegation = async (wish: {
  chainId: number
  address: Hex
  nonce: number
  key: Uint8Array
}): Promise<Delegation> => {
  const { chainId, address, nonce, key } = wish
  const digest = keccak(Buffer.concat([MAGIC, rlpList(wishFields(wish))]))
  const { rs, parity } = await curve.sign(digest, key)
  return { chainId, address, nonce, parity, rs }
}

/** A delegation as a transaction lists it. */
export const delegationFields = (made: Delegation): RlpItem[] => [
  ...wishFields(made),
  rlpNumber(BigInt(made.parity)),
  trimmed(made.rs.subarray(0, 32)),
  trimmed(made.rs.subarray(32)),
]

/** Where an account's code (`eth_getCode`) delegates to; undefined when it does not. */
export const delegateOf = (code: string): Hex | undefined =>
  /^0xef0100[0-9a-f]{40}$/i.test(code) ? (`0x${code.slice(8).toLowerCase()}` as Hex) : undefined

const MAGIC = Uint8Array.of(5)

const wishFields = (wish: { chainId: number; address: Hex; nonce: number }): Uint8Array[] => [
  rlpNumber(BigInt(wish.chainId)),
  fromHex(wish.address),
  rlpNumber(BigInt(wish.nonce)),
]
