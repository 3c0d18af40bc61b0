/** What a payer adds to a payment under `extensions`: an allowance for Permit2 that we submit, and an id of its own. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { PERMIT2 } from './contracts.ts'
import { address, addressOf, bytes, chosen, plainSignature, uint } from './fields.ts'

/**
 * An allowance for Permit2 whose gas we pay: a signed EIP-2612 permit, or a signed transaction `raw` that calls approve.
 * Only the shape is read here: whose it is, for which token, and what `raw` really says are to be checked by the caller.
 */
export type Sponsored =
  | {
      by: 'eip2612'
      from: Hex
      asset: Hex
      spender: Hex
      value: bigint
      nonce: bigint
      deadline: bigint
      signature: Hex
    }
  | { by: 'approval'; from: Hex; asset: Hex; spender: Hex; value: bigint; raw: Hex }

/** The only extra a payer may add; an extension merely echoed adds nothing, but that `offer-receipt` is there asks for its receipt. */
export type Added = { sponsored?: Sponsored; identifier?: string; proof?: true }

const allowance = {
  from: address,
  asset: address,
  spender: addressOf(PERMIT2, 'Permit2'),
  amount: uint(256),
  version: z.literal('1'),
}

const eip2612 = z
  .object({ ...allowance, nonce: uint(256), deadline: uint(256), signature: plainSignature })
  .transform(({ amount, version: _, ...rest }): Sponsored => ({ by: 'eip2612', value: amount, ...rest }))

const approval = z.object({ ...allowance, signedTransaction: bytes(2048) }).transform(
  ({ amount, signedTransaction, version: _, ...rest }): Sponsored => ({
    by: 'approval',
    value: amount,
    raw: signedTransaction,
    ...rest,
  }),
)

// The official client echoes every declared extension; only one with the payer's own field was used.
const usedWith = (field: string, schema: z.ZodType<Sponsored>) =>
  z
    .object({
      info: chosen<Sponsored | undefined>((info) => (info[field] === undefined ? unused : schema)).optional(),
    })
    .optional()
const unused = z.unknown().transform(() => undefined)

const identifier = z
  .string()
  .regex(/^[A-Za-z0-9_-]{16,128}$/, 'must be 16 to 128 letters, digits, hyphens or underscores')

/** Reads the `extensions` of a payment; unknown ones are left aside, two allowances at once are refused. */
export const payloadExtensions = z
  .object({
    eip2612GasSponsoring: usedWith('signature', eip2612),
    erc20ApprovalGasSponsoring: usedWith('signedTransaction', approval),
    'payment-identifier': z.object({ info: z.object({ id: identifier.optional() }).optional() }).optional(),
    'offer-receipt': z.unknown().optional(),
  })
  .transform((extensions, ctx): Added => {
    const permit = extensions.eip2612GasSponsoring?.info
    const approve = extensions.erc20ApprovalGasSponsoring?.info
    const id = extensions['payment-identifier']?.info?.id
    if (permit !== undefined && approve !== undefined)
      ctx.addIssue({ code: 'custom', message: 'carries both a permit and an approval' })
    const sponsored = permit ?? approve
    return {
      ...(sponsored !== undefined && { sponsored }),
      ...(id !== undefined && { identifier: id }),
      ...(extensions['offer-receipt'] != null && { proof: true as const }),
    }
  })
