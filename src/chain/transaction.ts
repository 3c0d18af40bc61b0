import type { Hex } from '../assets.ts'
import type { Authorization } from '../wire/payment.ts'
import { bytes, callData, pad, selector, word } from './abi.ts'
import { type Delegation, delegationFields } from './delegate.ts'
import { keccak } from './keccak.ts'
import { EMPTY_LIST, type RlpItem, rlpList, rlpNumber, trimmed } from './rlp.ts'
import { curve, fromHex, toHex } from './signatures.ts'
import { left, uint } from './typed-data.ts'

/** A settler's account: its key and lower-case address. It holds gas only. */
export type Settler = { key: Uint8Array; address: Hex }

/** Fees in wei per gas. */
export type Fees = { maxFee: bigint; tip: bigint }

export type Unsigned = {
  chainId: number
  nonce: number
  to: Hex
  data: Hex
  gas: bigint
  fees: Fees
  /** wei sent along; none when left out. */
  value?: bigint
  /** Accounts that take code with this transaction, which makes it one of EIP-7702. */
  authorizationList?: readonly Delegation[]
}

const SELECTOR = selector(
  'transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)',
)

/** The gas limit of one EIP-3009 transfer by an externally owned account; Circle's token needs about 86,000 with a fresh recipient. */
export const TRANSFER_GAS = 130_000n

/** Calldata that moves an authorized amount. */
export const transferData = (authorization: Omit<Authorization, 'kind'>): Hex => {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization
  const v = BigInt(`0x${signature.slice(130)}`)
  const words = [left(from), left(to), uint(value), uint(validAfter), uint(validBefore), left(nonce), uint(v)]
  return `${SELECTOR}${Buffer.concat(words).toString('hex')}${signature.slice(2, 130)}`
}

const BYTES_SELECTOR = selector(
  'transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)',
)

/** As `transferData`, by the overload that takes a signature of any length: for payers that are contracts. Only newer tokens have it (USDC from 2.2). */
export const transferDataOfContract = (
  authorization: Pick<
    Authorization,
    'from' | 'to' | 'value' | 'validAfter' | 'validBefore' | 'nonce' | 'signature'
  >,
): Hex => {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization
  const times = [word(validAfter), word(validBefore)]
  return callData(BYTES_SELECTOR, pad(from), pad(to), word(value), ...times, pad(nonce), bytes(signature))
}

/** Signs an EIP-1559 transaction, or one of EIP-7702 when it delegates: the bytes to send, and the hash they will have. Written out for speed; tested against viem's, byte for byte. */
export const signTransaction = async (settler: Settler, tx: Unsigned): Promise<{ raw: Hex; hash: Hex }> => {
  const list = tx.authorizationList ?? []
  const type = list.length === 0 ? TYPE_2 : TYPE_4
  const fields: RlpItem[] = [
    rlpNumber(BigInt(tx.chainId)),
    rlpNumber(BigInt(tx.nonce)),
    rlpNumber(tx.fees.tip),
    rlpNumber(tx.fees.maxFee),
    rlpNumber(tx.gas),
    fromHex(tx.to),
    rlpNumber(tx.value ?? 0n),
    fromHex(tx.data),
    EMPTY_LIST,
    ...(list.length === 0 ? [] : [list.map(delegationFields)]),
  ]
  const { rs, parity } = await curve.sign(keccak(typed(type, fields)), settler.key)
  const raw = typed(type, [
    ...fields,
    rlpNumber(BigInt(parity)),
    trimmed(rs.subarray(0, 32)),
    trimmed(rs.subarray(32)),
  ])
  return { raw: toHex(raw), hash: toHex(keccak(raw)) }
}

const TYPE_2 = Uint8Array.of(2)

const TYPE_4 = Uint8Array.of(4)

const typed = (type: Uint8Array, fields: readonly RlpItem[]): Uint8Array =>
  Buffer.concat([type, rlpList(fields)])
