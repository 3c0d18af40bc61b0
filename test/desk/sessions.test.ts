import { expect, test } from 'vitest'
import type { Actor, Grant } from '../../src/accounts/roles.ts'
import { nodeOperations } from '../../src/desk/nodes.ts'
import { roleOperations } from '../../src/desk/roles.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { actorOf, auditRows, type DeskWorld, deskWorld, handClock, ROOT } from '../support/desk.ts'

const OWNER_A = actorOf([{ role: 'owner', at: 'org_a' }], 'user_owner')
const DEVELOPER = actorOf([{ role: 'developer', at: 'org_a' }], 'user_a1')

const outcome = async (act: Promise<unknown>): Promise<string> => {
  try {
    await act
    return 'done'
  } catch (error) {
    return String((error as { code?: string }).code ?? error)
  }
}

const worldOf = async () => {
  const world = await deskWorld()
  await world.add('user_owner', ['org_a'], { login: { name: 'owner' }, grants: OWNER_A.grants })
  const open = async (user: string) => {
    await world.change(user, { login: { name: user } })
    const { secret, session, writes } = world.sessions.open((await world.people.byId(user))!, {
      via: 'wallet',
      from: '192.0.2.1',
      before: undefined,
    })
    await world.records.write(writes)
    return { secret, id: session.id }
  }
  const run = <T = Record<string, unknown>>(actor: Actor, name: string, input?: unknown) =>
    world.desk.run(actor, name, input) as Promise<T>
  return { ...world, open, run }
}

test('people see their own sessions and end one, or all of them', async () => {
  const { sessions, open, run } = await worldOf()
  const [one, two, three] = [await open('user_a1'), await open('user_a1'), await open('user_a1')]
  const foreign = await open('user_a2')
  const { sessions: seen } = await run<{ sessions: { id: string }[] }>(DEVELOPER, 'session.list')
  expect(seen.map(({ id }) => id).toSorted()).toEqual([one.id, two.id, three.id].toSorted())
  expect(JSON.stringify(seen)).not.toContain(one.secret)
  await run(DEVELOPER, 'session.end', { id: two.id })
  expect(await sessions.find(two.secret)).toBe(undefined)
  expect(await sessions.find(one.secret)).toBeDefined()
  await run(DEVELOPER, 'session.end', { all: true })
  expect(await sessions.find(one.secret)).toBe(undefined)
  expect(await sessions.find(three.secret)).toBe(undefined)
  expect(await sessions.find(foreign.secret)).toBeDefined()
})

test('owners end the sessions and tokens of users below them, and nobody else does', async () => {
  const { sessions, open, run } = await worldOf()
  const { id, secret } = await open('user_a1')
  for (const [actor, expected] of [
    [actorOf([{ role: 'admin', at: 'org_a' }], 'user_x'), 'forbidden'],
    [actorOf([{ role: 'owner', at: 'team_a2' }], 'user_x'), 'not_here'],
    [actorOf([{ role: 'owner', at: 'org_b' }], 'user_x'), 'not_here'],
    [actorOf([], 'user_x'), 'not_here'],
  ] as const) {
    const ways = [
      ['session.list', { user: 'user_a1' }],
      ['session.end', { user: 'user_a1', id }],
      ['session.end', { user: 'user_a1', all: true }],
      ['token.list', { user: 'user_a1' }],
      ['token.revoke', { user: 'user_a1', id: 'tok_x' }],
      ['session.list', { user: 'operator:root' }],
    ] as const
    for (const [name, input] of ways)
      expect(await outcome(run(actor, name, input))).toBe(
        input.user === 'operator:root' ? 'not_here' : expected,
      )
  }
  expect(await sessions.find(secret)).toBeDefined()
  await run(OWNER_A, 'session.end', { user: 'user_a1', id })
  expect(await sessions.find(secret)).toBe(undefined)
})

