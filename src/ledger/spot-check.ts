import { isServing } from './call.ts'
import { checkCall, checkOverdue, type Invariant, type InvariantFacts, type Tell } from './invariants.ts'
import type { Ledger } from './ledger.ts'
import { COUNTER } from './names.ts'

/** What a look at the open calls told: how many of which sort, when the oldest was claimed (ms), and what does not hold, by invariant. */
export type SpotCheck = {
  serving: number
  settling: number
  oldest: number | undefined
  violations: Partial<Record<Invariant, number>>
}

/** Calls that are looked at. */
export const MOST_LOOKED_AT = 500

/** What `spotCheck` can find; the rest takes a walk through the whole ledger, which `auditLedger` does. */
export const SPOT_CHECKED = ['claims', 'charge', 'books', 'released', 'overdue', 'limits'] as const

/**
 * A cheap look at a ledger of any size: the oldest open calls, each by itself, and the sum of unpaid service against its
 * limit. Some hundred reads by id; nothing is written.
 */
export const spotCheck = async (ledger: Ledger, facts: InvariantFacts): Promise<SpotCheck> => {
  const violations: Partial<Record<Invariant, number>> = {}
  const tell: Tell = (invariant) => {
    violations[invariant] = (violations[invariant] ?? 0) + 1
  }
  const open = await ledger.open(MOST_LOOKED_AT)
  for (const call of open) {
    await checkCall(ledger, call, tell)
    checkOverdue(call, facts.now, tell)
  }
  const limit = facts.exposure?.total
  if (limit !== undefined && (await ledger.counter(COUNTER.exposure)) > limit)
    tell('limits', COUNTER.exposure, '')
  const serving = open.filter(isServing).length
  return { serving, settling: open.length - serving, oldest: open[0]?.at, violations }
}
