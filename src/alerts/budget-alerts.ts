/** Tells that a call has taken a budget past a threshold, or was refused by one: beside the call, which never waits for it. */
import { type Budgets, usedOf } from '../accounts/budget.ts'
import type { Bound, Caller } from '../accounts/caller.ts'
import { TOLD, told } from '../accounts/events.ts'
import { type Budget, type NodeId, SITE } from '../accounts/node.ts'
import { toUsd } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import { windowName } from '../ledger/names.ts'
import { type Log, reasonOf } from '../log.ts'
import { NO_MONEY, type Usd } from '../money.ts'
import type { Put, Records } from '../store/records.ts'
import { type BudgetChange, budgetEvents } from './budget-events.ts'

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
  /** Budgets as they stand since they were last changed, of which a call was seen: of a new one all that was passed already is told. */
  const known = new WeakSet<Budget>()
  const write = (writes: readonly Put[], budget: Budget): void => {
    const { id: name = '', until = 0 } = writes.find(({ table }) => table === TOLD) ?? {}
    if ((said.get(name) ?? 0) > clock.now()) return
    if (said.size >= MOST_SAID) said.clear()
    said.set(name, until)
    // What another instance has told is stale, and meant to be.
    records.write(writes).catch((error) => {
      said.delete(name)
      known.delete(budget)
      log.warn('alert_not_written', { why: reasonOf(error) })
    })
  }

  const ofWindow = (bound: Bound, budget: Budget, held: Usd, counters: Counters): Drawn | undefined => {
    const draw = budgets.drawOf(bound.id, budget, clock.now())
    if (!draw || counters[draw.drawn.counter] === undefined) return undefined
    const after = usedOf(draw.drawn, counters)
    const { name, resets } = draw.window
    const window = { name, ...(resets !== undefined && { ends: resets }) }
    // What is in a rolling window was passed in an earlier piece of it, and told there.
    const isNew = !known.has(budget) && budget.window === 'calendar'
    known.add(budget)
    return { before: isNew ? NO_MONEY : ((after - held) as Usd), after, window }
  }

  return {
    drew: (caller, call, counters) => {
      const now = clock.now()
      const held = toUsd(call.ceiling, call.decimals)
      for (const bound of caller.bounds) {
        const node = { id: bound.id, name: bound.name, above: aboveOf(caller, bound) }
        for (const budget of bound.budgets) {
          const drawn =
            budget.per === 'call' ? ofCall(budget, held, now) : ofWindow(bound, budget, held, counters)
          if (!drawn) continue
          for (const writes of budgetEvents({ budget, node, now, ...drawn })) write(writes, budget)
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
      const once = {
        name: `refused.${node}.${id}.${window.name}.${limit}`,
        forget: window.resets ?? now + HOUR,
      }
      write(told({ type: 'budget.refused', time: now, at, path, about }, once), budget)
    },
  }
}

type Counters = Readonly<Record<string, bigint>>
type Drawn = Pick<BudgetChange, 'before' | 'after' | 'window'>

/** What one call may cost, told once an hour; what a hard limit lets through is within it. */
const ofCall = ({ kind }: Budget, held: Usd, now: number): Drawn | undefined => {
  if (kind === 'hard') return undefined
  const from = Math.floor(now / HOUR) * HOUR
  return { before: NO_MONEY, after: held, window: { name: windowName(from), ends: from + HOUR } }
}

const aboveOf = ({ path }: Caller, { id }: Bound): readonly NodeId[] =>
  path.slice(0, Math.max(0, path.indexOf(id)))
