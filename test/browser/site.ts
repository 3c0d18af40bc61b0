/** The desk with its pages as people see it: real operations over records in memory, and a router that is only told of. */
import { privateKeyToAccount } from 'viem/accounts'
import { AUDIT } from '../../src/accounts/audit.ts'
import { createLockout } from '../../src/accounts/lockout.ts'
import { createLogin } from '../../src/accounts/login.ts'
import { createPeople } from '../../src/accounts/operators.ts'
import { createPasswords } from '../../src/accounts/password.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { createSessions } from '../../src/accounts/sessions.ts'
import { createSignIn } from '../../src/accounts/sign-in.ts'
import { createTokens } from '../../src/accounts/tokens.ts'
import { createAddresses } from '../../src/admit/address.ts'
import { createConnections } from '../../src/admit/connections.ts'
import type { Hex } from '../../src/assets.ts'
import { builtinModels, readBuiltin } from '../../src/catalog/builtin.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { operationApprovals } from '../../src/desk/approvals.ts'
import { createDesk, type Desk } from '../../src/desk/desk.ts'
import { operationsOf } from '../../src/desk/operations.ts'
import type { RouterDeskFacts } from '../../src/desk/router.ts'
import { adminResources } from '../../src/http/admin/api.ts'
import { createGuard } from '../../src/http/admin/guard.ts'
import { pageResources } from '../../src/http/admin/pages.ts'
import { createApp } from '../../src/http/app.ts'
import { createNodeServer, listen } from '../../src/http/server.ts'
import type { Call } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { quietLog } from '../../src/log.ts'
import { parseUsd, type Usd } from '../../src/money.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { memoryTally } from '../../src/store/tally.ts'
import { TOKEN } from './figures.ts'

/** The account of the operator's wallet: a key that everybody knows. */
export const WALLET = privateKeyToAccount(`0x${'5e'.repeat(32)}`)
export const OPERATOR = {
  name: 'mara',
  password: 'a password for tests only',
  wallet: WALLET.address.toLowerCase() as Hex,
}
export const OWNER: Actor = {
  user: 'operator:mara',
  name: 'mara',
  grants: [{ role: 'owner', at: 'site' }],
  via: 'password',
}

export type Site = {
  url: string
  desk: Desk
  records: Records
  app: ReturnType<typeof createApp>
  clock: Clock
  /** What the ledger is said to hold, the newest first. */
  calls: Call[]
  close: () => Promise<void>
}

export type SiteFacts = {
  records?: Records
  clock?: Clock
  ledger?: Pick<Ledger, 'recent' | 'open' | 'openErrands' | 'counter'>
  /** What was used of a budget, USD; default nothing. */
  used?: (budget: { id: string; limit: string }) => string
  /** Not listened, only asked by `app.request`. */
  deaf?: boolean
}

