import type { Hex } from '../assets.ts'
import {
  ERC3009_COLLECTOR,
  PERMIT2_COLLECTOR,
  PERMIT2_DEPOSIT_TYPES,
  RECEIVE_TYPES,
} from '../wire/contracts.ts'
import { bytes, encode, pad, word } from './abi.ts'
import { type Permit, splitSignature } from './approval.ts'
import { keccak } from './keccak.ts'
import { permit2WitnessDigest } from './permit2.ts'
import { fromHex, toHex } from './signatures.ts'
import { left, typedDigest, typeHash, uint, words } from './typed-data.ts'

const RECEIVE_TYPE = typeHash(RECEIVE_TYPES, 'ReceiveWithAuthorization')
const PERMIT2_TYPE = typeHash(PERMIT2_DEPOSIT_TYPES, 'PermitWitnessTransferFrom')
const WITNESS_TYPE = typeHash(PERMIT2_DEPOSIT_TYPES, 'DepositWitness')

/** The EIP-3009 nonce of a deposit, which ties it to one channel; the payer chooses `salt`, 32 bytes. */
export const depositNonce = (channelId: Hex, salt: Hex): Hex =>
  toHex(keccak(words([left(channelId), left(salt)])))

/** What a payer signs to deposit by EIP-3009; `separator` is the token's. */
export const receiveDigest = (
  separator: Uint8Array,
  deposit: {
    from: Hex
    value: bigint
    validAfter: bigint
    validBefore: bigint
    channelId: Hex
    salt: Hex
  },
): Uint8Array => {
  const { from, value, validAfter, validBefore, channelId, salt } = deposit
  const fields = [left(from), left(ERC3009_COLLECTOR), uint(value), uint(validAfter), uint(validBefore)]
  const nonce = fromHex(depositNonce(channelId, salt))
  return typedDigest(separator, keccak(words([RECEIVE_TYPE, ...fields, nonce])))
}

/** What a payer signs to deposit by Permit2; `nonce` as 32 bytes, `deadline` in unix seconds. */
export const permit2DepositDigest = (
  chainId: number,
  deposit: { token: Hex; amount: bigint; nonce: Hex; deadline: bigint; channelId: Hex },
): Uint8Array => {
  const { channelId, ...rest } = deposit
  return permit2WitnessDigest(chainId, {
    ...rest,
    type: PERMIT2_TYPE,
    spender: PERMIT2_COLLECTOR,
    witness: keccak(words([WITNESS_TYPE, left(channelId)])),
  })
}

/** `collectorData` for `ERC3009_COLLECTOR`. */
export const erc3009CollectorData = (deposit: {
  validAfter: bigint
  validBefore: bigint
  salt: Hex
  signature: Hex
}): Hex => {
  const { validAfter, validBefore, salt, signature } = deposit
  return `0x${encode([word(validAfter), word(validBefore), pad(salt), bytes(signature)])}`
}

/** `collectorData` for `PERMIT2_COLLECTOR`; with `permit`, it first gives Permit2 its allowance. */
export const permit2CollectorData = (
  deposit: { nonce: Hex; deadline: bigint; signature: Hex },
  permit?: Permit,
): Hex => {
  const { nonce, deadline, signature } = deposit
  const allowance = permit ? permitData(permit) : '0x'
  return `0x${encode([pad(nonce), word(deadline), bytes(signature), bytes(allowance)])}`
}

// The collector puts v first; the proxies put it last.
const permitData = ({ value, deadline, signature }: Permit): Hex => {
  const { r, s, v } = splitSignature(signature)
  return `0x${encode([word(value), word(deadline), v, r, s])}`
}
