import { expect, test } from 'vitest'
import { z } from 'zod'
import { verifyAudit } from '../../src/accounts/audit.ts'
import type { Node } from '../../src/accounts/node.ts'
import { nodePut } from '../../src/accounts/node.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { systemClock } from '../../src/clock.ts'
import { changing, createDesk, reading } from '../../src/desk/desk.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { actorOf, handClock } from '../support/desk.ts'

const OWNER: Actor = { user: 'operator:a', name: 'a', grants: [{ role: 'owner', at: 'site' }], via: 'cli' }
const nodeInput = z.strictObject({ id: z.string() })

const operations = {
  'thing.put': changing({
    summary: 'Puts a thing.',
    needs: 'tree.write',
    input: nodeInput,
    at: ({ id }) => id,
    run: async (_scene, { id }) => ({
      result: { id },
      writes: [{ table: 'things', id, value: 1 }],
      after: { id },
      events: [{ type: 'hook.test' as const, at: id, path: [id], about: {} }],
    }),
  }),
  'thing.read': reading({
    summary: 'Reads it.',
    needs: 'tree.read',
    input: nodeInput,
    at: ({ id }) => id,
    run: async ({ path }) => path,
  }),
}

const open = async (change: (records: Records) => Records = (same) => same) => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  const org = (id: string): Node => ({
    id,
    level: 'org',
    above: [],
    name: id,
    created: 1,
    budgets: [],
    rules: {},
  })
  await records.write([nodePut(org('org_a'), 0), nodePut(org('org_b'), 0)])
  return {
    records,
    desk: createDesk({ operations, records: change(records), clock, approve: async () => [] }),
  }
}

test('a change, what the audit log says of it and what is told stand together or not at all', async () => {
  const { records, desk } = await open()
  await desk.run(OWNER, 'thing.put', { id: 'org_a' })
  expect((await records.list('outbox', { limit: 9 })).length).toBe(1)
  expect((await records.list('audit', { limit: 9 })).map(({ value }) => value)).toMatchObject([
    { seq: 1, what: 'thing.put', at: 'org_a', path: ['org_a'], before: null, after: { id: 'org_a' } },
  ])
  expect(await verifyAudit(records)).toMatchObject({ rows: 1, problems: [] })
})

test('many changes at once are all done, one after the other', async () => {
  const { records, desk } = await open()
  await Promise.all(Array.from({ length: 20 }, () => desk.run(OWNER, 'thing.put', { id: 'org_a' })))
  expect(await verifyAudit(records)).toMatchObject({ rows: 20, problems: [] })
})

test('what others change again and again is given up with busy_here, and nothing is written', async () => {
  const { records, desk } = await open((records) => ({
    ...records,
    write: async () => ({ ok: false, stale: { table: 'things', id: 'org_a' } }),
  }))
  await expect(desk.run(OWNER, 'thing.put', { id: 'org_a' })).rejects.toMatchObject({ code: 'busy_here' })
  expect(await records.list('audit', { limit: 9 })).toEqual([])
})

test('what is not there and what must not be known of are the same: not_here', async () => {
  const { desk } = await open()
  const ofB: Actor = { ...OWNER, grants: [{ role: 'owner', at: 'org_b' }] }
  const refusals = await Promise.all(
    ['org_a', 'org_nobody'].map((id) => desk.run(ofB, 'thing.read', { id }).catch((error: unknown) => error)),
  )
  expect(refusals[0]).toMatchObject({ code: 'not_here' })
  expect(refusals[0]).toEqual(refusals[1])
  const auditor: Actor = { ...OWNER, grants: [{ role: 'auditor', at: 'org_a' }] }
  await expect(desk.run(auditor, 'thing.put', { id: 'org_a' })).rejects.toMatchObject({ code: 'forbidden' })
  for (const name of ['thing.none', 'constructor', '__proto__', 'toString'])
    await expect(desk.run(OWNER, name, {})).rejects.toMatchObject({ code: 'not_here' })
})

test('what is not as it should be is said by its name', async () => {
  const { desk } = await open()
  const wrong = desk.run(OWNER, 'thing.read', { id: 5 })
  await expect(wrong).rejects.toMatchObject({ code: 'invalid_request', details: { param: 'id' } })
})

test('who has much to do comes through, however fast somebody else changes little things', async () => {
  const records = memoryRecords({ clock: systemClock })
  const setting = (ms: number) =>
    changing({
      summary: 'A thing.',
      needs: undefined,
      input: z.strictObject({}),
      at: () => 'site',
      run: async () => {
        await systemClock.sleep(ms)
        return { result: 'done', writes: [] }
      },
    })
  const desk = createDesk({
    operations: { small: setting(0), large: setting(15) },
    records,
    clock: systemClock,
    approve: async () => [],
  })
  let over = false
  let small = 0
  const hasty = Array.from({ length: 4 }, async (_, i) => {
    while (!over) {
      await desk.run(actorOf([], `user_${i}`), 'small', {}).catch(() => {})
      small++
    }
  })
  const from = performance.now()
  expect(await desk.run(OWNER, 'large', {})).toBe('done')
  expect(performance.now() - from).toBeLessThan(1_000)
  over = true
  await Promise.all(hasty)
  expect(small).toBeGreaterThan(4)
})
