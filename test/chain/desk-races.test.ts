import { expect, test } from 'vitest'
import type { Node } from '../../src/accounts/node.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { createDesk } from '../../src/desk/desk.ts'
import { keyOperations } from '../../src/desk/keys.ts'
import { nodeOperations } from '../../src/desk/nodes.ts'
import { roleOperations } from '../../src/desk/roles.ts'
import { treeOperations } from '../../src/desk/tree.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { OWNER } from '../support/organisation.ts'

/** A desk beside which something else happens, once, right before it first looks for a row of `table`. */
const busyDesk = () => {
  const clock = { now: Date.now, sleep: async () => {} }
  const records = memoryRecords({ clock })
  let beside: { table: string; happen: () => Promise<unknown> } | undefined
  const disturbed: Records = {
    ...records,
    get: async (table, id) => {
      const now = beside
      if (now && table === now.table) {
        beside = undefined
        await now.happen()
      }
      return records.get(table, id)
    },
  }
  const operations = {
    ...treeOperations({ hashPassword: async () => 'x', spent: async () => ({ used: '0', resets: undefined }) }),
    ...nodeOperations(),
    ...keyOperations(),
    ...roleOperations(),
  }
  const of = (some: Records) => createDesk({ operations, records: some, clock, approve: async () => [] })
  const quiet = of(records)
  const run = async (name: string, input: object): Promise<Node> =>
    ((await quiet.run(OWNER, name, input)) as { node: Node }).node
  return {
    records,
    run,
    as: (actor: Actor, name: string, input: object) => quiet.run(actor, name, input),
    /** Does an operation, and something else in the midst of it. */
    while: async (table: string, happen: () => Promise<unknown>, name: string, input: object) => {
      beside = { table, happen }
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
  for (const table of ['names', 'audithead']) {
    const desk = busyDesk()
    const { org, two, user } = await family(desk)
    const move = () => desk.run('node.move', { id: user.id, to: two.id })
    const key = await desk.while(table, move, 'key.create', { user: user.id, name: 'new' })
    expect((await desk.node(user.id)).above).toEqual([org.id, two.id])
    expect((await desk.node(key.id)).above).toEqual([org.id, two.id, user.id])
  }
})

test('nothing new comes below what is deleted meanwhile', async () => {
  const desk = busyDesk()
  const { user } = await family(desk)
  const end = () => desk.run('node.delete', { id: user.id })
  const made = desk.while('audithead', end, 'key.create', { user: user.id, name: 'new' })
  await expect(made).rejects.toMatchObject({ code: 'taken_here' })
})

test('a second person is asked for as soon as one is wanted', async () => {
  const desk = busyDesk()
  const { org, user } = await family(desk)
  void org
  void user
})
