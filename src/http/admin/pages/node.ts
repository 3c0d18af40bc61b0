import type { NodeView } from '../../../desk/tree.ts'
import { budgetBars } from './budgets.ts'
import type { Page } from './layout.ts'
import { addForms, changeForms } from './node-forms.ts'
import { badge, card, copyable, empty, pager, shown, unavailable } from './parts.ts'
import type { Scene } from './scene.ts'
import { allowed } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { branchesOf, branchTable, freezeButton, stateBadge } from './tree.ts'
import { absolute, ago, usd } from './words.ts'

const { a, dd, div, dl, dt, p } = tags

type Got = { node: NodeView; above?: readonly { id: string; name: string }[] }

const LEVEL = { org: 'Organisation', team: 'Team', user: 'User', key: 'Key' } as const

/** One node: what it may, what it used, what stands below it, and what can be changed. */
export const nodePage = async (scene: Scene): Promise<Page> => {
  const found = await scene.ask<Got>('node.get', { id: scene.params['id'] })
  if (!found.ok)
    return { title: 'Not found', trail: [['/admin/tree', 'Organisations']], content: unavailable(found) }
  const { node, above } = found.value
  const names = new Map((above ?? []).map(({ id, name }) => [id, name]))
  const below = node.level === 'key' ? undefined : await branchesOf(scene, node.id, 2)
  return {
    title: node.name,
    lead: LEVEL[node.level],
    trail: [
      ['/admin/tree', 'Organisations'],
      ...node.above.map((id) => [`/admin/tree/${id}`, names.get(id) ?? id] as const),
    ],
    tools: [stateBadge(node), freezeButton(scene, node)],
    refresh: 10,
    content: div(
      { class: 'cards' },
      card({ title: 'Budgets', id: 'budgets' }, budgetCard(node, scene.now)),
      card({ title: 'About' }, factsOf(scene, node)),
      below !== undefined &&
        card(
          { title: BELOW[node.level], wide: true, id: 'below' },
          shown(below, ({ branches, after }) => [
            branchTable(scene, branches, { caption: BELOW[node.level], none: empty(NONE[node.level]) }),
            pager(scene, { name: 'after', next: after, older: 'More' }),
          ]),
        ),
      ...addForms(scene, node),
      ...changeForms(scene, node),
    ),
  }
}

const BELOW = { org: 'Teams and users', team: 'Users', user: 'Keys', key: '' } as const
const NONE = {
  org: 'Nobody is in this organisation yet. Add a team or a user.',
  team: 'Nobody is in this team yet. Add a user.',
  user: 'This user has no key yet. Add one: it is what agents call with.',
  key: '',
} as const

const budgetCard = (node: NodeView, now: number): Child =>
  node.budgets.length === 0
    ? empty('It has no budget of its own; what stands above it still binds it.')
    : budgetBars(node, now)

const factsOf = (scene: Scene, node: NodeView): Child => {
  const { rules } = node
  const list = (values: readonly string[] | undefined) => values?.join(', ')
  const facts: [string, Child][] = [
    ['Id', copyable(node.id, 'the id')],
    ['Made', ago(node.created, scene.now)],
    ['Deleted', node.deleted === undefined ? undefined : ago(node.deleted, scene.now)],
    ['Signs in as', node.login?.name],
    ['Signs in by wallet', node.login?.wallet],
    ['Roles', node.grants?.map(({ role, at }) => badge('info', `${role} at ${at}`))],
    ['Bearer key', node.key?.prefix && `${node.key.prefix}…`],
    ['Pays by wallet', node.key?.wallet],
    ['Models', list(rules.models)],
    ['Strategies', list(rules.strategies)],
    ['Default strategy', rules.strategy],
    ['Most a call may cost', rules.maxPerCall && usd(rules.maxPerCall, 6)],
    ['Asks for approval above', rules.approveAbove && usd(rules.approveAbove, 6)],
    ['Chains', list(rules.chains)],
    ['Tokens', list(rules.assets)],
    ['Addresses', list(rules.addresses)],
    ['Ends', rules.expires === undefined ? undefined : absolute(rules.expires)],
    ['Calls a minute', rules.perMinute === undefined ? undefined : String(rules.perMinute)],
    [
      'Needs a second person',
      rules.fourEyes ? 'for larger budgets, wider rules, keys without limits' : undefined,
    ],
  ]
  const links = [
    allowed(scene.actor, 'calls.read', [...node.above, node.id]) &&
      a({ href: `/admin/calls?at=${node.id}` }, 'Its calls'),
    allowed(scene.actor, 'analytics.read', [...node.above, node.id]) &&
      a({ href: `/admin/analytics?at=${node.id}` }, 'Its analytics'),
    allowed(scene.actor, 'audit.read', [...node.above, node.id]) &&
      a({ href: `/admin/audit?at=${node.id}` }, 'Its audit log'),
  ].filter((one) => one !== false)
  return [
    dl(
      { class: 'facts' },
      ...facts.flatMap(([name, value]) =>
        value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
          ? []
          : [dt(name), dd(value)],
      ),
    ),
    links.length > 0 && p({ class: 'buttons' }, ...links),
  ]
}