export const openSite = async (given: SiteFacts = {}): Promise<Site> => {
  const clock = given.clock ?? systemClock
  const records = given.records ?? memoryRecords({ clock })
  const calls: Call[] = []
  const passwords = createPasswords({ cost: { logN: 4, r: 8, p: 1 } })
  const operations = operationsOf({
    hashPassword: passwords.hash,
    verifyPassword: passwords.verify,
    lockout: createLockout({ records, clock }),
    spent: async (_node, budget) => ({
      used: given.used?.(budget) ?? '0',
      resets:
        budget.per === 'total' ? undefined : clock.now() + (budget.per === 'month' ? 11 * 24 : 8) * 3_600_000,
    }),
    isUsed: async () => false,
    site: 'http://127.0.0.1',
    webhooks: { targets: () => ({ allowPrivate: true, allowHosts: [] }) },
    router: routerOf(calls, given.ledger),
  })
  const desk = createDesk({
    operations,
    records,
    clock,
    approve: operationApprovals({ records, clock, ttl: () => 86_400_000 }),
  })
  const people = createPeople({ operators: () => [OPERATOR], records })
  const sessions = createSessions({ records, clock, people })
  const server = createNodeServer((request, env) => app.fetch(request, env), {
    headersMs: 10_000,
    requestMs: 30_000,
    maxConnections: 100,
    connections: createConnections({ most: 100, isFree: () => true }),
    cut: () => {},
  })
  const port = given.deaf ? 80 : await listen(server, '127.0.0.1', 0)
  const url = `http://127.0.0.1:${port}`
  const addresses = createAddresses([])
  const guard = createGuard({
    sessions,
    tokens: createTokens({ records, clock, people }),
    addresses,
    publicUrl: url,
  })
  const signIn = createSignIn({
    secrets: ['a secret of tests that is long enough'],
    publicUrl: url,
    chains: ['eip155:8453'],
    clock,
    tally: memoryTally({ clock }),
  })
  const login = createLogin({
    records,
    clock,
    people,
    passwords,
    lockout: createLockout({ records, clock }),
    sessions,
    signIn,
  })
  const bodyLimit = 64_000
  const app = createApp({
    resources: [
      ...adminResources({ guard, login, desk, signIn, bodyLimit }),
      ...pageResources({ desk, clock, guard, secure: false, bodyLimit }),
    ],
    publicUrl: url,
    log: quietLog,
  })
  return {
    url,
    desk,
    records,
    app,
    clock,
    calls,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve()))
    },
  }
}

/** How many changes the audit log holds. */
export const changesOf = async ({ records }: Pick<Site, 'records'>): Promise<number> =>
  (await records.list(AUDIT, { limit: 1_000 })).length

const PROVIDERS = ['openai', 'anthropic', 'google', 'deepseek', 'mistral', 'groq']

const routerOf = (calls: readonly Call[], ledger: SiteFacts['ledger']): RouterDeskFacts => {
  const providers = new Map(PROVIDERS.map((id) => [id, [id]]))
  const models = builtinModels({ builtin: readBuiltin(), providers, day: '2026-11-21' })
  return {
    ledger: ledger ?? {
      recent: async ({ before, limit }) => {
        const from = before === undefined ? 0 : calls.findIndex(({ id }) => id === before) + 1
        return calls.slice(from, from + limit)
      },
      open: async (limit = 100) =>
        calls
          .filter(({ settlement }) => settlement.at !== 'settled')
          .toReversed()
          .slice(0, limit),
      openErrands: async () => [],
      counter: async () => 1_310_000n,
    },
    health: {
      resting: (provider, model) => provider === 'deepseek' && model.includes('reasoner'),
      failing: (provider) => (provider === 'deepseek' ? 0.18 : provider === 'openai' ? 0.004 : 0),
      barredFor: (provider) => (provider === 'deepseek' ? 24_000 : 0),
    },
    tempo: { expectMs: (provider) => (provider === 'groq' ? 620 : 2_150) },
    catalog: () => ({ models }) as never,
    providers: () => PROVIDERS.map((id) => ({ id, type: id === 'anthropic' ? 'anthropic' : 'openai' })),
    assets: () =>
      (['eip155:8453', 'eip155:137'] as const).map((chain) => ({
        chain,
        address: TOKEN,
        symbol: 'USDC',
        decimals: 6,
        name: 'USD Coin',
        version: '2',
        methods: ['eip3009'],
      })),
    exposureLimit: () => parseUsd('50') as Usd,
    ready: async () => ({
      ready: true,
      problems: [],
      warnings: [],
      checks: {
        store: { ok: true, ms: 1 },
        chains: {
          'eip155:8453': { ok: true, block: '31000000', ageSeconds: 2, settlements: '48210', nodes: [] },
          'eip155:137': { ok: true, block: '70211000', ageSeconds: 3, settlements: '73', nodes: [] },
        },
      },
    }),
    findings: async () => [],
  }
}
