/** Tells that a call has taken a budget past a threshold, or was refused by one: beside the call, which never waits for it. */
import { type Budgets, usedOf } from '../accounts/budget.ts'
import type { Bound, Caller } from '../accounts/caller.ts'
import { TOLD, told } from '../accounts/events.ts'
import { type Budget, type NodeId, SITE } from '../accounts/node.ts'
import { toUsd } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Usd } from '../money.ts'
import type { Put, Records } from '../store/records.ts'
import { budgetEvents } from './budget-events.ts'

export type BudgetAlerts = {
  /** A call was claimed, and left these counters. */
  drew: (caller: Caller, call: Call, counters: Readonly<Record<string, bigint>>) => void
  /** A call was refused by a budget of this node; told once a window. */
  refused: (caller: Caller, node: NodeId, budget: Budget) => void
}

const HOUR = 3_600_000
const MOST_SAID = 10_000

export const createBudgetAlerts = (facts: {
  records: Records
  clock: Clock
  log: Log
  budgets: Budgets
}): BudgetAlerts => {
  const { records, clock, log, budgets } = facts
  /** Until when this instance has told something, by its name, ms: what is refused a thousand times asks the store once. */
  const said = new Map<string, number>()
  const write = (writes: readonly Put[]): void => {
    const { id: name = '', until = 0 } = writes.find(({ table }) => table === TOLD) ?? {}
    if ((said.get(name) ?? 0) > clock.now()) return
    if (said.size >= MOST_SAID) said.clear()
    said.set(name, until)
    // What another instance has told is stale, and meant to be.
    records.write(writes).catch((error) => {
      said.delete(name)
      log.warn('alert_not_written', { why: reasonOf(error) })
    })
  }

  return {
    drew: (caller, call, counters) => {
      if (!call.budgets) return
      const now = clock.now()
      const held = toUsd(call.ceiling, call.decimals)
      for (const bound of caller.bounds) {
        for (const budget of bound.budgets) {
          const draw = budgets.drawOf(bound.id, budget, now)
          if (!draw || counters[draw.drawn.counter] === undefined) continue
          const after = usedOf(draw.drawn, counters)
          const { name, resets } = draw.window
          const window = { name, ...(resets !== undefined && { ends: resets }) }
          const before = (after - held) as Usd
          const node = { id: bound.id, name: bound.name, above: aboveOf(caller, bound) }
          for (const writes of budgetEvents({ budget, node, before, after, window, now })) write(writes)
        }
      }
    },
    refused: (caller, node, budget) => {
      const bound = caller.bounds.find(({ id }) => id === node)
      const now = clock.now()
      const window = budgets.windowOf(budget, now)
      if (!bound || !window) return
      const at = caller.path.length > 0 ? bound.id : SITE
      const path = caller.path.length > 0 ? [...aboveOf(caller, bound), bound.id] : []
      const { id, per, limit } = budget
      const about = { budget: id, node: bound.name, level: bound.level, per, limit }
      const once = { name: `refused.${node}.${id}.${window.name}`, forget: window.resets ?? now + HOUR }
      write(told({ type: 'budget.refused', time: now, at, path, about }, once))
    },
  }
}

const aboveOf = ({ path }: Caller, { id }: Bound): readonly NodeId[] =>
  path.slice(0, Math.max(0, path.indexOf(id)))
