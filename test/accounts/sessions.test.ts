import { expect, test } from 'vitest'
import { both, covers } from '../../src/accounts/operators.ts'
import { createPasswords } from '../../src/accounts/password.ts'
import { GRANTS, type Grant, may, ROLES } from '../../src/accounts/roles.ts'
import { IDLE, LASTS } from '../../src/accounts/sessions.ts'
import { newToken } from '../../src/accounts/tokens.ts'
import { CHEAP, deskWorld } from '../support/desk.ts'

const PASSWORD = 'a password of ann'
const HERE = { from: '192.0.2.1', before: undefined }

/** A world with a user who can sign in. */
const worldWithAnn = async (grants: Grant[] = [{ role: 'admin', at: 'org_a' }]) => {
  const world = await deskWorld()
  const password = await world.passwords.hash(PASSWORD)
  await world.add('user_ann', ['org_a', 'team_a1'], { login: { name: 'ann', password }, grants })
  const signIn = (whence = HERE as { from: string; before: string | undefined }) =>
    world.login.byPassword({ name: 'ann', password: PASSWORD }, whence)
  return { ...world, signIn }
}

test('whoever signs in is known by the secret of its session, and by nothing that is stored', async () => {
  const { records, sessions, signIn } = await worldWithAnn()
  const { secret, session } = await signIn()
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  expect(await sessions.find(secret)).toMatchObject({ actor: { user: 'user_ann', via: 'password' } })
  const [row] = await records.list('sessions', { limit: 10 })
  const everything = JSON.stringify([row, await records.list('audit', { limit: 10 })])
  expect(everything).not.toContain(secret)
  expect(everything).not.toContain(session.csrf)
  const stolen = [row!.id, session.id, Buffer.from(row!.id, 'hex').toString('base64url'), session.csrf]
  for (const text of [...stolen, '', secret.slice(1), `${secret}A`, secret.toLowerCase()])
    expect(await sessions.find(text)).toBe(undefined)
})

test('a session ends an hour after it was last used, and twelve hours after it began', async () => {
  const { clock, sessions, signIn } = await worldWithAnn()
  const idle = await signIn()
  clock.pass(IDLE)
  expect(await sessions.find(idle.secret)).toBe(undefined)
  const { secret } = await signIn()
  const began = clock.now()
  const left = () => began + LASTS - clock.now() - 1
  while (left() > 0) {
    clock.pass(Math.min(IDLE - 1, left()))
    expect(await sessions.find(secret)).toBeDefined()
  }
  clock.pass(1)
  expect(await sessions.find(secret)).toBe(undefined)
})

test('using a session is written down once a minute at most', async () => {
  const { clock, records, sessions, signIn } = await worldWithAnn()
  const { secret } = await signIn()
  const before = await records.revision('sessions')
  for (let i = 0; i < 59; i++) {
    clock.pass(1_000)
    await sessions.find(secret)
  }
  expect(await records.revision('sessions')).toBe(before)
  clock.pass(1_000)
  await Promise.all([1, 2, 3].map(() => sessions.find(secret)))
  expect(await records.revision('sessions')).toBe(before + 1)
})

test('signing in again ends the session that this browser had, and no other', async () => {
  const { sessions, signIn } = await worldWithAnn()
  const [one, other] = [await signIn(), await signIn()]
  const next = await signIn({ from: '192.0.2.1', before: one.secret })
  expect(await sessions.find(one.secret)).toBe(undefined)
  expect(await sessions.find(other.secret)).toBeDefined()
  expect(await sessions.find(next.secret)).toBeDefined()
  expect(next.secret).not.toBe(one.secret)
})

