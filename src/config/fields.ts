/** Values as an operator writes them: addresses, dollars and percentages as strings, names. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { parsePercent, parseRate, parseUsd } from '../money.ts'

/** An address, lower-cased. */
export const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase() as Hex)
export const id = z
  .string()
  .regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 printable ASCII characters without spaces')
export const url = z.url({ protocol: /^https?$/ })
export const usd = z
  .string()
  .transform((text, ctx) => parsed(parseUsd(text), ctx, 'must be dollars as a string, such as "0.05"'))
export const rate = z
  .string()
  .transform((text, ctx) =>
    parsed(parseRate(text), ctx, 'must be dollars per million tokens as a string, such as "0.15"'),
  )
export const percent = z
  .string()
  .transform((text, ctx) => parsed(parsePercent(text), ctx, 'must be a percentage as a string, such as "5"'))
export const count = z.int().positive()

const parsed = <T>(value: T | undefined, ctx: z.RefinementCtx, message: string): T => {
  if (value !== undefined) return value
  ctx.addIssue({ code: 'custom', message })
  return z.NEVER
}
