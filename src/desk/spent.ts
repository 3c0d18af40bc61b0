import { type Budgets, usedOf } from '../accounts/budget.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { printUsd } from '../money.ts'
import type { TreeFacts } from './tree.ts'

/** What was spent and is held of a budget in its present window, as the ledger counts it. */
export const spentOf =
  ({
    ledger,
    budgets,
    clock,
  }: {
    ledger: Pick<Ledger, 'counter'>
    budgets: Budgets
    clock: Clock
  }): TreeFacts['spent'] =>
  async ({ id }, budget) => {
    const draw = budgets.drawOf(id, budget, clock.now())
    if (!draw) return { used: '0', resets: undefined }
    const { counter, beside = [] } = draw.drawn
    const names = [counter, ...beside]
    const values = await Promise.all(names.map(async (name) => [name, await ledger.counter(name)] as const))
    return { used: printUsd(usedOf(draw.drawn, Object.fromEntries(values))), resets: draw.window.resets }
  }
