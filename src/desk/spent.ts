import { type Budgets, usedOf } from '../accounts/budget.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { printUsd } from '../money.ts'
import type { TreeFacts } from './tree.ts'

export type SpentFacts = { ledger: Pick<Ledger, 'countersOf'>; budgets: Budgets; clock: Clock }

/** What was spent and is held of a budget in its present window, as the ledger counts it. */
export const spentOf =
  ({ ledger, budgets, clock }: SpentFacts): TreeFacts['spent'] =>
  async ({ id }, budget) => {
    const draw = budgets.drawOf(id, budget, clock.now())
    if (!draw) return { used: '0', resets: undefined }
    const { counter, beside = [] } = draw.drawn
    const counters = await ledger.countersOf([counter, ...beside])
    return { used: printUsd(usedOf(draw.drawn, counters)), resets: draw.window.resets }
  }
