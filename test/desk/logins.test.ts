import { expect, test } from 'vitest'
import type { Node } from '../../src/accounts/node.ts'
import { createPasswords } from '../../src/accounts/password.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { newToken } from '../../src/accounts/tokens.ts'
import { createDesk } from '../../src/desk/desk.ts'
import { loginOperations } from '../../src/desk/logins.ts'
import { treeOperations } from '../../src/desk/tree.ts'
import { actorOf, CHEAP, deskWorld, ROOT } from '../support/desk.ts'

const FIRST = 'the first password'
const SECOND = 'the second password'

const open = async () => {
  const passwords = createPasswords({ cost: CHEAP })
  const world = await deskWorld()
  const facts = {
    lockout: world.lockout,
    hashPassword: passwords.hash,
    verifyPassword: passwords.verify,
    spent: async () => ({ used: '0', resets: undefined }),
  }
  const desk = createDesk({
    operations: { ...treeOperations(facts), ...loginOperations(facts) },
    records: world.records,
    clock: world.clock,
    approve: async () => [],
  })
  const { node } = (await desk.run(ROOT, 'user.create', {
    in: 'team_a1',
    name: 'Ada',
    login: 'Ada',
    password: FIRST,
  })) as { node: Node }
  const me: Actor = { user: node.id, name: 'Ada', grants: [], via: 'password' }
  const enter = (name: string, password: string) =>
    world.login.byPassword({ name, password }, { from: '203.0.113.9', before: undefined })
  return { ...world, desk, node, me, enter }
}

test('who changes its password signs in with the new one, and only who knows the old one can', async () => {
  const { desk, me, enter } = await open()
  await enter('ada', FIRST)
  const wrong = desk.run(me, 'me.password', { present: SECOND, next: SECOND })
  await expect(wrong).rejects.toMatchObject({ code: 'login_failed' })
  await desk.run(me, 'me.password', { present: FIRST, next: SECOND })
  await enter('ada', SECOND)
  await expect(enter('ada', FIRST)).rejects.toMatchObject({ code: 'login_failed' })
})

test('another password ends every session, also one that was opened by wallet', async () => {
  const { desk, me, node, enter, people, sessions, records } = await open()
  await desk.run(ROOT, 'user.login', { id: node.id, wallet: `0x${'ab'.repeat(20)}` })
  const { secret } = await enter('ada', FIRST)
  const stolen = sessions.open((await people.byId(node.id))!, {
    via: 'wallet',
    from: undefined,
    before: undefined,
  })
  await records.write(stolen.writes)
  expect(await sessions.find(stolen.secret)).toBeDefined()
  await desk.run(me, 'me.password', { present: FIRST, next: SECOND })
  expect(await sessions.find(stolen.secret)).toBe(undefined)
  expect(await sessions.find(secret)).toBe(undefined)
})

test('the last owner of an organisation keeps a way to sign in', async () => {
  const { desk, node, change } = await open()
  await change(node.id, { grants: [{ role: 'owner', at: 'org_a' }] })
  const me = actorOf([{ role: 'owner', at: 'org_a' }], node.id)
  const login = (input: object) => desk.run(me, 'user.login', { id: node.id, ...input })
  await expect(login({ password: null })).rejects.toMatchObject({ code: 'taken_here' })
  await login({ wallet: `0x${'ab'.repeat(20)}`, password: null })
  await expect(login({ wallet: null })).rejects.toMatchObject({ code: 'taken_here' })
  // Who could not before loses nothing.
  await change(node.id, { login: { name: 'ada' } })
  await login({ login: 'lovelace' })
})

test('who is left no way to sign in has no token left either', async () => {
  const { desk, node, tokens, records, clock } = await open()
  const made = newToken({ user: node.id, name: 't', created: 0, expires: clock.now() + 1e9, grants: [] })
  await records.write([made.put])
  expect(await tokens.find(made.token)).toBeDefined()
  await desk.run(ROOT, 'user.login', { id: node.id, login: null, password: null })
  expect(await tokens.find(made.token)).toBe(undefined)
})

test('who took a session cannot find out the password by it', async () => {
  const { desk, me, clock } = await open()
  const guess = (present: string) =>
    desk.run({ ...me, from: '203.0.113.9' }, 'me.password', { present, next: SECOND })
  for (let i = 0; i < 5; i++)
    await expect(guess(`guess ${i}`)).rejects.toMatchObject({ code: 'login_failed' })
  await expect(guess(FIRST)).rejects.toMatchObject({ code: 'login_locked' })
  clock.pass(60_000)
  await guess(FIRST)
})

test('a token does not change the password of its user, nor is an operator’s changed here', async () => {
  const { desk, me } = await open()
  for (const actor of [{ ...me, via: 'token' as const }, ROOT]) {
    const change = desk.run(actor, 'me.password', { present: FIRST, next: SECOND })
    await expect(change).rejects.toMatchObject({ code: 'taken_here' })
  }
})

test('a new login frees the old one, and sessions of the old password end', async () => {
  const { desk, node, enter, sessions } = await open()
  const { secret } = await enter('ada', FIRST)
  await desk.run(ROOT, 'user.login', { id: node.id, login: 'lovelace', password: SECOND })
  expect(await sessions.find(secret, undefined)).toBeUndefined()
  await enter('lovelace', SECOND)
  await expect(enter('ada', SECOND)).rejects.toMatchObject({ code: 'login_failed' })
  const again = await desk.run(ROOT, 'user.create', {
    in: 'team_a1',
    name: 'B',
    login: 'ada',
    password: FIRST,
  })
  expect(again).toMatchObject({ node: { login: { name: 'ada' } } })
  const taken = desk.run(ROOT, 'user.login', { id: node.id, login: 'ada' })
  await expect(taken).rejects.toMatchObject({ code: 'taken_here' })
  await desk.run(ROOT, 'user.login', { id: node.id, login: null, password: null })
  await expect(enter('lovelace', SECOND)).rejects.toMatchObject({ code: 'login_failed' })
})

test('nobody takes over who may more than itself', async () => {
  const { desk, node, change } = await open()
  const admin = actorOf([{ role: 'admin', at: 'org_a' }], 'user_admin')
  await desk.run(admin, 'user.login', { id: node.id, password: SECOND })
  for (const grant of [
    { role: 'owner', at: 'org_a' },
    { role: 'auditor', at: 'site' },
    { role: 'auditor', at: 'org_b' },
    { role: 'developer', at: 'team_a1' },
  ]) {
    await change(node.id, { grants: [grant] })
    const take = desk.run(admin, 'user.login', { id: node.id, password: FIRST })
    await expect(take, JSON.stringify(grant)).rejects.toMatchObject({ code: 'forbidden' })
  }
  await desk.run(ROOT, 'user.login', { id: node.id, password: FIRST })
  const owner = actorOf([{ role: 'owner', at: 'org_a' }], 'user_owner')
  await desk.run(owner, 'user.login', { id: node.id, password: SECOND })
})
