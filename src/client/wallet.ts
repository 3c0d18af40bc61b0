import { type Address, isAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { Hex } from '../assets.ts'

/** The EIP-3009 struct that a payer signs; field order is part of the signature. */
export const TRANSFER_TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** One authorization as typed data: `value` in token units, times in Unix seconds. */
export type TransferTypedData = {
  domain: { name: string; version: string; chainId: number; verifyingContract: Hex }
  types: typeof TRANSFER_TYPES
  primaryType: 'TransferWithAuthorization'
  message: { from: Hex; to: Hex; value: bigint; validAfter: bigint; validBefore: bigint; nonce: Hex }
}

/** Who pays. A viem `LocalAccount` is one as it is; so is anything that signs EIP-712, such as a key in a vault. */
export type Wallet = { address: Hex; signTypedData: (typed: TransferTypedData) => Promise<Hex> }

/** A wallet from a private key (64 hex digits, with or without 0x); throws without repeating the key when it is none. */
export const walletFromKey = (hexKey: string): Wallet => {
  const digits = hexKey.trim().replace(/^0x/i, '')
  if (!/^[0-9a-fA-F]{64}$/.test(digits))
    throw new TypeError('A wallet key is 64 hex digits, with or without 0x.')
  try {
    return privateKeyToAccount(`0x${digits}`)
  } catch {
    throw new TypeError('This wallet key is not a valid secp256k1 key.')
  }
}

/** Throws when the wallet's address is none, before any money is asked for. */
export const checkWallet = ({ address }: Wallet): Address => {
  if (!isAddress(address, { strict: false })) throw new TypeError('wallet.address is not an address.')
  return address
}
