import { z } from 'zod'
import { decodeHeaderJson } from '../wire/json.ts'
import { HEADER } from '../wire/payment.ts'
import { type Offer, readOffer } from './offer.ts'

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
