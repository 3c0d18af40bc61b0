import { z } from 'zod'
import { isNetwork } from '../admit/address.ts'
import type { Rate } from '../admit/gcra.ts'
import { count } from './fields.ts'

const NONE = [z.literal(false), z.literal(0)] as const

/** A rate, or false or 0 for none; parsed, none is undefined. */
const rate = (perSecond: number, burst: number, whose: string) =>
  z
    .union([
      ...NONE,
      z.strictObject({ perSecond: z.number().positive().max(1_000_000), burst: count.max(1_000_000) }),
    ])
    .default({ perSecond, burst })
    .transform((value): Rate | undefined => (value === false || value === 0 ? undefined : value))
    .describe(`${whose}: so many a second, \`burst\` at once; false: no limit`)

/** How often callers may ask; in a fleet all instances count together. */
export const limits = z
  .strictObject({
    unpaid: z
      .strictObject({ perAddress: rate(50, 200, 'Prices (402), quotes and everything free, of one address') })
      .prefault({}),
    paid: z
      .strictObject({
        perAddress: rate(100, 400, 'Requests with a payment, of one address'),
        perPayer: rate(50, 200, 'Paid calls of one payer, counted once its signature is proven'),
      })
      .prefault({}),
    signIn: z
      .strictObject({ perAddress: rate(1, 10, 'Requests that are signed in for, of one address') })
      .prefault({}),
  })
  .prefault({})

/** What a slow or greedy connection runs into; a part of `server`. */
export const connectionLimits = {
  trustedProxies: z
    .array(z.string().refine(isNetwork, 'must be an address or a network such as 10.0.0.0/8'))
    .default([])
    .describe(
      'Proxies whose X-Forwarded-For is believed, addresses or CIDR; without them all callers behind a proxy are one',
    ),
  headersMs: count.max(600_000).default(10_000).describe('Longest time for the headers of a request, ms'),
  requestMs: count.max(3_600_000).default(30_000).describe('Longest time for a whole request, ms'),
  readerMs: count
    .max(3_600_000)
    .default(60_000)
    .describe('Longest time in which a reader takes nothing of its answer, ms'),
  maxConnections: count.default(10_000).describe('Most open connections'),
  maxConnectionsPerAddress: count
    .default(1_000)
    .describe('Most open connections of one address that is no trusted proxy'),
}

/** A part of each of `providers`. */
export const maxConcurrent = z
  .int()
  .min(0)
  .max(1_000_000)
  .default(512)
  .describe('Most calls at once; how many it takes well is found out below this; 0: no limit')
