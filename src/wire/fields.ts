/** The fields of a payment as strangers write them, each read to one spelling. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { parseAmount } from '../money.ts'

/** Exactly so many bytes, read to lower case. */
export const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`), `must be 0x and ${bytes * 2} hex digits`)
    .transform((value) => value.toLowerCase() as Hex)

export const address = hex(20)

/** An address that the scheme leaves no choice about; `of` is its lower-case form. */
export const addressOf = (of: Hex, name: string) =>
  address.refine((value) => value === of, `must be ${name}, ${of}`)

/** One to `most` whole bytes, read to lower case. */
export const bytes = (most: number) =>
  z
    .string()
    .max(2 + most * 2, `must be at most ${most} bytes`)
    .regex(/^0x(?:[0-9a-fA-F]{2})+$/, 'must be 0x and whole bytes in hex')
    .transform((value) => value.toLowerCase() as Hex)

/** A plain decimal, without sign, leading zeros or spaces, that fits into so many bits. */
export const uint = (bits: 128 | 256) =>
  z.string().transform((value, ctx) => {
    const parsed = parseAmount(value)
    if (parsed !== undefined && parsed < 2n ** BigInt(bits)) return parsed
    ctx.addIssue({ code: 'custom', message: `must be a plain decimal below 2^${bits}` })
    return z.NEVER
  })

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const HALF_ORDER = ORDER / 2n
const ERC6492_MAGIC = '6492'.repeat(16)

/** An account's own signature has one spelling only: r in the group, s in its lower half, v of 27 or 28. */
const plainProblem = (signature: Hex): string | undefined => {
  const r = BigInt(`0x${signature.slice(2, 66)}`)
  const s = BigInt(`0x${signature.slice(66, 130)}`)
  if (r === 0n || r >= ORDER) return 'r must be above zero and below the order of the curve'
  if (s === 0n || s > HALF_ORDER) return 's must be in the lower half'
  if (!/1[bc]$/.test(signature)) return 'v must be 27 or 28'
  return undefined
}

/** An account's signature, r ‖ s ‖ v. */
export const plainSignature = hex(65).superRefine((value, ctx) => {
  const problem = plainProblem(value)
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem })
})

/** 65 bytes are an account's; any other length is a contract's (ERC-1271), which must be on the chain already: no ERC-6492. */
export const signature = bytes(2048).superRefine((value, ctx) => {
  const problem = value.endsWith(ERC6492_MAGIC)
    ? 'an ERC-6492 signature of a wallet that is not deployed yet is not taken; deploy the wallet first'
    : isPlainSignature(value)
      ? plainProblem(value)
      : undefined
  if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem })
})

/** Is it as long as an account's signature? If not, only the payer's contract can tell whether it holds. */
export const isPlainSignature = (signature: Hex): boolean => signature.length === 132

/** A uint256 as 32 bytes of hex: the form in which nonces are kept. */
export const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`

/** Chooses a reader by the fields that are there, so that a refusal names the field at fault; a string is the refusal. */
export const chosen = <T>(choose: (fields: Record<string, unknown>) => z.ZodType<T> | string) =>
  z.record(z.string(), z.unknown()).transform((fields, ctx): T => {
    const schema = choose(fields)
    if (typeof schema === 'string') {
      ctx.addIssue({ code: 'custom', message: schema })
      return z.NEVER
    }
    const parsed = schema.safeParse(fields)
    if (parsed.success) return parsed.data
    for (const { path, message } of parsed.error.issues) ctx.addIssue({ code: 'custom', path, message })
    return z.NEVER
  })
