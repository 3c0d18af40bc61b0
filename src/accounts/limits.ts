/** Rules and budgets as they come in: from the desk, and from the configuration for wallets that no key has. */
import { z } from 'zod'
import { isNetwork } from '../admit/address.ts'
import { randomId } from '../ids.ts'
import { parseUsd } from '../money.ts'
import type { Budget, Rules } from './node.ts'
import { isZone } from './zone.ts'

const usd = z
  .string()
  .refine((text) => parseUsd(text) !== undefined, 'must be dollars as a decimal string, such as "0.05"')
const words = z.array(z.string().min(1).max(200)).max(200)
const STRATEGIES = ['balanced', 'cost', 'latency', 'availability'] as const

/** What may be said of a node; what is left out is not limited. */
export const rulesSchema = z.strictObject({
  models: words.optional().describe('Models that may answer, by id, also with * at the end'),
  strategies: z.array(z.enum(STRATEGIES)).min(1).optional().describe('Strategies that may be chosen'),
  strategy: z.enum(STRATEGIES).optional().describe('The strategy of who does not choose one'),
  maxPerCall: usd.optional().describe('Most that one call may cost, USD'),
  approveAbove: usd.optional().describe('A call that may cost more waits for an approval, USD'),
  chains: words.optional().describe('Chains that may be paid on'),
  assets: words.optional().describe('Tokens that may be paid in, by symbol or address'),
  addresses: z
    .array(z.string().refine(isNetwork, 'must be an address or a CIDR range'))
    .max(100)
    .optional()
    .describe('Addresses and CIDR ranges that calls may come from'),
  expires: z.int().min(0).optional().describe('Nothing is served from then on, ms since 1970'),
  perMinute: z.int().min(1).max(1_000_000).optional().describe('Calls a minute'),
  fourEyes: z
    .boolean()
    .optional()
    .describe('Larger budgets, wider rules and keys without limits wait for a second person'),
})

const zone = z
  .string()
  .max(60)
  .refine((name) => isZone(name), 'must be an IANA time zone, such as Europe/Berlin')

/** One budget; `id` names one that is there already. */
export const budgetSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9_]{1,40}$/)
    .optional(),
  per: z.enum(['call', 'hour', 'day', 'month', 'total']).describe('What the limit is for'),
  limit: usd.describe('USD'),
  kind: z
    .enum(['hard', 'soft'])
    .default('hard')
    .describe('hard: what would pass it is refused; soft: it is told'),
  window: z
    .enum(['calendar', 'rolling'])
    .default('calendar')
    .describe(
      'calendar: the hour, day or month of the zone; rolling: the last 60 minutes, 24 hours, 30 days',
    ),
  zone: zone.default('UTC').describe('IANA time zone of calendar windows'),
  alerts: z
    .array(z.int().min(1).max(100))
    .max(10)
    .default([50, 80, 100])
    .describe('Percentages that are told, each once a window'),
})

/** Budgets with their ids: one keeps its own, and with it what was spent, as long as its window is the same. */
export const identified = (
  given: readonly z.output<typeof budgetSchema>[],
  before: readonly Budget[],
): Budget[] =>
  given.map((one) => {
    const same = before.find(
      ({ id, per, window, zone }) =>
        id === one.id && per === one.per && window === one.window && zone === one.zone,
    )
    return {
      ...one,
      id:
        same?.id ??
        `b_${randomId()
          .replace(/[^A-Za-z0-9]/g, '')
          .toLowerCase()
          .slice(0, 12)}`,
    }
  })

/** What `after` allows that `before` did not, in words; undefined when nothing. */
export const wider = (before: Rules, after: Rules): string | undefined => {
  const lists = ['models', 'strategies', 'chains', 'assets', 'addresses'] as const
  for (const name of lists) {
    const had: readonly string[] | undefined = before[name]
    const has: readonly string[] | undefined = after[name]
    if (had && !has?.every((one) => had.includes(one))) return `more ${name}`
  }
  for (const name of ['maxPerCall', 'approveAbove'] as const) {
    const had = before[name]
    const has = after[name]
    if (had !== undefined && (has === undefined || parseUsd(has)! > parseUsd(had)!)) return `a higher ${name}`
  }
  for (const name of ['expires', 'perMinute'] as const) {
    const had = before[name]
    const has = after[name]
    if (had !== undefined && (has === undefined || has > had)) return `a higher ${name}`
  }
  return before.fourEyes && !after.fourEyes ? 'no second person' : undefined
}

/** What `after` lets spend that `before` did not, in words; undefined when nothing. */
export const raised = (before: readonly Budget[], after: readonly Budget[]): string | undefined => {
  for (const had of before) {
    if (had.kind !== 'hard') continue
    const has = after.find(({ id, kind }) => id === had.id && kind === 'hard')
    if (!has) return `no budget of $${had.limit} per ${had.per}`
    if (parseUsd(has.limit)! > parseUsd(had.limit)!)
      return `$${has.limit} instead of $${had.limit} per ${had.per}`
  }
  return undefined
}
