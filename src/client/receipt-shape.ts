import { z } from 'zod'
import type { ChainId, Hex } from '../assets.ts'
import { parseAmount } from '../money.ts'
import type { SignedReceipt } from '../wire/receipt.ts'

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`), `must be 0x and ${bytes * 2} hex digits`)
    .transform((text) => text.toLowerCase() as Hex)
const units = z
  .string()
  .refine((text) => (parseAmount(text) ?? LIMIT) < LIMIT, 'must be a plain decimal below 2^256')
const count = z.int().min(0)
const word = z.string().max(1000)
const LIMIT = 2n ** 256n

/** A signed receipt as a stranger sends it: its shape only, hex in lower case. Whether it is true is `verifyReceipt`'s matter. */
export const signedReceiptSchema = z.object({
  receipt: z.object({
    callId: word,
    quoteId: word,
    issuedAt: count,
    chain: z
      .string()
      .regex(/^eip155:[1-9]\d{0,14}$/)
      .transform((text) => text as ChainId),
    asset: hex(20),
    payer: hex(20),
    payTo: hex(20),
    nonce: hex(32),
    quoted: units,
    signed: units,
    creditUsed: units,
    charged: units,
    credited: units,
    modelAsked: word,
    modelAnswered: word,
    provider: word,
    inputTokens: count,
    cachedTokens: count,
    outputTokens: count,
    usageSource: z.enum(['reported', 'delivered']),
    outcome: z.enum(['served', 'partial']),
    requestDigest: hex(32),
    responseDigest: hex(32),
    transaction: hex(32),
  }),
  signer: hex(20),
  signature: hex(65),
}) satisfies z.ZodType<SignedReceipt>

/** PAYMENT-RESPONSE: the receipt in it, and what a server of channels says that the call cost. */
export const settleResponseSchema = z.object({
  extensions: z.object({ farebox: signedReceiptSchema.optional() }).optional(),
  extra: z
    .object({ chargedAmount: units.transform(BigInt).optional() })
    .optional()
    .catch(undefined),
})
