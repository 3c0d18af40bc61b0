/** What happens to nodes that are there: names, places, rules, budgets, and their end. */
import { z } from 'zod'
import { budgetSchema, identified, raised, rulesSchema, wider } from '../accounts/limits.ts'
import { type Node, type NodeId, nodePut, pathOf } from '../accounts/node.ts'
import { may, type Permission } from '../accounts/roles.ts'
import { NAMES, NODES } from '../accounts/tables.ts'
import { fail } from '../errors.ts'
import type { Json, Records, Row, Write } from '../store/records.ts'
import { type Change, changing, type Scene } from './desk.ts'
import { needsTwo } from './keys.ts'
import { mayActOn } from './logins.ts'
import { keepOwner } from './roles.ts'
import { below, idSchema, nameSchema, nodeOf, shown, standing } from './tree.ts'

type Edit = { before: Json; after: Json; events?: Change<unknown>['events']; more?: readonly Write[] }

/** Changes one node: `edit` says what it becomes and what the audit log says of it. */
const edited = async (
  { records }: Scene,
  id: NodeId,
  edit: (node: Node) => { node: Node } & Edit,
): Promise<Change<{ node: object }>> => {
  const { node: found, version } = await nodeOf(records, id)
  if (found.deleted !== undefined) throw fail('taken_here', { problem: `${found.name} was deleted.` })
  const { node, before, after, events, more = [] } = edit(found)
  return {
    result: { node: shown(node) },
    writes: [nodePut(node, version), ...more],
    before,
    after,
    ...(events && { events }),
  }
}

const id = idSchema
/** Nodes that one move may take along: they are written at once. */
const MOST_MOVED = 500

