import { type Level, type NodeId, SITE } from '../accounts/node.ts'
import type { NodeView } from '../desk/tree.ts'
import type { Way } from './desk-way.ts'

/** What stands right below a node, of one level where one is said. */
export const childrenOf = async (
  { run }: Pick<Way, 'run'>,
  under: NodeId,
  level?: Level,
): Promise<NodeView[]> => {
  const found: NodeView[] = []
  for (let after: string | undefined; ; ) {
    const page = { under, ...(after !== undefined && { after }) }
    const { nodes, after: next } = (await run('tree.list', page)) as { nodes: NodeView[]; after?: string }
    found.push(...nodes)
    if (next === undefined) return found.filter((one) => level === undefined || one.level === level)
    after = next
  }
}

/** The organisations that may be seen. */
export const orgsOf = async (way: Pick<Way, 'run'>): Promise<NodeView[]> => {
  const { site, nodes } = (await way.run('tree.mine', {})) as { site: boolean; nodes: NodeView[] }
  if (site) return childrenOf(way, SITE, 'org')
  return nodes.filter(({ level, deleted }) => level === 'org' && deleted === undefined)
}

export type Place = {
  org?: string | undefined
  orgId?: string | undefined
  team?: string | undefined
  teamId?: string | undefined
  user?: string | undefined
  userId?: string | undefined
}

const WORDS = { org: 'organisation', team: 'team', user: 'user' } as const

/** The user that a key is for, found by names or ids; what there is not yet is made, and `made` is told. Throws where a name is that of two. */
export const userAt = async (
  way: Pick<Way, 'run'>,
  place: Place,
  made: (level: string, node: NodeView) => void,
): Promise<NodeId> => {
  const { org, orgId, team, teamId, user, userId } = place
  if (userId !== undefined) return userId
  if (user === undefined) throw new Error('say --user NAME, a person or a service, or --user-id')
  const named = async (
    level: 'org' | 'team' | 'user',
    name: string,
    among: readonly NodeView[],
    make: object,
  ): Promise<NodeId> => {
    const found = sole(level, name, among)
    if (found) return found.id
    const { node } = (await way.run(`${level}.create`, { ...make, name })) as { node: NodeView }
    made(WORDS[level], node)
    return node.id
  }
  const orgAt = async (): Promise<NodeId> => {
    if (orgId !== undefined) return orgId
    if (org === undefined) throw new Error('say --org NAME or --org-id')
    return named('org', org, await orgsOf(way), {})
  }
  const teamAt = async (): Promise<NodeId> => {
    const above = await orgAt()
    if (team === undefined) return above
    return named('team', team, await childrenOf(way, above, 'team'), { org: above })
  }
  const above = teamId ?? (await teamAt())
  return named('user', user, await childrenOf(way, above, 'user'), { in: above })
}

/** The one of that name; undefined when there is none, and throws when there are two. */
export const sole = (
  level: 'org' | 'team' | 'user',
  name: string,
  among: readonly NodeView[],
): NodeView | undefined => {
  const same = among.filter((one) => one.name === name)
  if (same.length < 2) return same[0]
  const ids = same.map(({ id }) => id).join(', ')
  throw new Error(
    `${same.length} ${WORDS[level]}s are called "${name}": say --${level}-id with one of ${ids}`,
  )
}

/** A key with all that stands above it, the organisation first. */
export type Found = { key: NodeView; above: readonly NodeView[] }

/** All keys below some nodes. */
export const keysBelow = async (
  way: Pick<Way, 'run'>,
  nodes: readonly NodeView[],
  above: readonly NodeView[] = [],
): Promise<Found[]> => {
  const found: Found[] = []
  for (const node of nodes)
    if (node.level === 'key') found.push({ key: node, above })
    else found.push(...(await keysBelow(way, await childrenOf(way, node.id), [...above, node])))
  return found
}
