import { createCallApprovals, isUsedIn } from '../accounts/approvals.ts'
import { createBudgets } from '../accounts/budget.ts'
import { createDirectory } from '../accounts/directory.ts'
import { createBudgetAlerts } from '../alerts/budget-alerts.ts'
import type { Deps } from '../call/deps.ts'
import { walletPolicy } from '../config/desk.ts'
import type { Config } from '../config.ts'
import type { Base } from './base.ts'

/** Who asks, what binds it, and who is told. */
export type Tree = Pick<Deps, 'directory' | 'budgets' | 'approvals' | 'alerts'>

const HOUR = 3_600_000

/** How long an approval is waited for, and good, ms. */
export const approvalMs = (config: Config): number => config.desk.approvalHours * HOUR

/** What calls ask of the tree of accounts; settings are read from `config` each time, since they can change. */
export const openTree = (config: Config, { records, clock, log, ledger }: Base): Tree => {
  const budgets = createBudgets()
  let known = config.desk
  let policy = walletPolicy(known)
  return {
    budgets,
    directory: createDirectory({
      records,
      clock,
      log,
      policy: () => {
        if (known !== config.desk) policy = walletPolicy(config.desk)
        known = config.desk
        return policy
      },
    }),
    approvals: createCallApprovals({
      records,
      clock,
      ttl: () => approvalMs(config),
      isUsed: isUsedIn(ledger),
    }),
    alerts: createBudgetAlerts({ records, clock, log, budgets }),
  }
}
