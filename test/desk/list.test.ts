import { expect, test } from 'vitest'
import { createDesk } from '../../src/desk/desk.ts'
import { listOperations } from '../../src/desk/list.ts'
import { actorOf, deskWorld, ROOT } from '../support/desk.ts'

type Listed = { nodes: { id: string; under: string[] }[]; after?: string }

const open = async () => {
  const world = await deskWorld()
  const operations = listOperations({ spent: async () => ({ used: '0', resets: undefined }) })
  const { records, clock } = world
  const desk = createDesk({ operations, records, clock, approve: async () => [] })
  const list = async (input: object, actor = ROOT) => (await desk.run(actor, 'node.list', input)) as Listed
  const ids = async (input: object, actor = ROOT) => (await list(input, actor)).nodes.map(({ id }) => id)
  return { ...world, list, ids }
}

test('nodes of a level are found wherever they stand below a node, and nowhere else', async () => {
  const { ids, list, change } = await open()
  expect(await ids({ level: 'key' })).toEqual(['key_a1', 'key_a2', 'key_b1', 'key_b2'])
  expect(await ids({ level: 'key', at: 'org_a' })).toEqual(['key_a1', 'key_a2'])
  expect(await ids({ level: 'key', at: 'team_a2' })).toEqual(['key_a2'])
  expect(await ids({ level: 'user', at: 'user_b1' })).toEqual(['user_b1'])
  expect(await ids({ level: 'key', at: 'org_b' }, actorOf([{ role: 'auditor', at: 'org_b' }]))).toHaveLength(
    2,
  )
  expect((await list({ level: 'key', at: 'team_a2' })).nodes[0]!.under).toEqual([
    'The org_a',
    'The team_a2',
    'The user_a2',
  ])
  await change('key_a1', { deleted: 5 })
  expect(await ids({ level: 'key', at: 'org_a' })).toEqual(['key_a2'])
})

test('pages follow each other without a gap or a repetition', async () => {
  const { list } = await open()
  const seen: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await list({ level: 'key', limit: 1, ...(after !== undefined && { after }) })
    seen.push(...page.nodes.map(({ id }) => id))
    after = page.after
    if (after === undefined) break
  }
  expect(seen).toEqual(['key_a1', 'key_a2', 'key_b1', 'key_b2'])
})
