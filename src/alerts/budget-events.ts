import { told } from '../accounts/events.ts'
import { type Budget, levelOf, type Node, pathOf } from '../accounts/node.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import type { Put } from '../store/records.ts'

export type BudgetChange = {
  budget: Budget
  node: Pick<Node, 'id' | 'above' | 'name'>
  /** What counts against the limit (posted and held), before and after. */
  before: Usd
  after: Usd
  /** Names the window, in ASCII without spaces; it ends at `ends`, ms (left out: it never does, or it rolls). */
  window: { name: string; ends?: number }
  /** ms. */
  now: number
}

const HOUR = 3_600_000
const ROLLS: Readonly<Record<Budget['per'], number>> = {
  call: HOUR,
  hour: HOUR,
  day: 24 * HOUR,
  month: 30 * 24 * HOUR,
  total: 3_650 * 24 * HOUR,
}

/**
 * The thresholds of a budget that a change passed, lowest first: each a write of its own, since it is stale when that
 * threshold was told in this window already, and nothing else must hang on it. Pure but for the ids of the events.
 */
export const budgetEvents = (change: BudgetChange): Put[][] => {
  const { budget, node, before, after, window, now } = change
  const limit = parseUsd(budget.limit)
  if (limit === undefined || after <= before) return []
  const forget = window.ends ?? now + ROLLS[budget.per]
  return budget.alerts
    .filter((percent) => isAt(percent, after, limit) && !isAt(percent, before, limit))
    .toSorted((a, b) => a - b)
    .map((percent) => {
      const about = {
        budget: budget.id,
        node: node.name,
        level: levelOf(node.id) ?? 'wallet',
        per: budget.per,
        kind: budget.kind,
        percent,
        limit: budget.limit,
        used: printUsd(after),
        window: window.name,
      }
      const event = { type: 'budget.threshold', time: now, at: node.id, path: pathOf(node), about } as const
      // Of another limit each part is another sum.
      const name = `budget.${node.id}.${budget.id}.${window.name}.${percent}.${limit}`
      return told(event, { name, forget })
    })
}

// Hundredths of a percent, so that a threshold of 33.3 is exact too.
const isAt = (percent: number, used: Usd, limit: Usd): boolean =>
  used * 10_000n >= limit * BigInt(Math.round(percent * 100))
