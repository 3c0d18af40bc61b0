import type { Node } from '../../src/accounts/node.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import type { Desk } from '../../src/desk/desk.ts'
import type { World } from './world.ts'

/** The owner of the whole router. */
export const OWNER: Actor = {
  user: 'operator:root',
  name: 'root',
  grants: [{ role: 'owner', at: 'site' }],
  via: 'cli',
}

/** Another one, who may approve what the first asked for. */
export const OTHER: Actor = { ...OWNER, user: 'operator:other', name: 'other' }

/** Does an operation as the owner, and gives what it made. */
export const made = async (desk: Desk, name: string, input: object): Promise<Node & { secret: string }> => {
  const { node, secret } = (await desk.run(OWNER, name, input)) as { node: Node; secret: string }
  return { ...node, secret }
}

export type Organisation = {
  org: Node
  team: Node
  user: Node
  key: Node & { secret: string }
  /** The headers of a request with the key. */
  auth: Record<string, string>
}

/** An organisation with one team, one user and one key; `key` is more of `key.create`. */
export const organisation = async (
  { farebox: { desk } }: Pick<World, 'farebox'>,
  key: object = {},
): Promise<Organisation> => {
  const org = await made(desk, 'org.create', { name: 'Acme' })
  const team = await made(desk, 'team.create', { org: org.id, name: 'Search' })
  const user = await made(desk, 'user.create', { in: team.id, name: 'Crawler' })
  const own = await made(desk, 'key.create', { user: user.id, name: 'night run', ...key })
  return { org, team, user, key: own, auth: { authorization: `Bearer ${own.secret}` } }
}

/** Calls see a change of the tree within so long, ms. */
export const SEEN_MS = 1_100
export const seen = () => new Promise((resolve) => setTimeout(resolve, SEEN_MS))