test('a session id of somebody else ends nothing', async () => {
  const { sessions, open, run } = await worldOf()
  const { id, secret } = await open('user_a2')
  expect(await outcome(run(DEVELOPER, 'session.end', { id }))).toBe('not_here')
  expect(await sessions.find(secret)).toBeDefined()
})

test('a token is shown once, allows a part of what its maker may, and is gone when revoked', async () => {
  const { tokens, open, run, records } = await worldOf()
  await open('user_owner')
  const grants: Grant[] = [{ role: 'developer', at: 'team_a1' }]
  const made = await run<{ token: string; id: string }>(OWNER_A, 'token.create', { name: 'ci', grants })
  expect(await tokens.find(made.token)).toMatchObject({ user: 'user_owner', via: 'token', grants })
  const { tokens: seen } = await run<{ tokens: { id: string }[] }>(OWNER_A, 'token.list')
  expect(seen).toMatchObject([{ id: made.id, name: 'ci', grants }])
  expect(JSON.stringify([seen, await auditRows(records)])).not.toContain(made.token)
  await run(OWNER_A, 'token.revoke', { id: made.id })
  expect(await tokens.find(made.token)).toBe(undefined)
  expect((await auditRows(records)).map(({ what }) => what)).toEqual(['token.create', 'token.revoke'])
})

test('a token for a small part shuts out neither its maker nor its other tokens', async () => {
  const { sessions, tokens, open, run } = await worldOf()
  const { id, secret } = await open('user_owner')
  const make = (role: string, at: string) =>
    run<{ token: string; id: string }>(OWNER_A, 'token.create', { name: role, grants: [{ role, at }] })
  const [small, whole] = [await make('developer', 'user_a1'), await make('owner', 'org_a')]
  await run(ROOT, 'role.grant', { user: 'user_owner', role: 'owner', at: 'org_a' })
  const thief = (await tokens.find(small.token))!
  for (const [name, input] of [
    ['session.list', {}],
    ['session.list', { user: 'user_owner' }],
    ['session.end', { all: true }],
    ['session.end', { id }],
    ['token.list', {}],
    ['token.revoke', { id: whole.id }],
  ] as const)
    expect(await outcome(run(thief, name, input)), name).toBe('forbidden')
  expect(await sessions.find(secret)).toBeDefined()
  const machine = (await tokens.find(whole.token))!
  await run(machine, 'token.revoke', { id: small.id })
  await run(machine, 'session.end', { all: true })
  expect(await tokens.find(small.token)).toBe(undefined)
  expect(await sessions.find(secret)).toBe(undefined)
})

test('who signed in a thousand times can sign out of each, and of all at once', async () => {
  const { sessions, records, people, open, run } = await worldOf()
  const first = await open('user_a1')
  const person = (await people.byId('user_a1'))!
  const many = Array.from({ length: 1_000 }, () =>
    sessions.open(person, { via: 'wallet', from: undefined, before: undefined }),
  )
  await records.write(many.flatMap(({ writes }) => writes))
  for (const { session } of many.slice(0, 20)) await run(DEVELOPER, 'session.end', { id: session.id })
  await run(DEVELOPER, 'session.end', { all: true })
  const left = await Promise.all([first, ...many].map(({ secret }) => sessions.find(secret)))
  expect(left.filter((one) => one !== undefined)).toEqual([])
})

test('a user has a hundred tokens at most, so that all of them can be seen and revoked', async () => {
  const { run } = await worldOf()
  const make = () =>
    run<{ id: string }>(DEVELOPER, 'token.create', {
      name: 't',
      grants: [{ role: 'developer', at: 'org_a' }],
    })
  const made = await make()
  for (let i = 1; i < 100; i++) await make()
  expect(await outcome(make())).toBe('taken_here')
  await run(DEVELOPER, 'token.revoke', { id: made.id })
  expect(await outcome(make())).toBe('done')
})

