import { expect, test } from 'vitest'
import { createDirectory } from '../../src/accounts/directory.ts'
import { hashOf } from '../../src/accounts/keys.ts'
import type { Node } from '../../src/accounts/node.ts'
import { createDesk } from '../../src/desk/desk.ts'
import { keyOperations } from '../../src/desk/keys.ts'
import { nodeOperations } from '../../src/desk/nodes.ts'
import { roleOperations } from '../../src/desk/roles.ts'
import { treeOperations } from '../../src/desk/tree.ts'
import { fail } from '../../src/errors.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { OWNER } from '../support/organisation.ts'

/** A desk beside which something else happens, once: right after an operation has read nodes in some way. */
const busyDesk = () => {
  const clock = { now: Date.now, sleep: async () => {} }
  const records = memoryRecords({ clock })
  let beside: { read: 'get' | 'many'; happen: () => Promise<unknown> } | undefined
  const besides = async <T>(read: 'get' | 'many', table: string, found: T): Promise<T> => {
    const now = beside
    if (now?.read !== read || table !== 'nodes') return found
    beside = undefined
    await now.happen()
    return found
  }
  const disturbed: Records = {
    ...records,
    get: async <T>(table: string, id: string) => besides('get', table, await records.get<T>(table, id)),
    many: async <T>(table: string, ids: readonly string[]) =>
      besides('many', table, await records.many<T>(table, ids)),
  }
  const operations = {
    ...treeOperations({
      hashPassword: async () => 'x',
      spent: async () => ({ used: '0', resets: undefined }),
    }),
    ...nodeOperations(),
    ...keyOperations({ site: 'https://router.example.com' }),
    ...roleOperations(),
  }
  const approve = async () => {
    throw fail('approval_waiting', { approval: 'apr_1', why: 'it is asked for' })
  }
  const of = (some: Records) => createDesk({ operations, records: some, clock, approve })
  const quiet = of(records)
  const run = async (name: string, input: object): Promise<Node> =>
    ((await quiet.run(OWNER, name, input)) as { node: Node }).node
  return {
    run,
    /** Does an operation, and something else in the midst of it. */
    while: async (
      read: 'get' | 'many',
      happen: () => Promise<unknown>,
      name: string,
      input: object,
    ): Promise<Node> => {
      beside = { read, happen }
      return ((await of(disturbed).run(OWNER, name, input)) as { node: Node }).node
    },
    node: async (id: string) => (await records.get<Node>('nodes', id))!.value,
  }
}

const family = async ({ run }: ReturnType<typeof busyDesk>) => {
  const org = await run('org.create', { name: 'Acme' })
  const one = await run('team.create', { org: org.id, name: 'One' })
  const two = await run('team.create', { org: org.id, name: 'Two' })
  const user = await run('user.create', { in: one.id, name: 'Crawler' })
  return { org, one, two, user }
}

test('a key that is made while its user moves is bound by where the user is then', async () => {
  const desk = busyDesk()
  const { org, two, user } = await family(desk)
  const move = () => desk.run('node.move', { id: user.id, to: two.id })
  const key = await desk.while('get', move, 'key.create', { user: user.id, name: 'new' })
  expect((await desk.node(user.id)).above).toEqual([org.id, two.id])
  expect((await desk.node(key.id)).above).toEqual([org.id, two.id, user.id])
})

test('nothing new comes below what is deleted meanwhile', async () => {
  const desk = busyDesk()
  const { user } = await family(desk)
  const end = () => desk.run('node.delete', { id: user.id })
  const made = desk.while('get', end, 'key.create', { user: user.id, name: 'new' })
  await expect(made).rejects.toMatchObject({ code: 'taken_here' })
})

test('a second person is asked for as soon as one is wanted', async () => {
  const desk = busyDesk()
  const { org, user } = await family(desk)
  const wish = () => desk.run('node.rules', { id: org.id, rules: { fourEyes: true } })
  const made = desk.while('many', wish, 'key.create', { user: user.id, name: 'without limits' })
  await expect(made).rejects.toMatchObject({ code: 'approval_waiting' })
})

test('while the store does not answer nobody is let in by what is remembered, whoever asks it', async () => {
  let now = 0
  const clock = { now: () => now, sleep: async () => {} }
  const records = memoryRecords({ clock })
  let fails: (() => void) | undefined
  const silent: Records = {
    ...records,
    revision: (table) =>
      now < 10_000
        ? records.revision(table)
        : new Promise((_, reject) => {
            fails = () => reject(fail('ledger_unavailable'))
          }),
  }
  const secret = `fbx_abcdefgh_${'a'.repeat(43)}`
  const key = { prefix: 'fbx_abcdefgh', hash: hashOf(secret) }
  const node: Node = {
    id: 'key_1',
    level: 'key',
    above: [],
    name: 'k',
    created: 1,
    budgets: [],
    rules: {},
    key,
  }
  await records.write([
    { table: 'nodes', id: 'key_1', value: node as never },
    { table: 'names', id: 'bearer:fbx_abcdefgh', value: 'key_1' },
  ])
  const policy = () => ({ allow: true, rules: {}, budgets: [] })
  const directory = createDirectory({ records: silent, clock, log: quietLog, policy })
  const ask = async () => directory.who({ bearer: secret, wallet: undefined })
  expect((await ask()).path).toEqual(['key_1'])
  now = 10_000
  // Its own look comes first, and the call waits for the same one.
  directory.start()
  const asked = ask()
  await Promise.resolve()
  fails!()
  await expect(asked).rejects.toMatchObject({ code: 'ledger_unavailable' })
  directory.stop()
})
