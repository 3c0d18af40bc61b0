import { z } from 'zod'
import type { ChainId, Hex } from '../assets.ts'
import { parseAmount } from '../money.ts'
import { decodeHeaderJson } from '../wire/json.ts'
import { HEADER } from '../wire/payment.ts'

/** One offer of a 402 that we know how to pay: `exact` by EIP-3009. Addresses in lower case, `amount` in token units. */
export type Offer = {
  chain: ChainId
  asset: Hex
  payTo: Hex
  amount: bigint
  maxTimeoutSeconds: number
  /** Name and version of the token's EIP-712 domain, as the offer says. */
  domain: { name: string; version: string }
  /** Who is to sign the receipt, as the offer says; undefined from servers that sign none. */
  signer: Hex | undefined
  /** The offer as it came: it is echoed unchanged. */
  raw: Record<string, unknown>
}

/** What the router says about its price, for people; nothing is decided by it. */
export type Described = {
  id?: string
  model?: string
  expected_usd?: string
  ceiling_usd?: string
  input_tokens?: number
  max_output_tokens?: number
  max_tokens_that_fit?: Record<string, number>
  expires_at?: string
}

/** A 402, read: the offers that we can pay, how many more there were, and what must be echoed. */
export type Demand = {
  offers: Offer[]
  others: number
  resource: unknown
  extensions: unknown
  described: Described | undefined
}

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((text) => text.toLowerCase() as Hex)

const units = z.string().transform((text, ctx) => {
  const parsed = parseAmount(text)
  if (parsed !== undefined && parsed < 2n ** 256n) return parsed
  ctx.addIssue({ code: 'custom', message: 'must be a plain decimal below 2^256' })
  return z.NEVER
})

const payable = z.object({
  scheme: z.literal('exact'),
  network: z.string().regex(/^eip155:[1-9]\d{0,14}$/),
  amount: units,
  asset: address,
  payTo: address,
  maxTimeoutSeconds: z.int().min(1),
  extra: z.object({
    name: z.string().min(1).max(200),
    version: z.string().min(1).max(50),
    signer: address.optional(),
    // Absent means EIP-3009 and pay-on-answer; another method or flow is not ours to guess at.
    assetTransferMethod: z.literal('eip3009').optional(),
    paymentFlow: z.literal('authorization').optional(),
  }),
})

const required = z.object({
  x402Version: z.literal(2),
  accepts: z.array(z.unknown()).max(100),
  resource: z.unknown().optional(),
  extensions: z.unknown().optional(),
})

const described = z.object({
  quote: z.object({
    id: z.string().optional(),
    model: z.string().optional(),
    expected_usd: z.string().optional(),
    ceiling_usd: z.string().optional(),
    input_tokens: z.number().optional(),
    max_output_tokens: z.number().optional(),
    max_tokens_that_fit: z.record(z.string(), z.number()).optional(),
    expires_at: z.string().optional(),
  }),
})

/**
 * Reads the PAYMENT-REQUIRED header and the body of a 402, believing neither. Undefined when there is no such header:
 * then it is not a 402 that x402 v2 can answer. A header that cannot be read is a demand without offers.
 */
export const readDemand = (headers: Headers, body: unknown): Demand | undefined => {
  const header = headers.get(HEADER.required)
  if (header === null) return undefined
  const parsed = required.safeParse(decodeHeaderJson(header))
  if (!parsed.success)
    return { offers: [], others: 0, resource: undefined, extensions: undefined, described: undefined }
  const { accepts, resource, extensions } = parsed.data
  const offers = accepts.flatMap((one) => readOffer(one) ?? [])
  const words = described.safeParse(body)
  return {
    offers,
    others: accepts.length - offers.length,
    resource,
    extensions,
    described: words.success ? (words.data.quote as Described) : undefined,
  }
}

const readOffer = (raw: unknown): Offer | undefined => {
  const parsed = payable.safeParse(raw)
  if (!parsed.success) return undefined
  const { network, amount, asset, payTo, maxTimeoutSeconds, extra } = parsed.data
  return {
    chain: network as ChainId,
    asset,
    payTo,
    amount,
    maxTimeoutSeconds,
    domain: { name: extra.name, version: extra.version },
    signer: extra.signer,
    raw: raw as Record<string, unknown>,
  }
}