test('nobody makes a token for more than it has, nor for a place that it does not know', async () => {
  const { run } = await worldOf()
  const token = (actor: Actor, grants: readonly Grant[]) =>
    outcome(run(actor, 'token.create', { name: 't', grants }))
  expect(await token(DEVELOPER, [{ role: 'developer', at: 'org_a' }])).toBe('done')
  expect(await token(DEVELOPER, [{ role: 'auditor', at: 'org_a' }])).toBe('forbidden')
  expect(await token(DEVELOPER, [{ role: 'developer', at: 'site' }])).toBe('not_here')
  expect(await token(DEVELOPER, [{ role: 'developer', at: 'org_b' }])).toBe('not_here')
  expect(await token(DEVELOPER, [{ role: 'developer', at: 'org_nowhere' }])).toBe('not_here')
  expect(await token({ ...DEVELOPER, via: 'token' }, [{ role: 'developer', at: 'org_a' }])).toBe('forbidden')
})

test('the site itself is no node that is deleted', async () => {
  const { desk } = await deskWorld({ operations: nodeOperations() })
  expect(await outcome(desk.run(ROOT, 'node.delete', { id: 'site' }))).toBe('not_here')
})

/** What happens to roles. */
const grantsOf = async ({ records }: DeskWorld, user: string) =>
  (await records.get<{ grants?: Grant[] }>('nodes', user))?.value.grants ?? []

test('an owner gives a role and takes it back, and both are written down', async () => {
  const world = await worldOf()
  const wish = { user: 'user_a1', role: 'finance', at: 'team_a1' }
  await world.run(OWNER_A, 'role.grant', wish)
  await world.run(OWNER_A, 'role.grant', wish)
  expect(await grantsOf(world, 'user_a1')).toEqual([{ role: 'finance', at: 'team_a1' }])
  await world.run(OWNER_A, 'role.revoke', wish)
  expect(await grantsOf(world, 'user_a1')).toEqual([])
  expect((await auditRows(world.records)).map(({ what, at }) => [what, at])).toEqual([
    ['role.grant', 'team_a1'],
    ['role.grant', 'team_a1'],
    ['role.revoke', 'team_a1'],
  ])
})

test.each<[string, Actor, string, string, string, string]>([
  [
    'an admin makes itself owner',
    actorOf([{ role: 'admin', at: 'org_a' }], 'user_a1'),
    'user_a1',
    'owner',
    'org_a',
    'forbidden',
  ],
  ['a developer makes itself admin', DEVELOPER, 'user_a1', 'admin', 'org_a', 'forbidden'],
  [
    'an owner of a team makes itself owner of the organisation',
    actorOf([{ role: 'owner', at: 'team_a1' }], 'user_a1'),
    'user_a1',
    'owner',
    'org_a',
    'not_here',
  ],
  [
    'an owner of an organisation makes itself owner of the site',
    OWNER_A,
    'user_owner',
    'owner',
    'site',
    'forbidden',
  ],
  [
    'an owner makes itself owner of another organisation',
    OWNER_A,
    'user_owner',
    'owner',
    'org_b',
    'not_here',
  ],
  ['an owner draws in a user of another organisation', OWNER_A, 'user_b1', 'developer', 'org_a', 'not_here'],
  ['an owner names a user who is not there', OWNER_A, 'user_nowhere', 'developer', 'org_a', 'not_here'],
  [
    'an owner of a team names a user of another team',
    actorOf([{ role: 'owner', at: 'team_a1' }]),
    'user_a2',
    'developer',
    'team_a1',
    'not_here',
  ],
  ['a role is given at a key', OWNER_A, 'user_a1', 'developer', 'key_a1', 'invalid_request'],
  ['a team is given a role', OWNER_A, 'team_a1', 'developer', 'org_a', 'not_here'],
])('%s: refused', async (_, actor, user, role, at, expected) => {
  const world = await worldOf()
  const before = await grantsOf(world, user)
  for (const operation of ['role.grant', 'role.revoke'])
    expect(await outcome(world.run(actor, operation, { user, role, at }))).toBe(expected)
  expect(await grantsOf(world, user)).toEqual(before)
})

