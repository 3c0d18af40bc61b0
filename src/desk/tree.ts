/** The tree as it stands, and who is added to it. */
import { z } from 'zod'
import {
  type Budget,
  type Level,
  type Login,
  type Node,
  type NodeId,
  nodePut,
  pathOf,
  SITE,
} from '../accounts/node.ts'
import { newPassword } from '../accounts/password.ts'
import { NAMES, NODES } from '../accounts/tables.ts'
import { fail } from '../errors.ts'
import { randomId } from '../ids.ts'
import type { Put, Records } from '../store/records.ts'
import { type Change, changing, reading, type Scene } from './desk.ts'

export type TreeFacts = {
  /** How a password is kept. */
  hashPassword: (password: string) => Promise<string>
  /** What was spent and is held of a budget now: USD, and when its window ends, ms. */
  spent: (node: Node, budget: Budget) => Promise<{ used: string; resets: number | undefined }>
}

/** A node as it may be seen: no password, no hash. `spent`: of each budget that has a window. */
export type NodeView = Omit<Node, 'login' | 'key'> & {
  login?: { name?: string; wallet?: string; password: boolean }
  key?: { prefix?: string; wallet?: string }
  spent: readonly { budget: string; used: string; limit: string; resets: number | undefined }[]
}

/** A node without its secrets, as operations and the audit log show it. */
export const shown = ({ login, key, ...node }: Node): Omit<NodeView, 'spent'> => ({
  ...node,
  ...(login && {
    login: {
      ...(login.name !== undefined && { name: login.name }),
      ...(login.wallet !== undefined && { wallet: login.wallet }),
      password: login.password !== undefined,
    },
  }),
  ...(key && {
    key: {
      ...(key.prefix !== undefined && { prefix: key.prefix }),
      ...(key.wallet !== undefined && { wallet: key.wallet }),
    },
  }),
})

export const idSchema = z.string().min(1).max(200)
export const nameSchema = z.string().trim().min(1).max(120)
/** A wallet in lower case. */
export const walletSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address')
  .transform((text) => text.toLowerCase())
/** A name to sign in by, in lower case. */
export const loginSchema = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[a-z0-9][a-z0-9._@+-]{1,99}$/, 'must be 2 to 100 of a-z, 0-9 and . _ @ + -')

/** A node that is there; throws `not_here` otherwise. */
export const nodeOf = async (records: Records, id: NodeId): Promise<{ node: Node; version: number }> => {
  const row = await records.get<Node>(NODES, id)
  if (!row) throw fail('not_here', { what: 'such id' })
  return { node: row.value, version: row.version }
}

/** The write that gives a name to a node alone; refuses one that is taken. */
export const nameFor = async (records: Records, name: string, id: NodeId, word: string): Promise<Put> => {
  const row = await records.get<string>(NAMES, name)
  if (row && row.value !== id)
    throw fail('taken_here', { problem: `This ${word} belongs to somebody else already.` })
  return { table: NAMES, id: name, value: id, if: row?.version ?? 0 }
}

/** Refuses what was deleted, by itself or with something above it: nothing comes there, and nothing comes back from there. */
export const standing = async (records: Records, node: Node): Promise<void> => {
  for (const row of await records.many<Node>(NODES, pathOf(node)))
    if (row?.value.deleted !== undefined)
      throw fail('taken_here', { problem: `${row.value.name} was deleted.` })
}

/** What adding a node does; it goes below `parent`, or is an organisation. */
export const adding = (
  level: Level,
  {
    name,
    parent,
    clock,
    ...rest
  }: { name: string; parent: Node | undefined } & Pick<Scene, 'clock'> &
    Partial<Pick<Node, 'login' | 'key' | 'rules' | 'budgets' | 'grants'>>,
): Node => {
  return {
    id: `${level}_${randomId()}`,
    level,
    above: parent ? pathOf(parent) : [],
    name,
    created: clock.now(),
    budgets: [],
    rules: {},
    ...rest,
  }
}

/** The change that a new node is; `more`: what is written with it. */
export const added = <R extends object>(
  node: Node,
  more: readonly Put[],
  result: R,
): Change<R & { node: object }> => {
  const view = shown(node)
  return {
    result: { ...result, node: view },
    writes: [nodePut(node, 0), ...more],
    after: view as never,
    about: { id: node.id, path: pathOf(node) },
  }
}

