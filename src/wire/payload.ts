/** What a payer signs for one payment: EIP-3009, or Permit2 with the witness of `exact` or `upto`. Source: x402 scheme_exact_evm, scheme_upto_evm. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { EXACT_PROXY, UPTO_PROXY } from './contracts.ts'
import { address, addressOf, chosen, hex, signature, uint, word } from './fields.ts'

export type Kind = 'eip3009' | 'permit2' | 'upto'

/**
 * A signed right to move a payer's money once, in canonical form: lower-case hex, an account's signature with low s and v
 * 27 or 28. With Permit2 `nonce` is its uint256 as 32 bytes, `validBefore` its deadline, `value` the permitted amount and
 * `to`, `validAfter` and `facilitator` (upto: who alone may settle) come from the witness.
 */
export type Authorization = {
  kind: Kind
  from: Hex
  to: Hex
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
  signature: Hex
  token?: Hex
  facilitator?: Hex
}

/** Reads a payload that carries an EIP-3009 TransferWithAuthorization: `exact`, and all that v1 knows. */
export const eip3009Payload = z
  .object({
    signature,
    authorization: z.object({
      from: address,
      to: address,
      value: uint(256),
      validAfter: uint(256),
      validBefore: uint(256),
      nonce: hex(32),
    }),
  })
  .transform(
    ({ signature, authorization }): Authorization => ({ kind: 'eip3009', ...authorization, signature }),
  )

const permitted = { from: address, permitted: z.object({ token: address, amount: uint(256) }) }
const witness = { to: address, validAfter: uint(256) }

const permit2Payload = z
  .object({
    signature,
    permit2Authorization: z.object({
      ...permitted,
      spender: addressOf(EXACT_PROXY, "the exact scheme's Permit2 proxy"),
      nonce: uint(256),
      deadline: uint(256),
      witness: z.object(witness),
    }),
  })
  .transform(
    ({ signature, permit2Authorization: signed }): Authorization => ({
      kind: 'permit2',
      ...permit2(signed),
      signature,
    }),
  )

/** Reads a payload of `upto`: Permit2 through its own proxy, with the settler named in the witness. */
export const uptoPayload = z
  .object({
    signature,
    permit2Authorization: z.object({
      ...permitted,
      spender: addressOf(UPTO_PROXY, "the upto scheme's Permit2 proxy"),
      nonce: uint(256),
      deadline: uint(256),
      witness: z.object({ ...witness, facilitator: address }),
    }),
  })
  .transform(
    ({ signature, permit2Authorization: signed }): Authorization => ({
      kind: 'upto',
      ...permit2(signed),
      signature,
      facilitator: signed.witness.facilitator,
    }),
  )

/** Reads a payload of `exact`: the field that is there tells EIP-3009 from Permit2; both at once are refused. */
export const exactPayload = chosen<Authorization>((fields) => {
  if (fields['permit2Authorization'] === undefined) return eip3009Payload
  if (fields['authorization'] === undefined) return permit2Payload
  return 'carries both authorization and permit2Authorization'
})

type Permit2 = {
  from: Hex
  permitted: { token: Hex; amount: bigint }
  nonce: bigint
  deadline: bigint
  witness: { to: Hex; validAfter: bigint }
}

const permit2 = ({ from, permitted, nonce, deadline, witness }: Permit2) => ({
  from,
  to: witness.to,
  value: permitted.amount,
  validAfter: witness.validAfter,
  validBefore: deadline,
  nonce: word(nonce),
  token: permitted.token,
})