test('two owners who leave at once, each having seen the other, do not both leave', async () => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  let leaving = 0
  const seen: (() => void)[] = []
  const world = await deskWorld({
    records: {
      ...records,
      // Both have counted the owners before either writes, and the second writes upon the first.
      list: async (table, range) => {
        const rows = await records.list(table, range)
        if (leaving === 0 || table !== 'nodes' || seen.length === 2) return rows as never
        await new Promise<void>((go) => {
          seen.push(go)
          if (seen.length < 2) return
          seen[0]!()
          setTimeout(seen[1]!, 30)
        })
        return rows as never
      },
    },
  })
  const wish = (user: string) => ({ user, role: 'owner', at: 'org_a' })
  for (const user of ['user_a1', 'user_a2']) await world.desk.run(ROOT, 'role.grant', wish(user))
  leaving = 2
  const leave = (user: string, by: Actor) => outcome(world.desk.run(by, 'role.revoke', wish(user)))
  const other: Actor = { ...ROOT, user: 'operator:other' }
  expect((await Promise.all([leave('user_a1', ROOT), leave('user_a2', other)])).toSorted()).toEqual([
    'done',
    'taken_here',
  ])
})

test('an organisation keeps an owner, also when two leave at once', async () => {
  const world = await worldOf()
  const { run, change } = world
  const leave = (user: string) => outcome(run(ROOT, 'role.revoke', { user, role: 'owner', at: 'org_a' }))
  expect(await leave('user_owner')).toBe('taken_here')
  await run(ROOT, 'role.grant', { user: 'user_a1', role: 'owner', at: 'org_a' })
  const both = await Promise.all([leave('user_owner'), leave('user_a1')])
  expect(both.toSorted()).toEqual(['done', 'taken_here'])
  // One who is frozen keeps nothing.
  await run(ROOT, 'role.grant', { user: 'user_owner', role: 'owner', at: 'org_a' })
  await run(ROOT, 'role.grant', { user: 'user_a1', role: 'owner', at: 'org_a' })
  await change('user_a1', { frozen: true })
  expect(await leave('user_owner')).toBe('taken_here')
  await change('user_a1', { frozen: false })
  await change('team_a1', { deleted: 1 })
  expect(await leave('user_owner')).toBe('taken_here')
  // Who owns a team only is no owner of the organisation.
  await run(ROOT, 'role.grant', { user: 'user_a2', role: 'owner', at: 'team_a2' })
  expect(await leave('user_owner')).toBe('taken_here')
  expect(await outcome(run(ROOT, 'role.revoke', { user: 'user_a2', role: 'owner', at: 'team_a2' }))).toBe(
    'done',
  )
})

test('the owner who stays is one who can sign in, and is not moved to where nobody can', async () => {
  const { desk, change } = await deskWorld({ operations: { ...roleOperations(), ...nodeOperations() } })
  const wish = { role: 'owner', at: 'org_a' }
  for (const user of ['user_a1', 'user_a2']) await desk.run(ROOT, 'role.grant', { user, ...wish })
  await change('user_a1', { login: { wallet: `0x${'a1'.repeat(20)}` } })
  const leave = () => outcome(desk.run(ROOT, 'role.revoke', { user: 'user_a1', ...wish }))
  const move = (to: string) => outcome(desk.run(ROOT, 'node.move', { id: 'user_a1', to }))
  expect(await leave()).toBe('taken_here')
  await change('team_a2', { frozen: true })
  expect(await move('team_a2')).toBe('taken_here')
  expect(await move('org_a')).toBe('done')
  await change('team_a2', { frozen: false })
  await change('user_a2', { login: { name: 'a2', password: '$scrypt$' } })
  expect(await leave()).toBe('done')
})