export const nodeOperations = () => ({
  'node.rename': changing({
    summary: 'Another name; history stays with the id.',
    needs: 'tree.write',
    input: z.strictObject({ id, name: nameSchema }),
    at: (input) => input.id,
    run: (scene, { id, name }) =>
      edited(scene, id, (node) => ({
        node: { ...node, name },
        before: { name: node.name },
        after: { name },
      })),
  }),

  'node.move': changing({
    summary:
      'Another place in the same organisation, with all below it; what was spent before stays where it was spent.',
    needs: 'tree.write',
    input: z.strictObject({ id, to: idSchema }),
    // Who moves something must be allowed to at its present place; the run looks at the other.
    at: (input) => input.id,
    approval: async (scene) => ((await needsTwo(scene)) ? 'a move to where other budgets bind' : undefined),
    run: async (scene, { to }) => {
      const { records, node, actor } = scene
      const target = (await nodeOf(records, to)).node
      if (!node || pathOf(node)[0] !== pathOf(target)[0]) throw fail('not_here', { what: 'such id' })
      allowed(actor, 'tree.write', pathOf(target))
      if (node.level === 'org') throw fail('taken_here', { problem: 'An organisation has no other place.' })
      below(target, node.level === 'team' ? ['org'] : node.level === 'user' ? ['org', 'team'] : ['user'])
      await standing(records, node)
      await standing(records, target)
      const owners = target.frozen ? await keptOwners(scene, node.id) : []
      const above = pathOf(target)
      const rows = [(await records.get<Node>(NODES, node.id))!, ...(await belowOf(records, node.id))]
      const writes = rows.map(({ value, version }) => {
        const kept = value.above.slice(value.above.indexOf(node.id))
        return nodePut({ ...value, above: value.id === node.id ? above : [...above, ...kept] }, version)
      })
      return {
        result: { node: shown({ ...node, above }) },
        writes: [...writes, ...owners],
        before: { above: node.above },
        after: { above, moved: writes.length },
      }
    },
  }),

  'node.freeze': changing({
    summary: 'Stops a node and all below it at once: no calls, no sign-in; or lets them go on.',
    needs: 'key.write',
    input: z.strictObject({ id, frozen: z.stringbool().or(z.boolean()) }),
    at: (input) => input.id,
    run: async (scene, { id, frozen }) => {
      // Who makes keys may stop one; to let it go on, or to stop more than a key, takes more.
      if (!frozen || scene.node?.level !== 'key') allowed(scene.actor, 'tree.write', scene.path)
      const owners = frozen ? await keptOwners(scene, id) : []
      return edited(scene, id, (node) => ({
        node: { ...node, frozen },
        more: owners,
        before: { frozen: node.frozen === true },
        after: { frozen },
        ...(frozen && {
          events: [
            {
              type: 'key.frozen' as const,
              at: id,
              path: pathOf(node),
              about: { name: node.name, level: node.level, by: scene.actor.name },
            },
          ],
        }),
      }))
    },
  }),

  'node.delete': changing({
    summary: 'Ends a node and all below it for good; its history stays.',
    needs: 'tree.write',
    input: z.strictObject({ id }),
    at: (input) => input.id,
    run: async (scene, { id }) => {
      const owners = await keptOwners(scene, id)
      return edited(scene, id, (node) => {
        const { key, login } = node
        const names = [
          key?.prefix && `bearer:${key.prefix}`,
          key?.wallet && `wallet:${key.wallet}`,
          login?.name && `login:${login.name}`,
          login?.wallet && `signin:${login.wallet}`,
        ]
        const deleted = scene.clock.now()
        return {
          node: { ...node, deleted },
          before: { deleted: null },
          after: { deleted },
          more: [
            ...owners,
            ...names.flatMap((name) => (name ? [{ table: NAMES, id: name, drop: true as const }] : [])),
          ],
        }
      })
    },
  }),

  'node.rules': changing({
    summary: 'What a node allows to itself and all below it; replaces all its rules.',
    needs: 'budget.write',
    input: z.strictObject({ id, rules: rulesSchema }),
    at: (input) => input.id,
    approval: async (scene, { rules }) => {
      const more = wider(scene.node?.rules ?? {}, rules as Node['rules'])
      return more !== undefined && (await needsTwo(scene)) ? `wider rules: ${more}` : undefined
    },
    run: (scene, { id, rules }) =>
      edited(scene, id, (node) => ({
        node: { ...node, rules: rules as Node['rules'] },
        before: { rules: node.rules as Json },
        after: { rules: rules as Json },
      })),
  }),

  'node.budgets': changing({
    summary:
      'The budgets of a node; replaces all of them. One that keeps its id and its window keeps what was spent.',
    needs: 'budget.write',
    input: z.strictObject({ id, budgets: z.array(budgetSchema).max(20) }),
    at: (input) => input.id,
    approval: async (scene, { budgets }) => {
      const before = scene.node?.budgets ?? []
      const more = raised(before, identified(budgets, before))
      return more !== undefined && (await needsTwo(scene)) ? `a larger budget: ${more}` : undefined
    },
    run: (scene, { id, budgets }) =>
      edited(scene, id, (node) => {
        const next = identified(budgets, node.budgets)
        if (new Set(next.map((one) => one.id)).size !== next.length)
          throw fail('invalid_request', { problem: 'two budgets have the same id', param: 'budgets' })
        return {
          node: { ...node, budgets: next },
          before: { budgets: node.budgets as unknown as Json },
          after: { budgets: next as unknown as Json },
        }
      }),
  }),
})

/** What belongs to the end of users: an organisation that stands keeps an owner. */
const keptOwners = async ({ records, path, node, actor }: Scene, id: NodeId): Promise<Write[]> => {
  if (node?.level === 'user') mayActOn(actor, node, path)
  if (node?.level === 'org' || node?.level === 'key') return []
  return keepOwner(records, path[0]!, (user) => user.id === id || user.above.includes(id))
}

/** Refuses who may not do something at a path beside the one that was asked about. */
const allowed = (actor: Scene['actor'], needs: Permission, path: readonly NodeId[]): void => {
  const verdict = may(actor, needs, path)
  if (verdict === 'hidden') throw fail('not_here', { what: 'such id' })
  if (verdict === 'no') throw fail('forbidden', { needs })
}

/** All nodes below one, however deep. */
const belowOf = async (records: Records, id: NodeId): Promise<Row<Node>[]> => {
  const found: Row<Node>[] = []
  for (const line = [id]; line.length > 0; ) {
    const parent = line.pop()!
    const rows = await records.list<Node>(NODES, { key: ['parent', parent], limit: MOST_MOVED + 1 })
    found.push(...rows)
    if (found.length > MOST_MOVED)
      throw fail('taken_here', { problem: `More than ${MOST_MOVED} nodes are below it; move them in parts.` })
    line.push(...rows.map((row) => row.id))
  }
  return found
}
