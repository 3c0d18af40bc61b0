/** Every operation of the desk, in one table. */
import type { SendFacts } from '../alerts/send.ts'
import type { UsdOfGas } from '../analytics/query.ts'
import { analyticsOperations } from './analytics.ts'
import { approvalOperations } from './approvals.ts'
import { auditOperations } from './audit.ts'
import type { Operations } from './desk.ts'
import { hookOperations } from './hooks.ts'
import { keyOperations } from './keys.ts'
import { listOperations } from './list.ts'
import { type LoginDeskFacts, loginOperations } from './logins.ts'
import { nodeOperations } from './nodes.ts'
import { roleOperations } from './roles.ts'
import { type RouterDeskFacts, routerOperations } from './router.ts'
import { sessionOperations } from './sessions.ts'
import { type TreeFacts, treeOperations } from './tree.ts'

export type OperationFacts = TreeFacts &
  LoginDeskFacts & {
    /** Where this router is reached. */
    site: string
    isUsed: (approval: string) => Promise<boolean>
    router: RouterDeskFacts
    webhooks: SendFacts
    usdOfGas?: UsdOfGas
  }

export const operationsOf = (facts: OperationFacts): Operations => ({
  ...treeOperations(facts),
  ...listOperations(facts),
  ...nodeOperations(),
  ...loginOperations(facts),
  ...keyOperations(facts),
  ...roleOperations(),
  ...approvalOperations(facts),
  ...hookOperations(facts.webhooks),
  ...analyticsOperations(facts.usdOfGas ? { usdOfGas: facts.usdOfGas } : {}),
  ...auditOperations(),
  ...sessionOperations(),
  ...routerOperations(facts.router),
})
