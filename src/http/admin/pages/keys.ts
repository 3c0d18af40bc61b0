import type { NodeView } from '../../../desk/tree.ts'
import { budgetBars } from './budgets.ts'
import { action, field } from './form-parts.ts'
import { type Found, found } from './found.ts'
import type { Page } from './layout.ts'
import { card, empty, grid, pager, shown } from './parts.ts'
import { allowed, allowedSomewhere, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { freezeButton, stateBadge } from './tree.ts'
import { ago } from './words.ts'

const { a, code, div, input, p, span } = tags

/** Keys, wherever in the tree they are. */
export const keysPage = async (scene: Scene): Promise<Page> => {
  const [keys, users] = await Promise.all([
    found(scene, 'key', scene.query.get('after')),
    found(scene, 'user'),
  ])
  const makers = users.ok
    ? users.value.nodes.filter(({ node }) => allowed(scene.actor, 'key.write', [...node.above, node.id]))
    : []
  return {
    title: 'Keys',
    lead: 'What agents call with: a bearer key, a wallet, or both. Secrets are shown once, when they are made.',
    refresh: 15,
    content: div(
      { class: 'cards' },
      card(
        { title: 'Keys', wide: true, id: 'keys' },
        shown(keys, (found) => table(scene, found)),
      ),
      allowedSomewhere(scene.actor, 'key.write') &&
        card({ title: 'New key', note: 'The secret is shown once, right after.' }, form(scene, makers)),
    ),
  }
}

const table = (scene: Scene, { nodes, next }: Found): Child => [
  grid({
    caption: 'Keys and their budgets',
    columns: [
      { label: 'Key' },
      { label: 'Belongs to' },
      { label: 'Shown as' },
      { label: 'State' },
      { label: 'Budgets: used or held of the limit' },
      { label: 'Made' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: nodes.map(({ node, under }) => [
      a({ href: `/admin/tree/${node.id}`, dir: 'auto' }, node.name),
      span({ dir: 'auto' }, under),
      shownAs(node),
      stateBadge(node),
      budgetBars(node, scene.now),
      ago(node.created, scene.now),
      buttons(scene, node),
    ]),
    none: empty(
      'There is no key yet.',
      p('Make an organisation, a user in it, and then a key of that user.'),
    ),
  }),
  pager(scene, { name: 'after', next, older: 'More' }),
]

const shownAs = ({ key }: NodeView): Child =>
  key?.prefix !== undefined
    ? code(`${key.prefix}…`)
    : key?.wallet !== undefined
      ? code(key.wallet)
      : undefined

const buttons = (scene: Scene, node: NodeView): Child => {
  const mayRotate =
    node.key?.prefix !== undefined && allowed(scene.actor, 'key.write', [...node.above, node.id])
  return div(
    { class: 'row-actions' },
    mayRotate &&
      action(scene, {
        operation: 'key.rotate',
        id: `rotate-${node.id}`,
        hidden: { id: node.id },
        submit: 'Rotate',
        spoken: `Rotate ${node.name}`,
        tone: 'quiet',
        inline: true,
        confirm: `Give ${node.name} a new secret? The old one stops working at once.`,
      }),
    freezeButton(scene, node),
  )
}

const form = (scene: Scene, makers: Found['nodes']): Child =>
  makers.length === 0
    ? empty(
        'There is no user to give a key to.',
        a({ href: '/admin/tree' }, 'Add a user to an organisation first'),
      )
    : action(scene, {
        operation: 'key.create',
        id: 'key-create',
        hidden: { 'rules:object': '', 'budgets:array': '' },
        fields: [
          {
            name: 'user',
            label: 'User',
            options: makers.map(({ node, under }) => [
              node.id,
              under === '' ? node.name : `${under} › ${node.name}`,
            ]),
          },
          { name: 'name', label: 'Name', required: true, maxlength: 120 },
        ],
        children: [
          field('key-create', {
            name: 'budgets.0.limit:need',
            label: 'Budget a month, USD',
            inputmode: 'decimal',
          }),
          input({ type: 'hidden', name: 'budgets.0.per', value: 'month' }),
        ],
        submit: 'Create key',
      })
