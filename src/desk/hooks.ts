import { z } from 'zod'
import { EVENTS, type EventType } from '../accounts/events.ts'
import { type Node, SITE } from '../accounts/node.ts'
import { NODES } from '../accounts/tables.ts'
import {
  asJson,
  GRACE_MS,
  HEALTH,
  type Health,
  HOOKS,
  type Hook,
  hookKeys,
  hooksAt,
  MOST_HOOKS,
  newHookId,
  newSecret,
  nodeOf,
  rotated,
  SECRETS,
  type Secrets,
} from '../alerts/hook.ts'
import { judgeNow, type SendFacts } from '../alerts/send.ts'
import { fail } from '../errors.ts'
import type { Records, Row, Write } from '../store/records.ts'
import { changing, type Operations, reading, type Scene } from './desk.ts'
import { deliveryOperations } from './hooks-deliveries.ts'
import { auditOf, EVENT_LIST, TOO_MANY, viewOf } from './hooks-views.ts'

const node = z.string().regex(/^[\w-]{1,80}$/, 'must be the id of a node, or site')
const hookId = z.string().regex(/^hook_[\w-]{22}\.[\w-]{1,80}$/, 'must be the id of a webhook')
const types = z.array(z.enum(Object.keys(EVENTS) as [EventType, ...EventType[]])).max(50)
const description = z.string().max(200)
const one = z.strictObject({ hook: hookId })
type One = z.output<typeof one>

const MOST_BELOW = 500

/** What can be done with webhooks and their deliveries. Secrets are shown when they are made, and never again. */
export const hookOperations = (facts: SendFacts): Operations => ({
  'hook.events': reading({
    summary: 'What webhooks can be told',
    needs: undefined,
    input: z.strictObject({}),
    at: () => SITE,
    run: async () => ({ events: EVENT_LIST }),
  }),
  'hook.list': reading({
    summary: 'The webhooks of a node, or of it and all below it',
    needs: 'hook.read',
    input: z.strictObject({ at: node, below: z.boolean().default(false) }),
    at: ({ at }) => at,
    run: async (scene, { at, below }) => {
      const hooks = below ? await hooksBelow(scene) : await hooksAt(scene.records, at)
      return { hooks: await views(scene, hooks) }
    },
  }),
  'hook.get': reading({
    summary: 'One webhook',
    needs: 'hook.read',
    input: one,
    at: ({ hook }) => nodeOf(hook),
    run: async (scene, { hook }) => (await views(scene, [(await read(scene.records, hook)).value]))[0],
  }),
  'hook.create': changing({
    summary: 'A new webhook; the answer holds its secret, which is not shown again',
    needs: 'hook.write',
    input: z.strictObject({
      at: node,
      url: z.string(),
      events: types.default([]),
      description: description.default(''),
    }),
    at: ({ at }) => at,
    run: async (scene, { at, url, ...rest }) => {
      await checkUrl(facts, url)
      if ((await hooksAt(scene.records, at)).length >= MOST_HOOKS)
        throw fail('taken_here', { problem: TOO_MANY })
      const now = scene.clock.now()
      const hook: Hook = { id: newHookId(at), at, path: scene.path, url, ...rest, created: now }
      const secret = newSecret()
      const secrets: Secrets = { secrets: [{ secret }] }
      return {
        result: { hook: viewOf(hook, undefined, secrets, now), secret },
        writes: [put(hook, 0), { table: SECRETS, id: hook.id, value: asJson(secrets), if: 0 }],
        after: auditOf(hook),
      }
    },
  }),
  'hook.update': changing({
    summary: 'Changes where a webhook goes, what it is told, or its description',
    needs: 'hook.write',
    input: one.extend({
      url: z.string().optional(),
      events: types.optional(),
      description: description.optional(),
    }),
    at: ({ hook }) => nodeOf(hook),
    run: async (scene, { hook: id, url, events, description: text }) => {
      if (url !== undefined) await checkUrl(facts, url)
      return change(scene, id, (hook) => ({
        ...hook,
        ...(url !== undefined && { url }),
        ...(events && { events }),
        ...(text !== undefined && { description: text }),
      }))
    },
  }),
  'hook.pause': changing({
    summary: 'Sends nothing more to a webhook, and drops what waits for it',
    needs: 'hook.write',
    input: one,
    at: ({ hook }) => nodeOf(hook),
    run: async (scene, { hook: id }) =>
      change(scene, id, (hook) => ({ ...hook, paused: { at: scene.clock.now(), why: 'by hand' } })),
  }),
  'hook.resume': changing({
    summary: 'Tells a paused webhook again what happens from now on',
    needs: 'hook.write',
    input: one,
    at: ({ hook }) => nodeOf(hook),
    run: async (scene, { hook: id }) => change(scene, id, ({ paused: _, ...hook }) => hook),
  }),
  'hook.delete': changing({
    summary: 'Deletes a webhook; its delivery log stays until it ages',
    needs: 'hook.write',
    input: one,
    at: ({ hook }) => nodeOf(hook),
    run: async ({ records }, { hook: id }) => {
      const row = await read(records, id)
      const gone = [HOOKS, SECRETS, HEALTH].map((table): Write => ({ table, id, drop: true }))
      return { result: { deleted: id }, writes: gone, before: auditOf(row.value) }
    },
  }),
  'hook.rotate': changing({
    summary: 'A new secret, shown once; the old one signs too for a day, or not at all with `now`',
    needs: 'hook.write',
    input: one.extend({ now: z.boolean().default(false) }),
    at: ({ hook }) => nodeOf(hook),
    run: async (scene, { hook: id, now: atOnce }) => {
      const { records, clock } = scene
      const [row, before] = await Promise.all([read(records, id), records.get<Secrets>(SECRETS, id)])
      const secret = newSecret()
      const now = clock.now()
      const secrets = rotated(before?.value, secret, now, atOnce ? 0 : GRACE_MS)
      const [view] = await views(scene, [row.value])
      return {
        result: {
          hook: { ...view, oldSecretUntil: viewOf(row.value, undefined, secrets, now).oldSecretUntil },
          secret,
        },
        writes: [{ table: SECRETS, id, value: asJson(secrets), if: before?.version ?? 0 }],
        after: auditOf(row.value),
      }
    },
  }),
  ...deliveryOperations,
})