/** A node with what was spent of its budgets. */
export const viewOf = async (node: Node, spent: TreeFacts['spent']): Promise<NodeView> => ({
  ...shown(node),
  spent: await Promise.all(
    node.budgets
      .filter(({ per }) => per !== 'call')
      .map(async (one) => ({ budget: one.id, limit: one.limit, ...(await spent(node, one)) })),
  ),
})

const LIST = 500

export const treeOperations = ({ hashPassword, spent }: TreeFacts) => {
  return {
    'tree.list': reading({
      summary:
        'What stands right below a node (of the site: the organisations), by id; deleted ones only when asked for.',
      needs: 'tree.read',
      input: z.strictObject({
        under: idSchema.default(SITE),
        after: idSchema.optional(),
        deleted: z.stringbool().or(z.boolean()).default(false),
      }),
      at: ({ under }) => under,
      run: async ({ records }, { under, after, deleted }) => {
        const range = { key: ['parent', under] as const, limit: LIST, ...(after !== undefined && { after }) }
        const rows = await records.list<Node>(NODES, range)
        const nodes = rows.map(({ value }) => value).filter((one) => deleted || one.deleted === undefined)
        return {
          nodes: await Promise.all(nodes.map((one) => viewOf(one, spent))),
          ...(rows.length === LIST && { after: rows.at(-1)!.id }),
        }
      },
    }),

    'tree.mine': reading({
      summary: 'The nodes at which you have a role.',
      needs: undefined,
      input: z.strictObject({}),
      at: () => SITE,
      run: async ({ records, actor }) => {
        const rows = await records.many<Node>(NODES, [...new Set(actor.grants.map(({ at }) => at))])
        return {
          site: actor.grants.some(({ at }) => at === SITE),
          nodes: rows.flatMap((row) => (row ? [shown(row.value)] : [])),
        }
      },
    }),

    'node.get': reading({
      summary: 'One node, what was spent of its budgets, and the names of what stands above it.',
      needs: 'tree.read',
      input: z.strictObject({ id: idSchema }),
      at: ({ id }) => id,
      run: async ({ records, node }) => {
        if (!node) throw fail('not_here', { what: 'such id' })
        const above = await records.many<Node>(NODES, node.above)
        return {
          node: await viewOf(node, spent),
          above: above.flatMap((row) => (row ? [{ id: row.id, name: row.value.name }] : [])),
        }
      },
    }),

    'org.create': changing({
      summary: 'A new organisation.',
      needs: 'tree.write',
      input: z.strictObject({ name: nameSchema }),
      at: () => SITE,
      run: async ({ clock }, { name }) => added(adding('org', { name, parent: undefined, clock }), [], {}),
    }),

    'team.create': changing({
      summary: 'A new team of an organisation.',
      needs: 'tree.write',
      input: z.strictObject({ org: idSchema, name: nameSchema }),
      at: ({ org }) => org,
      run: async ({ records, clock, node }, { name }) => {
        const parent = below(node, ['org'])
        await standing(records, parent)
        return added(adding('team', { name, parent, clock }), [], {})
      },
    }),

    'user.create': changing({
      summary: 'A new user of a team or organisation: a person or a service that has keys, and may sign in.',
      needs: 'tree.write',
      input: z.strictObject({
        in: idSchema,
        name: nameSchema,
        login: loginSchema.optional(),
        password: newPassword.optional(),
        wallet: walletSchema.optional(),
      }),
      at: (input) => input.in,
      run: async ({ records, clock, node }, { name, login, password, wallet }) => {
        if (password !== undefined && login === undefined)
          throw fail('invalid_request', { problem: 'a password needs a login', param: 'login' })
        const parent = below(node, ['org', 'team'])
        await standing(records, parent)
        const signs: Login = {
          ...(login !== undefined && { name: login }),
          ...(password !== undefined && { password: await hashPassword(password) }),
          ...(wallet !== undefined && { wallet }),
        }
        const user = adding('user', { name, parent, clock, login: signs, grants: [] })
        const names = [
          ...(login === undefined ? [] : [await nameFor(records, `login:${login}`, user.id, 'login')]),
          ...(wallet === undefined ? [] : [await nameFor(records, `signin:${wallet}`, user.id, 'wallet')]),
        ]
        return added(user, names, {})
      },
    }),
  }
}

/** The node that something goes below, when it is of a level that may have it. */
export const below = (node: Node | undefined, levels: readonly Level[]): Node => {
  if (node && levels.includes(node.level)) return node
  throw fail('taken_here', { problem: `That goes below ${levels.join(' or ')} only.` })
}
