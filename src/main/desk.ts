import { isUsedIn } from '../accounts/approvals.ts'
import { createLockout, type Lockout } from '../accounts/lockout.ts'
import { createLogin } from '../accounts/login.ts'
import { createPeople } from '../accounts/operators.ts'
import { createPasswords } from '../accounts/password.ts'
import { createSessions } from '../accounts/sessions.ts'
import { createTokens } from '../accounts/tokens.ts'
import { type Alerts, createAlerts } from '../alerts/alerts.ts'
import { createAnalytics } from '../analytics/analytics.ts'
import type { Deps } from '../call/deps.ts'
import type { Config } from '../config.ts'
import { operationApprovals } from '../desk/approvals.ts'
import { createCursors } from '../desk/cursor.ts'
import { createDesk, type Desk } from '../desk/desk.ts'
import { operationsOf } from '../desk/operations.ts'
import { spentOf } from '../desk/spent.ts'
import { adminResources } from '../http/admin/api.ts'
import { createGuard } from '../http/admin/guard.ts'
import { pageResources } from '../http/admin/pages.ts'
import type { Readiness } from '../http/readiness.ts'
import type { Resource } from '../http/resources.ts'
import { usdOfGas } from '../payment/gas-policy.ts'
import type { Admit } from './admit.ts'
import type { Base } from './base.ts'
import type { Duty } from './duties.ts'
import { findingsOf, noting } from './findings.ts'
import { approvalMs } from './tree.ts'
import { createWatch } from './watch.ts'
import { hostsDown, settlementsLate, settlerLow, spendAnomalies, spendersIn } from './watch-sources.ts'

/** What an operator has: its pages and its API, and what tells it of things by itself. */
export type OperatorDesk = {
  desk: Desk
  resources: Resource[]
  /** What one instance at a time does for all. */
  duties: readonly Duty[]
  tell: Alerts['tell']
}

export type DeskParts = {
  deps: Deps
  admit: Admit
  publicUrl: string
  ready: () => Promise<Readiness>
}

/** A settler that can pay for fewer settlements is told as low. */
const FEW_SETTLEMENTS = 200

export const openOperatorDesk = (
  config: Config,
  base: Base,
  { deps, admit, publicUrl, ready }: DeskParts,
): OperatorDesk => {
  const { records, clock, log, ledger, fleet, tills } = base
  const targets = () => config.desk.webhooks
  const passwords = createPasswords()
  const lockout = createLockout({ records, clock })
  const desk = createDesk({
    operations: operationsOf({
      hashPassword: passwords.hash,
      verifyPassword: passwords.verify,
      lockout,
      isUsed: isUsedIn(ledger),
      site: publicUrl,
      spent: spentOf({ ledger, budgets: deps.budgets, clock }),
      webhooks: { targets },
      usdOfGas: (chain, wei) => {
        const worth = config.chains.find(({ id }) => id === chain)?.nativeUsd
        return worth === undefined ? undefined : usdOfGas(wei, worth)
      },
      router: {
        ledger,
        health: deps.health,
        tempo: deps.tempo,
        catalog: () => config.catalog,
        providers: () => config.providers,
        assets: () => tills.map(({ asset }) => asset),
        exposureLimit: () => config.exposure.total,
        ready,
        cursors: createCursors(() => config.secrets.quoteSecrets),
        findings: findingsOf(records),
      },
    }),
    records,
    clock,
    approve: operationApprovals({ records, clock, ttl: () => approvalMs(config) }),
  })
  const alerts = createAlerts({ records, clock, log, targets })
  const analytics = createAnalytics({
    records,
    ledger,
    clock,
    log,
    // What Redis writes at once keeps everybody else waiting.
    mostRows: fleet.store ? 300 : 2_000,
  })
  const watch = createWatch({
    records,
    clock,
    log,
    sources: [
      hostsDown({ board: fleet.board }),
      settlementsLate({ ledger, clock, lateMs: () => config.desk.settlementLateSeconds * 1_000 }),
      settlerLow({ ready, least: FEW_SETTLEMENTS }),
      spendAnomalies({
        hourly: analytics.hourly,
        spenders: () => spendersIn(records),
        floor: () => config.desk.anomalyFloor,
        clock,
      }),
    ],
  })
  return {
    desk,
    resources: doorsOf(config, base, { deps, admit, publicUrl, desk, passwords, lockout }),
    duties: [alerts, analytics, watch],
    tell: noting(records, clock, alerts.tell),
  }
}

/** The ways in: sign-in, the API, and the pages. */
const doorsOf = (
  config: Config,
  { records, clock }: Base,
  facts: Pick<DeskParts, 'deps' | 'admit' | 'publicUrl'> & {
    desk: Desk
    passwords: ReturnType<typeof createPasswords>
    lockout: Lockout
  },
): Resource[] => {
  const { deps, admit, publicUrl, desk, passwords, lockout } = facts
  const people = createPeople({ operators: () => config.secrets.operators, records })
  const sessions = createSessions({ records, clock, people })
  const tokens = createTokens({ records, clock, people })
  const { signIn } = deps
  const login = createLogin({ records, clock, people, passwords, lockout, sessions, signIn })
  const guard = createGuard({ sessions, tokens, addresses: admit.door.addresses, publicUrl })
  const { bodyLimit } = config.server
  const secure = publicUrl.startsWith('https:')
  return [
    ...adminResources({ guard, login, desk, signIn, bodyLimit }),
    ...pageResources({ desk, clock, guard, secure, bodyLimit }),
  ]
}