test.each([
  ['the user is frozen', 'user_ann', { frozen: true }],
  ['the team is frozen', 'team_a1', { frozen: true }],
  ['the organisation is frozen', 'org_a', { frozen: true }],
  ['the organisation is deleted', 'org_a', { deleted: 5 }],
  ['the password is another', 'user_ann', { login: { name: 'ann', password: 'x' } }],
])('when %s, its sessions and tokens end at once and nobody signs in', async (what, id, by) => {
  const { change, records, sessions, tokens, signIn } = await worldWithAnn()
  const { secret } = await signIn()
  const grants: Grant[] = [{ role: 'developer', at: 'org_a' }]
  const { token, put } = newToken({ user: 'user_ann', name: 't', created: 0, expires: 2e12, grants })
  await records.write([put])
  expect(await sessions.find(secret)).toBeDefined()
  expect(await tokens.find(token)).toBeDefined()
  await change(id, by)
  expect(await sessions.find(secret)).toBe(undefined)
  await expect(signIn()).rejects.toMatchObject({ code: 'login_failed' })
  // A token does not rest on the password.
  if (!what.includes('password')) expect(await tokens.find(token)).toBe(undefined)
})

test('an operator who is taken out of the configuration, or gets another password, is out', async () => {
  const world = await deskWorld()
  const operator = { name: 'root', password: 'the operator has this' }
  const { secret } = await world.login.byPassword(operator, HERE)
  expect((await world.sessions.find(secret))?.actor).toMatchObject({
    user: 'operator:root',
    grants: [{ role: 'owner', at: 'site' }],
  })
  world.operators[0] = { name: 'root', password: 'another one altogether' }
  expect(await world.sessions.find(secret)).toBe(undefined)
  world.operators[0] = operator
  expect(await world.sessions.find(secret)).toBeDefined()
  world.operators.pop()
  expect(await world.sessions.find(secret)).toBe(undefined)
})

test('an operator without a password signs in by none', async () => {
  const world = await deskWorld({ operators: [{ name: 'root' }, { name: 'empty', password: '' }] })
  for (const name of ['root', 'empty'])
    for (const password of ['', 'undefined', 'x'])
      await expect(world.login.byPassword({ name, password }, HERE)).rejects.toMatchObject({
        code: 'login_failed',
      })
})

test('sign-in and its failures are in the audit log, where the organisation can see them', async () => {
  const { records, login, signIn } = await worldWithAnn()
  const wrong = (name: string) =>
    login.byPassword({ name, password: 'not that one' }, HERE).catch((error) => error.code)
  expect([await wrong('ann'), await wrong('no\u0007body\u{1f600}'), await wrong('x'.repeat(100))]).toEqual(
    Array(3).fill('login_failed'),
  )
  await signIn()
  const rows = await records.list<Record<string, unknown>>('audit', { limit: 10 })
  const told = rows.map(({ value: { what, at, actor, after } }) => ({ what, at, actor, after }))
  const from = '192.0.2.1'
  const via = 'password'
  expect(told).toEqual([
    {
      what: 'sign-in.failed',
      at: 'user_ann',
      actor: { user: 'user_ann', name: 'ann', via, from },
      after: null,
    },
    {
      what: 'sign-in.failed',
      at: 'site',
      actor: { user: 'nobody', name: 'no?body??', via, from },
      after: null,
    },
    {
      what: 'sign-in.failed',
      at: 'site',
      actor: { user: 'nobody', name: 'x'.repeat(64), via, from },
      after: null,
    },
    {
      what: 'sign-in',
      at: 'user_ann',
      actor: { user: 'user_ann', name: 'The user_ann', via, from },
      after: { session: expect.stringMatching(/^ses_[0-9a-f]{24}$/), failedBefore: 1 },
    },
  ])
  expect(JSON.stringify(rows)).not.toContain('not that one')
})

