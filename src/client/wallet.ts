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

/** EIP-712 typed data as a wallet gets it: numbers are bigint. */
export type TypedDataToSign = {
  domain: { name: string; version?: string; chainId: number; verifyingContract: Hex }
  types: Record<string, readonly { name: string; type: string }[]>
  primaryType: string
  message: Record<string, unknown>
}

/** A transaction that approves Permit2 once; the router funds and sends it. Fees in wei. */
export type ApprovalToSign = {
  type: 'eip1559'
  chainId: number
  nonce: number
  to: Hex
  data: Hex
  gas: bigint
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/**
 * Who pays. A viem `LocalAccount` is one as it is; so is anything that signs EIP-712, such as a key in a vault.
 * `signTransaction` is needed only to approve Permit2 for a token without permits, such as USDT.
 */
export type Wallet = {
  address: Hex
  signTypedData: (typed: TypedDataToSign) => Promise<Hex>
  signTransaction?: (transaction: ApprovalToSign) => Promise<Hex>
}

/** Signs typed data; a plain account's signature comes back with v of 27 or 28, which is what tokens and routers want. */
export const signTyped = async (wallet: Wallet, typed: TypedDataToSign): Promise<Hex> => {
  const signature = await wallet.signTypedData(typed)
  if (signature.length !== 132) return signature
  const v = signature.slice(130)
  if (v === '00') return `${signature.slice(0, 130)}1b` as Hex
  return v === '01' ? (`${signature.slice(0, 130)}1c` as Hex) : signature
}

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

/** A signed struct as JSON: numbers as decimal strings. */
export const printed = <T extends Record<string, unknown>>(
  message: T,
): { [K in keyof T]: T[K] extends bigint ? string : T[K] } =>
  Object.fromEntries(
    Object.entries(message).map(([key, value]) => [
      key,
      typeof value === 'bigint' ? value.toString() : value,
    ]),
  ) as { [K in keyof T]: T[K] extends bigint ? string : T[K] }
