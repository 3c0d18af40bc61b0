/** The forms by which the tree is changed; each only for who may. */
import type { NodeView } from '../../../desk/tree.ts'
import { budgetFields } from './budgets.ts'
import { action, type Field } from './form-parts.ts'
import { card } from './parts.ts'
import { ruleFields } from './rules.ts'
import { allowed, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'

const { details, input, summary } = tags

const NAME: Field = { name: 'name', label: 'Name', required: true, maxlength: 120 }
const ADDRESS = { pattern: '0x[0-9a-fA-F]{40}', placeholder: '0x…', maxlength: 42 }

/** What can be added below a node. */
export const addForms = (scene: Scene, node: NodeView): Child[] => {
  const path = [...node.above, node.id]
  const isOver = node.deleted !== undefined
  const mayTree = allowed(scene.actor, 'tree.write', path) && !isOver
  const mayKey = allowed(scene.actor, 'key.write', path) && !isOver
  return [
    mayTree && node.level === 'org' && teamForm(scene, node),
    mayTree && (node.level === 'org' || node.level === 'team') && userForm(scene, node),
    mayKey && node.level === 'user' && keyForm(scene, node),
  ]
}

const teamForm = (scene: Scene, node: NodeView): Child =>
  card(
    { title: 'New team' },
    action(scene, {
      operation: 'team.create',
      id: 'team-create',
      hidden: { org: node.id },
      fields: [NAME],
      submit: 'Create team',
    }),
  )

const userForm = (scene: Scene, node: NodeView): Child =>
  card(
    { title: 'New user' },
    action(scene, {
      operation: 'user.create',
      id: 'user-create',
      hidden: { in: node.id },
      fields: [
        NAME,
        {
          name: 'login',
          label: 'Login',
          hint: 'Only for who signs in here: lower case, such as ada@example.com',
        },
        {
          name: 'password:exact',
          label: 'First password',
          type: 'password',
          hint: 'At least 12 characters',
          autocomplete: 'new-password',
        },
        { name: 'wallet', label: 'Wallet that signs in', ...ADDRESS },
      ],
      submit: 'Create user',
    }),
  )

const keyForm = (scene: Scene, node: NodeView): Child =>
  card(
    { title: 'New key', note: 'The secret is shown once, right after.' },
    action(scene, {
      operation: 'key.create',
      id: 'key-create',
      hidden: { user: node.id, 'rules:object': '', 'budgets:array': '' },
      fields: [
        NAME,
        {
          name: 'bearer:bool',
          label: 'How agents show it',
          value: 'true',
          options: [
            ['true', 'a bearer key'],
            ['false', 'only the wallet that pays'],
          ],
        },
        { name: 'wallet', label: 'Wallet whose payments are its own', ...ADDRESS },
        {
          name: 'walletSignature',
          label: 'What that wallet signed; who runs the router needs none',
        },
        { name: 'rules.maxPerCall', label: 'Most a call may cost, USD', inputmode: 'decimal' },
        { name: 'budgets.0.limit:need', label: 'Budget a month, USD', inputmode: 'decimal' },
      ],
      children: input({ type: 'hidden', name: 'budgets.0.per', value: 'month' }),
      submit: 'Create key',
    }),
  )

/** What can be changed of a node. */
export const changeForms = (scene: Scene, node: NodeView): Child[] => {
  if (node.deleted !== undefined) return []
  const path = [...node.above, node.id]
  const mayTree = allowed(scene.actor, 'tree.write', path)
  const mayBudget = allowed(scene.actor, 'budget.write', path)
  const mayKey = allowed(scene.actor, 'key.write', path)
  const keyOf = node.level === 'key' && node.key?.prefix !== undefined && mayKey
  if (!mayBudget && !mayTree && !keyOf) return []
  return [
    card(
      { title: 'Change', wide: node.level === 'key' },
      mayBudget && folded(scene, 'Edit the budgets', 'budgets-set', budgetsForm(scene, node)),
      mayBudget && folded(scene, 'Edit the rules', 'rules-set', rulesForm(scene, node)),
      mayTree &&
        node.level === 'user' &&
        folded(scene, 'Change how it signs in', 'login', loginForm(scene, node)),
      keyOf && folded(scene, 'Give it a new secret', 'rotate', rotateForm(scene, node)),
      mayTree && folded(scene, 'Rename', 'rename', renameForm(scene, node)),
      mayTree && node.level !== 'org' && folded(scene, 'Move', 'move', moveForm(scene, node)),
      mayTree && folded(scene, 'Delete', 'delete', deleteForm(scene, node)),
    ),
  ]
}

// A form that was refused stays open.
const folded = (scene: Scene, text: string, form: string, content: Child): Child =>
  details({ open: scene.refused?.form === form }, summary(text), content)

const budgetsForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'node.budgets',
    id: 'budgets-set',
    hidden: { id: node.id },
    children: budgetFields(
      'budgets-set',
      node.budgets,
      scene.refused?.form === 'budgets-set' ? scene.refused.values : undefined,
    ),
    submit: 'Save budgets',
  })

const rulesForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'node.rules',
    id: 'rules-set',
    hidden: { id: node.id, 'rules:object': '' },
    fields: ruleFields(node.rules),
    submit: 'Save rules',
  })

const loginForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'user.login',
    id: 'login',
    hidden: { id: node.id },
    fields: [
      { name: 'login', label: 'Login', value: node.login?.name },
      {
        name: 'password:exact',
        label: 'New password',
        type: 'password',
        hint: 'At least 12 characters; empty: it stays',
        autocomplete: 'new-password',
      },
      { name: 'wallet', label: 'Wallet that signs in', value: node.login?.wallet, ...ADDRESS },
    ],
    submit: 'Save',
  })

const renameForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'node.rename',
    id: 'rename',
    hidden: { id: node.id },
    fields: [{ ...NAME, label: 'New name', value: node.name }],
    submit: 'Rename',
  })

const moveForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'node.move',
    id: 'move',
    hidden: { id: node.id },
    fields: [
      {
        name: 'to',
        label: 'Id of its new place',
        required: true,
        hint: 'In the same organisation. What was spent before stays where it was spent.',
      },
    ],
    submit: 'Move',
  })

const rotateForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'key.rotate',
    id: 'rotate',
    hidden: { id: node.id },
    submit: 'Rotate key',
    tone: 'danger',
    confirm: `Give ${node.name} a new secret? The old one stops working at once.`,
  })

const deleteForm = (scene: Scene, node: NodeView): Child =>
  action(scene, {
    operation: 'node.delete',
    id: 'delete',
    hidden: { id: node.id },
    submit: `Delete this ${node.level === 'org' ? 'organisation' : node.level}`,
    tone: 'danger',
    confirm: `Delete ${node.name} and all below it for good? Its history stays.`,
    onTo: node.above.length > 0 ? `/admin/tree/${node.above.at(-1)}` : '/admin/tree',
  })
