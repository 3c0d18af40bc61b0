import { isUsedIn } from '../accounts/approvals.ts'
import { createBudgets } from '../accounts/budget.ts'
import { createPasswords } from '../accounts/password.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Operations } from '../desk/desk.ts'
import { operationsOf } from '../desk/operations.ts'
import { spentOf } from '../desk/spent.ts'
import type { Ledger } from '../ledger/ledger.ts'

/** What only the process knows that serves: how its hosts do, and what it found. */
export const LIVE: readonly string[] = ['overview.get', 'host.list', 'model.list', 'finding.list']

export type TableFacts = {
  config: () => Config
  /** Opened when an operation needs it. */
  ledger: () => Promise<Ledger>
  clock: Clock
}

/** The operations of the desk over a store, without a router; those of `LIVE` are named and cannot be done. */
export const tableOf = ({ config, ledger, clock }: TableFacts): Operations => {
  const money = {
    recent: async (range: Parameters<Ledger['recent']>[0]) => (await ledger()).recent(range),
    open: async (limit?: number) => (await ledger()).open(limit),
    openErrands: async () => (await ledger()).openErrands(),
    counter: async (name: string) => (await ledger()).counter(name),
    countersOf: async (names: readonly string[]) => (await ledger()).countersOf(names),
    callByKey: async (key: string) => (await ledger()).callByKey(key),
  }
  const passwords = createPasswords()
  return operationsOf({
    hashPassword: passwords.hash,
    verifyPassword: passwords.verify,
    isUsed: isUsedIn(money),
    // Who has the store runs the router: it needs no wallet’s word, and no lock keeps it out.
    site: '',
    lockout: { take: async () => 0, passed: async () => {} },
    spent: spentOf({ ledger: money, budgets: createBudgets(), clock }),
    webhooks: { targets: () => config().desk.webhooks },
    router: {
      ledger: money,
      health: { resting: nobody, failing: nobody, barredFor: nobody },
      tempo: { expectMs: nobody },
      catalog: () => config().catalog,
      providers: () => config().providers,
      assets: () => config().assets,
      exposureLimit: () => config().exposure.total,
      ready: nobody,
      findings: nobody,
    },
  })
}

const nobody = (): never => {
  throw new Error('known to the running router alone')
}

/** The same for who only reads names and inputs. */
export const namesOf = (): Operations => tableOf({ config: nobody, ledger: nobody, clock: systemClock })
