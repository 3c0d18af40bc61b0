/** What a caller says to the router beside the request itself; the same fields at every door, and never forwarded. */
import { z } from 'zod'
import { parseUsd, type Usd } from '../money.ts'

const ids = z.array(z.string().min(1).max(200)).max(20)
const dollars = z
  .string()
  .refine((value) => parseUsd(value) !== undefined, 'must be dollars as a decimal string, such as "0.05"')
const perMillion = z.union([z.string(), z.number()]).optional()

/** OpenRouter's words for routing, which this field already speaks. */
const providerChoice = z.strictObject({
  order: ids.optional(),
  only: ids.optional(),
  ignore: ids.optional(),
  allow_fallbacks: z.boolean().optional(),
  sort: z.enum(['price', 'latency', 'throughput']).optional(),
  max_price: z.strictObject({ prompt: perMillion, completion: perMillion }).optional(),
})

/** `strategy`: how to choose among hosts and models; `quality`: from -1 (cheaper) to 1 (better), for `auto`. */
export const steering = {
  models: ids.optional(),
  provider: providerChoice.optional(),
  strategy: z.enum(['balanced', 'cost', 'latency', 'availability']).optional(),
  quality: z.number().min(-1).max(1).optional(),
  max_price_usd: dollars.optional(),
  max_latency_ms: z.int().min(1).max(3_600_000).optional(),
}

const schema = z.object(steering)
export type Steering = z.infer<typeof schema>
export const STEERING = Object.keys(steering) as readonly (keyof Steering)[]

/** The most that the caller wants to pay, when it said so. */
export const maxPrice = (request: Steering): Usd | undefined =>
  request.max_price_usd === undefined ? undefined : parseUsd(request.max_price_usd)
