/** Who may do what: one table of permissions, and one place that reads it. */
import { type NodeId, SITE } from './node.ts'

/** What can be allowed. `.read` sees, `.write` changes. */
export const PERMISSIONS = [
  'tree.read',
  'tree.write',
  'key.write',
  'budget.write',
  'role.write',
  'approval.decide',
  'hook.read',
  'hook.write',
  'calls.read',
  'analytics.read',
  'money.read',
  'audit.read',
] as const
export type Permission = (typeof PERMISSIONS)[number]

export const ROLES = ['owner', 'admin', 'finance', 'developer', 'auditor'] as const
export type Role = (typeof ROLES)[number]

export const isRole = (text: string): text is Role => ROLES.some((role) => role === text)

/** What each role may do at its node and everywhere below it. */
export const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: [
    'tree.read',
    'tree.write',
    'key.write',
    'budget.write',
    'approval.decide',
    'hook.read',
    'hook.write',
    'calls.read',
    'analytics.read',
    'audit.read',
  ],
  finance: [
    'tree.read',
    'budget.write',
    'approval.decide',
    'calls.read',
    'analytics.read',
    'money.read',
    'audit.read',
  ],
  developer: ['tree.read', 'key.write', 'calls.read', 'analytics.read'],
  auditor: ['tree.read', 'hook.read', 'calls.read', 'analytics.read', 'money.read', 'audit.read'],
}

/** A role at a node; at `site` it holds for all organisations and for the router itself. */
export type Grant = { role: Role; at: NodeId }

/** Who acts. `user` is the id of a node, or `operator:NAME` of one that the configuration names. */
export type Actor = {
  user: string
  name: string
  grants: readonly Grant[]
  via: 'password' | 'wallet' | 'token' | 'cli'
  /** Where from, as far as it is known. */
  from?: string
}

/**
 * Whether an actor may do something at a node, named by its path (the ids from the organisation down to the node; empty
 * for the site). `hidden`: it has no role there at all, so that it must not even learn that the node exists.
 */
export const may = (
  actor: Pick<Actor, 'grants'>,
  permission: Permission,
  path: readonly NodeId[],
): 'yes' | 'no' | 'hidden' => {
  const above = new Set<NodeId>([SITE, ...path])
  const grants = actor.grants.filter(({ at }) => above.has(at))
  if (grants.length === 0) return 'hidden'
  return grants.some(({ role }) => GRANTS[role].includes(permission)) ? 'yes' : 'no'
}
