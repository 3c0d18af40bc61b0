/** Operations that give and take roles. Nobody gives or takes what it does not have itself, and an organisation keeps an owner. */
import { z } from 'zod'
import { levelOf, type Node, type NodeId, nodePut, pathOf } from '../accounts/node.ts'
import { covers } from '../accounts/operators.ts'
import { may, ROLES } from '../accounts/roles.ts'
import { NODES } from '../accounts/tables.ts'
import { fail } from '../errors.ts'
import type { Put, Records } from '../store/records.ts'
import { type Change, changing, type Operations, type Scene } from './desk.ts'

const input = z.strictObject({
  user: z.string().max(200).meta({ description: 'The user who has the role.' }),
  role: z.enum(ROLES),
  at: z
    .string()
    .max(200)
    .meta({ description: 'Where it has it: an organisation, a team, a user, or `site`.' }),
})
type Input = z.output<typeof input>

/** What `role.*` do. */
export const roleOperations = (): Operations => ({
  'role.grant': changing({
    summary: 'Gives a user a role at a node and everywhere below it.',
    needs: 'role.write',
    input,
    at: ({ at }) => at,
    run: (scene, asked) =>
      changeGrants(scene, asked, (grants) => {
        if (grants.length >= MOST) throw fail('taken_here', { problem: `A user has at most ${MOST} roles.` })
        return [...grants, { role: asked.role, at: asked.at }]
      }),
  }),
  'role.revoke': changing({
    summary: 'Takes a role from a user.',
    needs: 'role.write',
    input,
    at: ({ at }) => at,
    run: async (scene, asked) => {
      const done = await changeGrants(scene, asked, (grants) => grants)
      const kept =
        asked.role === 'owner' ? await keepOwner(scene.records, asked.at, ({ id }) => id === asked.user) : []
      return { ...done, writes: [...done.writes, ...kept] }
    },
  }),
})

const MOST = 50

/** A user with its grants as they become, the asked one taken out first. */
const changeGrants = async (
  scene: Scene,
  { user, role, at }: Input,
  become: (others: NonNullable<Node['grants']>) => NonNullable<Node['grants']>,
): Promise<Change<object>> => {
  const { actor, records, node } = scene
  if (node && levelOf(node.id) === 'key')
    throw fail('invalid_request', { problem: 'at: a key has no roles below it', param: 'at' })
  const row = await records.get<Node>(NODES, user)
  // Of who is out of sight nothing is said, not even that there is such a user.
  if (row?.value.level !== 'user' || may(actor, 'tree.read', pathOf(row.value)) !== 'yes')
    throw fail('not_here', { what: 'such id' })
  if (!covers(actor.grants, role, scene.path))
    throw fail('forbidden', { needs: `the role ${role} there yourself` })
  const before = row.value.grants ?? []
  const after = become(before.filter((one) => one.role !== role || one.at !== at))
  return {
    result: { user, grants: after },
    writes: [nodePut({ ...row.value, grants: after }, row.version)],
    before: { user, grants: before },
    after: { user, grants: after },
  }
}

/** One row an organisation: who takes an owner away has seen the others, and nobody else took one meanwhile. */
const OWNERS = 'owners'

/**
 * Writes that belong to any change by which users stop being owners of an organisation (a role taken; themselves or what
 * is above them frozen or deleted): refuses with `taken_here` when nobody is left who can sign in. Nothing for other
 * places.
 */
export const keepOwner = async (
  records: Records,
  org: NodeId | undefined,
  goes: (user: Node) => boolean,
): Promise<Put[]> => {
  if (org === undefined || levelOf(org) !== 'org') return []
  const guard = await records.get<number>(OWNERS, org)
  const owners = (await usersOf(records, org)).filter(({ grants = [] }) =>
    grants.some(({ role, at }) => role === 'owner' && at === org),
  )
  const gone = owners.filter(goes)
  if (gone.length === 0) return []
  // An owner without a login takes the place of its like only.
  const asGood = gone.some(canSignIn) ? canSignIn : () => true
  const others = owners.filter((one) => !goes(one) && isActive(one) && asGood(one))
  const teams = await records.many<Node>(NODES, [...new Set(others.flatMap(({ above }) => above.slice(1)))])
  const closed = new Set(teams.flatMap((row) => (row && !isActive(row.value) ? [row.id] : [])))
  if (others.every(({ above }) => above.some((id) => closed.has(id))))
    throw fail('taken_here', { problem: 'The last owner of an organisation cannot be removed.' })
  return [{ table: OWNERS, id: org, value: (guard?.value ?? 0) + 1, if: guard?.version ?? 0 }]
}

const isActive = ({ frozen, deleted }: Node): boolean => !frozen && deleted === undefined
const canSignIn = ({ login }: Node): boolean => login?.password !== undefined || login?.wallet !== undefined

const PAGE = 500

// Users of this organisation: an owner from elsewhere does not keep it in its own hands.
const usersOf = async (records: Records, org: NodeId): Promise<Node[]> => {
  const found: Node[] = []
  for (let after: string | undefined; ; after = found.at(-1)?.id) {
    const rows = await records.list<Node>(NODES, {
      prefix: 'user_',
      key: ['org', org],
      limit: PAGE,
      ...(after !== undefined && { after }),
    })
    found.push(...rows.map(({ value }) => value))
    if (rows.length < PAGE) return found
  }
}
