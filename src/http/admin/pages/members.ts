import { GRANTS, ROLES, type Role } from '../../../accounts/roles.ts'
import type { NodeView } from '../../../desk/tree.ts'
import { action } from './form-parts.ts'
import { type Found, found } from './found.ts'
import type { Page } from './layout.ts'
import { card, empty, grid, pager, shown } from './parts.ts'
import { allowed, allowedSomewhere, placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { stateBadge } from './tree.ts'

const { a, div, p, span } = tags

/** Users who may sign in, and their roles. */
export const membersPage = async (scene: Scene): Promise<Page> => {
  const users = await found(scene, 'user', scene.query.get('after'))
  return {
    title: 'Members',
    lead: 'Users and the roles they have. A role holds at its place and everywhere below it.',
    content: div(
      { class: 'cards' },
      card(
        { title: 'Users', wide: true },
        shown(users, (found) => table(scene, found)),
      ),
      allowedSomewhere(scene.actor, 'role.write') &&
        card({ title: 'Give a role' }, grantForm(scene, users.ok ? users.value.nodes : [])),
      card({ title: 'What each role may do' }, roleTable()),
    ),
  }
}

const table = (scene: Scene, { nodes, next }: Found): Child => [
  grid({
    caption: 'Users and their roles',
    columns: [
      { label: 'User' },
      { label: 'In' },
      { label: 'Signs in as' },
      { label: 'State' },
      { label: 'Roles' },
    ],
    rows: nodes.map(({ node, under }) => [
      a({ href: `/admin/tree/${node.id}`, dir: 'auto' }, node.name),
      span({ dir: 'auto' }, under),
      node.login?.name ?? node.login?.wallet ?? span({ class: 'muted' }, 'does not sign in'),
      stateBadge(node),
      rolesOf(scene, node),
    ]),
    none: empty(
      'There is no user yet.',
      p(a({ href: '/admin/tree' }, 'Open an organisation'), ' and add one.'),
    ),
  }),
  pager(scene, { name: 'after', next, older: 'More' }),
]

const rolesOf = (scene: Scene, node: NodeView): Child => {
  const grants = node.grants ?? []
  if (grants.length === 0) return span({ class: 'muted' }, 'none')
  return div(
    { class: 'grants' },
    ...grants.map(({ role, at }) => {
      const place = at === 'site' ? 'the whole router' : at
      const may = allowed(
        scene.actor,
        'role.write',
        at === 'site' ? [] : node.above.includes(at) ? [...node.above] : [at],
      )
      return div(
        { class: 'row-actions start' },
        span({ class: 'badge info' }, `${role} at ${place}`),
        may &&
          action(scene, {
            operation: 'role.revoke',
            id: `revoke-${node.id}-${role}-${at}`,
            hidden: { user: node.id, role, at },
            submit: 'Take back',
            spoken: `Take the role ${role} at ${place} back from ${node.name}`,
            tone: 'quiet',
            inline: true,
            confirm: `Take the role ${role} at ${place} back from ${node.name}?`,
          }),
      )
    }),
  )
}

const grantForm = (scene: Scene, users: Found['nodes']): Child =>
  users.length === 0
    ? empty('There is no user to give a role to.')
    : action(scene, {
        operation: 'role.grant',
        id: 'grant',
        fields: [
          {
            name: 'user',
            label: 'User',
            options: users.map(({ node, under }) => [
              node.id,
              under === '' ? node.name : `${under} › ${node.name}`,
            ]),
          },
          { name: 'role', label: 'Role', options: ROLES.map((role) => [role, role]), value: 'developer' },
          {
            name: 'at',
            label: 'At',
            value: placeOf(scene, 'role.write'),
            hint: 'The id of an organisation, team or user; “site” for the whole router',
            required: true,
          },
        ],
        submit: 'Give the role',
      })

const MAY: Readonly<Record<Role, string>> = {
  owner: 'Everything, roles too',
  admin: 'The tree, keys, budgets, approvals and webhooks; no books, no roles',
  finance: 'Budgets, approvals and the books',
  developer: 'Keys; sees calls and analytics',
  auditor: 'Sees everything, changes nothing',
}

const roleTable = (): Child =>
  grid({
    caption: 'Roles',
    columns: [{ label: 'Role' }, { label: 'What it may do' }, { label: 'Permissions', end: true }],
    rows: ROLES.map((role) => [role, MAY[role], String(GRANTS[role].length)]),
    none: undefined,
  })