test('a password that was kept with less work is kept anew when its user signs in', async () => {
  const { change, records, sessions, login, passwords } = await worldWithAnn()
  const old = await createPasswords({ cost: { ...CHEAP, logN: 2 } }).hash(PASSWORD)
  await change('user_ann', { login: { name: 'ann', password: old } })
  const { secret } = await login.byPassword({ name: 'ann', password: PASSWORD }, HERE)
  const row = await records.get<{ login: { password: string } }>('nodes', 'user_ann')
  expect(passwords.isOld(row!.value.login.password)).toBe(false)
  expect(await sessions.find(secret)).toBeDefined()
})

test('a token may at each use what its user may now, and never more than it was made for', async () => {
  const { change, clock, records, tokens } = await worldWithAnn([{ role: 'owner', at: 'org_a' }])
  const granted = async (grants: Grant[], user: Grant[]) => {
    await change('user_ann', { grants: user })
    const { token, put } = newToken({
      user: 'user_ann',
      name: 't',
      created: 0,
      expires: clock.now() + 10,
      grants,
    })
    await records.write([put])
    return (await tokens.find(token))?.grants
  }
  const owner: Grant = { role: 'owner', at: 'org_a' }
  const developer: Grant = { role: 'developer', at: 'org_a' }
  expect(await granted([developer], [owner])).toEqual([developer])
  expect(await granted([{ role: 'developer', at: 'team_a1' }], [owner])).toEqual([
    { role: 'developer', at: 'team_a1' },
  ])
  // The user became less.
  expect(await granted([owner], [developer])).toEqual([developer])
  expect(await granted([owner], [{ role: 'developer', at: 'team_a1' }])).toEqual([
    { role: 'developer', at: 'team_a1' },
  ])
  expect(await granted([owner], [])).toEqual([])
  expect(await granted([{ role: 'developer', at: 'team_a2' }], [{ role: 'owner', at: 'team_a1' }])).toEqual(
    [],
  )
  expect(await granted([{ role: 'owner', at: 'org_b' }], [owner])).toEqual([])
})

test('what two sets of grants have in common is never more than either, wherever it is asked', () => {
  const paths: Record<string, string[]> = {
    site: [],
    org_a: ['org_a'],
    team_a1: ['org_a', 'team_a1'],
    team_a2: ['org_a', 'team_a2'],
    org_b: ['org_b'],
  }
  const places = Object.keys(paths)
  const all = places.flatMap((at) => ROLES.map((role) => ({ role, at, path: paths[at]! })))
  for (const one of all)
    for (const other of all) {
      const grants = both([one], [other])
      for (const at of places)
        for (const permission of GRANTS.owner) {
          const allowed = (given: readonly Grant[]) =>
            may({ grants: given }, permission, paths[at]!) === 'yes'
          if (allowed(grants)) expect([allowed([one]), allowed([other])]).toEqual([true, true])
        }
      // The same twice is itself.
      if (one === other) expect(grants).toContainEqual({ role: one.role, at: one.at })
    }
  expect(covers([{ role: 'admin', at: 'org_a' }], 'developer', paths['team_a1']!)).toBe(true)
  expect(covers([{ role: 'admin', at: 'org_a' }], 'owner', paths['team_a1']!)).toBe(false)
})

test('a token ends when it was said to, and opens nothing but by itself', async () => {
  const { clock, records, tokens } = await worldWithAnn()
  const grants: Grant[] = [{ role: 'developer', at: 'org_a' }]
  const made = newToken({ user: 'user_ann', name: 't', created: 0, expires: clock.now() + 1_000, grants })
  await records.write([made.put])
  expect(made.token).toMatch(/^fbt_[\w-]{43}$/)
  expect(JSON.stringify(await records.list('tokens', { limit: 10 }))).not.toContain(made.token)
  for (const text of [made.id, made.put.id, `fbt_${made.put.id}`, made.token.slice(4), `${made.token}x`])
    expect(await tokens.find(text)).toBe(undefined)
  clock.pass(999)
  expect(await tokens.find(made.token)).toMatchObject({ user: 'user_ann', via: 'token' })
  clock.pass(1)
  expect(await tokens.find(made.token)).toBe(undefined)
})