const read = async (records: Records, id: One['hook']): Promise<Row<Hook>> => {
  const row = await records.get<Hook>(HOOKS, id)
  if (!row) throw fail('not_here', { what: 'webhook' })
  return row
}

const put = (hook: Hook, version: number): Write => ({
  table: HOOKS,
  id: hook.id,
  value: asJson(hook),
  if: version,
  keys: hookKeys(hook),
})

const checkUrl = async (facts: SendFacts, url: string): Promise<void> => {
  const why = await judgeNow(url, facts)
  if (why !== undefined) throw fail('invalid_request', { problem: `url: ${why}`, param: 'url' })
}

// Whoever changes a hook believes it to be in order: how it did before is forgotten.
const change = async (scene: Scene, id: string, by: (hook: Hook) => Hook) => {
  const { records, clock } = scene
  const row = await read(records, id)
  const after = by(row.value)
  const secrets = await records.get<Secrets>(SECRETS, id)
  return {
    result: viewOf(after, undefined, secrets?.value, clock.now()),
    writes: [put(after, row.version), { table: HEALTH, id, drop: true } as const],
    before: auditOf(row.value),
    after: auditOf(after),
  }
}

const hooksBelow = async ({ records, node: above, path }: Scene): Promise<Hook[]> => {
  const org = path[0]
  const range = { limit: MOST_BELOW, ...(org !== undefined && { key: ['org', org] as const }) }
  const rows = await records.list<Hook>(HOOKS, range)
  const hooks = rows.map(({ value }) => value)
  if (!above) return hooks
  // By where their nodes are now: those may have moved since.
  const nodes = await records.many<Node>(
    NODES,
    hooks.map(({ at }) => at),
  )
  return hooks.filter(({ at }, i) => at === above.id || nodes[i]?.value.above.includes(above.id))
}

const views = async ({ records, clock }: Scene, hooks: readonly Hook[]) => {
  const ids = hooks.map(({ id }) => id)
  const [health, secrets] = await Promise.all([
    records.many<Health>(HEALTH, ids),
    records.many<Secrets>(SECRETS, ids),
  ])
  return hooks.map((hook, i) => viewOf(hook, health[i]?.value, secrets[i]?.value, clock.now()))
}
