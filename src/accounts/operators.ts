/** Who can sign in to the desk: the operators that the configuration names, and the users of the tree who have a login. */
import { hash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import type { Records } from '../store/records.ts'
import { type Login, type Node, type NodeId, pathOf, SITE } from './node.ts'
import { GRANTS, type Grant, ROLES, type Role } from './roles.ts'
import { NAMES, NODES } from './tables.ts'

/** Of the configuration: an owner of the whole site. `password` is plain, from the environment. */
export type Operator = { name: string; password?: string; wallet?: Hex }

export const OPERATOR = 'operator:'

export type Person = {
  /** The id of its node, or `operator:NAME`. */
  user: string
  name: string
  grants: readonly Grant[]
  path: readonly NodeId[]
  login: Login & { plain?: string }
  /** Changes with what it signs in by: then its sessions end. */
  stamps: { password: string; wallet: string }
}

export type People = {
  /** By its id; undefined when it is gone or frozen, or something above it is. */
  byId: (user: string) => Promise<Person | undefined>
  /** By its name to sign in, in any case. */
  byName: (name: string) => Promise<Person | undefined>
  /** By the wallet that signs in. */
  byWallet: (wallet: string) => Promise<Person | undefined>
  /** The path of a node; empty for the site, undefined where there is none. */
  pathOf: (at: NodeId) => Promise<readonly NodeId[] | undefined>
}

/** Operators are read each time, since the configuration can change; nodes are kept as long as none of them changes. */
export const createPeople = ({
  operators,
  records,
}: {
  operators: () => readonly Operator[]
  records: Records
}): People => {
  let kept = new Map<NodeId, Node | undefined>()
  let revision: number | undefined

  /** Nodes by id, some of them read now. */
  const nodesOf = async (ids: readonly NodeId[]): Promise<(Node | undefined)[]> => {
    const seen = await records.revision(NODES)
    if (seen !== revision || kept.size > MOST) kept = new Map()
    revision = seen
    const into = kept
    const missing = ids.filter((id) => !into.has(id))
    const rows = missing.length > 0 ? await records.many<Node>(NODES, missing) : []
    // Read after the revision was: at worst it is read again.
    for (const [i, id] of missing.entries()) into.set(id, rows[i]?.value)
    return ids.map((id) => into.get(id))
  }

  const byNode = async (id: NodeId): Promise<Person | undefined> => {
    if (!id.startsWith('user_')) return undefined
    const [node] = await nodesOf([id])
    // Who can sign in by nothing any more has no tokens left either.
    if (node?.login?.name === undefined && node?.login?.wallet === undefined) return undefined
    const line = [node, ...(await nodesOf(node.above))]
    if (line.some((one) => !one || one.frozen || one.deleted !== undefined)) return undefined
    const { name, grants = [], login } = node
    return {
      user: id,
      name,
      grants: grants.filter(isGrant),
      path: pathOf(node),
      login,
      stamps: stampsOf(login),
    }
  }
  const byOperator = (found: Operator | undefined): Person | undefined => {
    if (!found) return undefined
    const { name, password, wallet } = found
    const login = { name, ...(password !== undefined && { plain: password }), ...(wallet && { wallet }) }
    const grants: Grant[] = [{ role: 'owner', at: SITE }]
    return { user: `${OPERATOR}${name}`, name, grants, path: [], login, stamps: stampsOf(login) }
  }
  const named = async (name: string): Promise<Person | undefined> => {
    // What no row can be called, nobody is called.
    if (!/^[\x21-\x7e]{1,190}$/.test(name)) return undefined
    const id = (await records.get<string>(NAMES, name))?.value
    return id === undefined ? undefined : byNode(id)
  }

  return {
    byId: async (user) =>
      user.startsWith(OPERATOR)
        ? byOperator(operators().find(({ name }) => `${OPERATOR}${name}` === user))
        : byNode(user),
    byName: async (given) => {
      const wanted = given.toLowerCase()
      const operator = operators().find(({ name }) => name.toLowerCase() === wanted)
      // Asked either way, so that it takes as long.
      const user = await named(`login:${wanted}`)
      return byOperator(operator) ?? user
    },
    byWallet: async (given) => {
      const wanted = given.toLowerCase()
      const operator = operators().find(({ wallet }) => wallet?.toLowerCase() === wanted)
      return byOperator(operator) ?? named(`signin:${wanted}`)
    },
    pathOf: async (at) => {
      if (at === SITE) return []
      const [node] = await nodesOf([at])
      return node && pathOf(node)
    },
  }
}

/** Nodes that are kept. */
const MOST = 20_000

const isGrant = (one: { role: string; at: NodeId }): one is Grant => ROLES.some((role) => role === one.role)

const stampsOf = ({ password, plain, wallet }: Person['login']): Person['stamps'] => ({
  password: hash('sha256', `farebox stamp v1\n${password ?? plain ?? ''}`, 'hex').slice(0, 16),
  wallet: wallet ?? '',
})

/** A grant with the path of its node. */
export type Placed = Grant & { path: readonly NodeId[] }

/** What both of two sets of grants allow, and never more: where roles differ, the roles that both contain, and nothing where there is no such role. */
export const both = (some: readonly Placed[], others: readonly Placed[]): Grant[] => {
  const found = new Map<string, Grant>()
  for (const one of some)
    for (const { at } of meets(one, others)) {
      const has = permissionsAt(others, at)
      for (const role of ROLES)
        if (GRANTS[role].every((permission) => GRANTS[one.role].includes(permission) && has.has(permission)))
          found.set(`${role} ${at.at}`, { role, at: at.at })
    }
  return [...found.values()]
}

/** Whether one has all that a role allows at a node, and so may hand it on. */
export const covers = (grants: readonly Grant[], role: Role, path: readonly NodeId[]): boolean => {
  const above = new Set<NodeId>([SITE, ...path])
  const has = new Set(grants.filter(({ at }) => above.has(at)).flatMap((one) => GRANTS[one.role]))
  return GRANTS[role].every((permission) => has.has(permission))
}

/** The deeper node of a grant and each of those that stand above or below it. */
const meets = (one: Placed, others: readonly Placed[]): { at: Placed }[] =>
  others.flatMap((other) => {
    if (isWithin(one, other)) return [{ at: one }]
    return isWithin(other, one) ? [{ at: other }] : []
  })

const isWithin = (inner: Placed, outer: Placed): boolean => outer.at === SITE || inner.path.includes(outer.at)

const permissionsAt = (grants: readonly Placed[], place: Placed): ReadonlySet<string> =>
  new Set(grants.filter((one) => isWithin(place, one)).flatMap(({ role }) => GRANTS[role]))
