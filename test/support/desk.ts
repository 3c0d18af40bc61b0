import { createLockout } from '../../src/accounts/lockout.ts'
import { createLogin } from '../../src/accounts/login.ts'
import type { Login, Node } from '../../src/accounts/node.ts'
import { nodePut } from '../../src/accounts/node.ts'
import { createPeople, type Operator } from '../../src/accounts/operators.ts'
import { createPasswords } from '../../src/accounts/password.ts'
import type { Actor, Grant } from '../../src/accounts/roles.ts'
import { createSessions } from '../../src/accounts/sessions.ts'
import { createSignIn } from '../../src/accounts/sign-in.ts'
import { createTokens } from '../../src/accounts/tokens.ts'
import { createAddresses } from '../../src/admit/address.ts'
import { auditOperations } from '../../src/desk/audit.ts'
import { createDesk, type Operations } from '../../src/desk/desk.ts'
import { roleOperations } from '../../src/desk/roles.ts'
import { sessionOperations } from '../../src/desk/sessions.ts'
import { adminResources } from '../../src/http/admin/api.ts'
import { createGuard } from '../../src/http/admin/guard.ts'
import { createApp } from '../../src/http/app.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { memoryTally } from '../../src/store/tally.ts'

/** A clock that goes on when it is told to. */
export const handClock = (start = 1_800_000_000_000) => {
  let now = start
  return {
    now: () => now,
    sleep: async () => {},
    pass: (ms: number) => {
      now += ms
    },
  }
}

/** As little work as scrypt takes. */
export const CHEAP = { logN: 4, r: 8, p: 1 }

type Wish = { login?: Login; grants?: readonly Grant[]; frozen?: boolean; deleted?: number }

/** Two organisations with a team each, a user and a key in it; and users as a test needs them. */
export const twoOrganisations = async (records: Records) => {
  const add = async (id: string, above: readonly string[], wish: Wish = {}): Promise<Node> => {
    const level = id.slice(0, id.indexOf('_')) as Node['level']
    const node: Node = { id, level, above, name: `The ${id}`, created: 1, budgets: [], rules: {}, ...wish }
    await records.write([nodePut(node, 0)])
    const { name, wallet } = wish.login ?? {}
    if (name) await records.write([{ table: 'names', id: `login:${name}`, value: id }])
    if (wallet) await records.write([{ table: 'names', id: `signin:${wallet}`, value: id }])
    return node
  }
  const change = async (id: string, by: Partial<Node>) => {
    const row = (await records.get<Node>('nodes', id))!
    await records.write([nodePut({ ...row.value, ...by }, row.version)])
  }
  for (const one of ['a', 'b']) {
    await add(`org_${one}`, [])
    await add(`team_${one}1`, [`org_${one}`])
    await add(`team_${one}2`, [`org_${one}`])
    await add(`user_${one}1`, [`org_${one}`, `team_${one}1`])
    await add(`user_${one}2`, [`org_${one}`, `team_${one}2`])
    await add(`key_${one}1`, [`org_${one}`, `team_${one}1`, `user_${one}1`])
    await add(`key_${one}2`, [`org_${one}`, `team_${one}2`, `user_${one}2`])
  }
  return { add, change }
}

export const actorOf = (grants: readonly Grant[], user = 'operator:test'): Actor => ({
  user,
  name: user,
  grants,
  via: 'password',
})
export const ROOT = actorOf([{ role: 'owner', at: 'site' }], 'operator:root')

export const PUBLIC_URL = 'https://router.example.com'

/** A desk with its doors, in memory. */
export const deskWorld = async (
  more: { operations?: Operations; operators?: Operator[]; records?: Records; publicUrl?: string } = {},
) => {
  const clock = handClock()
  const records = more.records ?? memoryRecords({ clock })
  const tree = await twoOrganisations(records)
  const operators: Operator[] = more.operators ?? [{ name: 'root', password: 'the operator has this' }]
  const people = createPeople({ operators: () => operators, records })
  const passwords = createPasswords({ cost: CHEAP })
  const sessions = createSessions({ records, clock, people })
  const tokens = createTokens({ records, clock, people })
  const lockout = createLockout({ records, clock })
  const publicUrl = more.publicUrl ?? PUBLIC_URL
  const signIn = createSignIn({
    secrets: ['a-quote-secret-that-is-long-enough-for-tests'],
    publicUrl,
    chains: ['eip155:8453'],
    clock,
    tally: memoryTally({ clock }),
  })
  const login = createLogin({ records, clock, people, passwords, lockout, sessions, signIn })
  const operations: Operations = more.operations ?? {
    ...sessionOperations(),
    ...roleOperations(),
    ...auditOperations(),
  }
  const desk = createDesk({ operations, records, clock, approve: async () => [] })
  const addresses = createAddresses([])
  const guard = createGuard({ sessions, tokens, addresses, publicUrl })
  const resources = adminResources({ desk, guard, login, signIn, bodyLimit: 100_000 })
  const app = createApp({ resources, publicUrl, log: quietLog })
  return {
    ...{ clock, records, ...tree, operators, people, passwords, sessions, tokens, lockout },
    ...{ signIn, login, desk, guard, app, resources },
  }
}
export type DeskWorld = Awaited<ReturnType<typeof deskWorld>>

/** The rows of the audit log, oldest first. */
export const auditRows = async (records: Records) =>
  (
    await records.list<{ what: string; at: string; actor: Actor; after: unknown; path: string[] }>('audit', {
      limit: 1000,
    })
  ).map(({ value }) => value)
