import type { Hex } from '../assets.ts'
import {
  EXACT_PROXY,
  PERMIT2_EXACT_TYPES,
  PERMIT2_UPTO_TYPES,
  permit2Domain,
  UPTO_PROXY,
} from '../wire/contracts.ts'
import { bytes, callData, pad, selector, word } from './abi.ts'
import { type Permit, splitSignature } from './approval.ts'
import { keccak, keccakText } from './keccak.ts'
import { left, typedDigest, typeHash, uint, words } from './typed-data.ts'

/**
 * What a payer allows by Permit2: at most `value` units of `token`, before unix second `validBefore` (Permit2's
 * deadline, itself included) and to `to` alone. `nonce` is Permit2's, as 32 bytes.
 */
export type Permit2Terms = {
  token: Hex
  to: Hex
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
}

/** Terms with their payer and its signature, ready to submit. */
export type SignedPermit2 = Permit2Terms & { from: Hex; signature: Hex }

const DOMAIN_TYPE = keccakText('EIP712Domain(string name,uint256 chainId,address verifyingContract)')
const EXACT_TYPE = typeHash(PERMIT2_EXACT_TYPES, 'PermitWitnessTransferFrom')
const EXACT_WITNESS = typeHash(PERMIT2_EXACT_TYPES, 'Witness')
const UPTO_TYPE = typeHash(PERMIT2_UPTO_TYPES, 'PermitWitnessTransferFrom')
const UPTO_WITNESS = typeHash(PERMIT2_UPTO_TYPES, 'Witness')
const PERMISSIONS_TYPE = typeHash(PERMIT2_EXACT_TYPES, 'TokenPermissions')

const separators = new Map<number, Uint8Array>()

/** Permit2's domain separator, computed once per chain. */
export const permit2Separator = (chainId: number): Uint8Array => {
  const known = separators.get(chainId)
  if (known) return known
  const { name, verifyingContract } = permit2Domain(chainId)
  const made = keccak(words([DOMAIN_TYPE, keccakText(name), uint(BigInt(chainId)), left(verifyingContract)]))
  separators.set(chainId, made)
  return made
}

/** What a payer signs for the exact proxy. It does not name the payer: Permit2 asks who signed. */
export const permit2Digest = (chainId: number, terms: Permit2Terms): Uint8Array => {
  const witness = keccak(words([EXACT_WITNESS, left(terms.to), uint(terms.validAfter)]))
  return permit2WitnessDigest(chainId, {
    type: EXACT_TYPE,
    spender: EXACT_PROXY,
    token: terms.token,
    amount: terms.value,
    nonce: terms.nonce,
    deadline: terms.validBefore,
    witness,
  })
}

/** What a payer signs for the upto proxy; only `facilitator` can settle it. */
export const uptoDigest = (chainId: number, terms: Permit2Terms & { facilitator: Hex }): Uint8Array => {
  const { to, facilitator, validAfter } = terms
  const witness = keccak(words([UPTO_WITNESS, left(to), left(facilitator), uint(validAfter)]))
  return permit2WitnessDigest(chainId, {
    type: UPTO_TYPE,
    spender: UPTO_PROXY,
    token: terms.token,
    amount: terms.value,
    nonce: terms.nonce,
    deadline: terms.validBefore,
    witness,
  })
}

/** Any PermitWitnessTransferFrom, from the hash of its type and of its witness. */
export const permit2WitnessDigest = (
  chainId: number,
  permit: {
    type: Uint8Array
    spender: Hex
    token: Hex
    amount: bigint
    nonce: Hex
    deadline: bigint
    witness: Uint8Array
  },
): Uint8Array => {
  const { type, spender, token, amount, nonce, deadline, witness } = permit
  const permitted = keccak(words([PERMISSIONS_TYPE, left(token), uint(amount)]))
  return typedDigest(
    permit2Separator(chainId),
    keccak(words([type, permitted, left(spender), left(nonce), uint(deadline), witness])),
  )
}

const TRANSFER = '((address,uint256),uint256,uint256)'
const PERMIT = '(uint256,uint256,bytes32,bytes32,uint8)'
const EXACT = `${TRANSFER},address,(address,uint256),bytes`
const UPTO = `${TRANSFER},uint256,address,(address,address,uint256),bytes`
const SETTLE_EXACT = selector(`settle(${EXACT})`)
const SETTLE_EXACT_WITH_PERMIT = selector(`settleWithPermit(${PERMIT},${EXACT})`)
const SETTLE_UPTO = selector(`settle(${UPTO})`)
const SETTLE_UPTO_WITH_PERMIT = selector(`settleWithPermit(${PERMIT},${UPTO})`)

/** Calldata for `EXACT_PROXY`; with `permit`, it first gives Permit2 its allowance. */
export const settleExact = (payment: SignedPermit2, permit?: Permit): Hex => {
  const { from, to, validAfter, signature } = payment
  const rest = [...transferWords(payment), pad(from), pad(to), word(validAfter), bytes(signature)]
  if (!permit) return callData(SETTLE_EXACT, ...rest)
  return callData(SETTLE_EXACT_WITH_PERMIT, ...permitWords(permit), ...rest)
}

/** Calldata for `UPTO_PROXY` that moves `amount` units, from 1 to the signed value; must be sent by `facilitator`. */
export const settleUpto = (
  payment: SignedPermit2 & { amount: bigint; facilitator: Hex },
  permit?: Permit,
): Hex => {
  const { amount, from, to, facilitator, validAfter, signature } = payment
  const witness = [pad(to), pad(facilitator), word(validAfter)]
  const rest = [...transferWords(payment), word(amount), pad(from), ...witness, bytes(signature)]
  if (!permit) return callData(SETTLE_UPTO, ...rest)
  return callData(SETTLE_UPTO_WITH_PERMIT, ...permitWords(permit), ...rest)
}

const transferWords = ({ token, value, nonce, validBefore }: Permit2Terms): string[] => [
  pad(token),
  word(value),
  pad(nonce),
  word(validBefore),
]

// The proxies put v last; the deposit collector puts it first.
const permitWords = ({ value, deadline, signature }: Permit): string[] => {
  const { r, s, v } = splitSignature(signature)
  return [word(value), word(deadline), r, s, v]
}
