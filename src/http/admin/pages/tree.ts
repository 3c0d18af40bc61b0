import { SITE } from '../../../accounts/node.ts'
import type { NodeView } from '../../../desk/tree.ts'
import { budgetBars } from './budgets.ts'
import { action } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, pager, shown } from './parts.ts'
import { type Asked, allowed, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago } from './words.ts'

const { a, div, p, span } = tags

export type Listed = { nodes: readonly NodeView[]; after?: string }
/** A node with what was read below it; `below` undefined: not looked at. */
export type Branch = { node: NodeView; below?: readonly Branch[] }

/** So many of one level are opened by themselves; with more, each is opened by its link. */
const MOST_OPEN = 12
const MOST_ROWS = 100

/** What stands below a node, and of that once more what stands below. */
export const branchesOf = async (
  scene: Scene,
  under: string,
  depth: number,
): Promise<Asked<{ branches: readonly Branch[]; after?: string }>> => {
  const after = scene.query.get('after')
  const listed = await scene.ask<Listed>('tree.list', { under, ...(after && { after }) })
  if (!listed.ok) return listed
  const nodes = listed.value.nodes.slice(0, MOST_ROWS)
  const next = listed.value.nodes.length > MOST_ROWS ? nodes.at(-1)!.id : listed.value.after
  const branches = await opened(scene, nodes, depth)
  return { ok: true, value: { branches, ...(next !== undefined && { after: next }) } }
}

const opened = (scene: Scene, nodes: readonly NodeView[], depth: number): Promise<Branch[]> =>
  Promise.all(
    nodes.map(async (node): Promise<Branch> => {
      if (depth <= 1 || node.level === 'key' || nodes.length > MOST_OPEN) return { node }
      const inner = await scene.ask<Listed>('tree.list', { under: node.id })
      if (!inner.ok) return { node }
      return { node, below: await opened(scene, inner.value.nodes.slice(0, MOST_OPEN), depth - 1) }
    }),
  )

/** Branches as rows of one table, each indented by its depth. */
export const branchTable = (
  scene: Scene,
  branches: readonly Branch[],
  about: { caption: string; none: Child },
): Child =>
  grid({
    caption: about.caption,
    columns: [
      { label: 'Name' },
      { label: 'State' },
      { label: 'Budgets: used or held of the limit' },
      { label: 'Made' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: rowsOf(scene, branches, 0),
    none: about.none,
  })

const LEVEL = { org: 'Org', team: 'Team', user: 'User', key: 'Key' } as const

const rowsOf = (scene: Scene, branches: readonly Branch[], depth: number): Child[][] =>
  branches.flatMap(({ node, below }) => [
    [
      span(
        { class: 'depth' },
        ...Array.from({ length: depth }, () => span({ class: 'step' })),
        span({ class: 'level' }, LEVEL[node.level]),
        span(a({ href: `/admin/tree/${node.id}`, dir: 'auto' }, node.name), detail(node)),
      ),
      stateBadge(node),
      budgetBars(node, scene.now),
      ago(node.created, scene.now),
      freezeButton(scene, node),
    ],
    ...rowsOf(scene, below ?? [], depth + 1),
  ])

const detail = ({ key, login }: NodeView): Child => {
  const text = key?.prefix !== undefined ? `${key.prefix}…` : (key?.wallet ?? login?.name)
  return text === undefined ? undefined : span({ class: 'sub' }, text)
}

/** How a node stands, in a word. */
export const stateBadge = (node: Pick<NodeView, 'frozen' | 'deleted'>): Child =>
  node.deleted !== undefined
    ? badge('bad', 'deleted')
    : node.frozen
      ? badge('warn', 'frozen')
      : badge('good', 'active')

/** A button that freezes or thaws, for who may. */
export const freezeButton = (scene: Scene, node: NodeView): Child => {
  const path = [...node.above, node.id]
  const mayFreeze = node.frozen || node.level !== 'key' ? 'tree.write' : 'key.write'
  if (node.deleted !== undefined || !allowed(scene.actor, mayFreeze, path)) return undefined
  const word = node.frozen ? 'Thaw' : 'Freeze'
  return div(
    { class: 'row-actions' },
    action(scene, {
      operation: 'node.freeze',
      id: `freeze-${node.id}`,
      hidden: { id: node.id, 'frozen:bool': node.frozen ? 'false' : 'true' },
      submit: word,
      spoken: `${word} ${node.name}`,
      tone: 'quiet',
      inline: true,
      ...(!node.frozen && {
        confirm: `Freeze ${node.name}? Neither it nor anything below it can make calls or sign in until it is thawed.`,
      }),
    }),
  )
}

/** The organisations, or what of the tree the actor has a role at. */
export const treePage = async (scene: Scene): Promise<Page> => {
  const all = allowed(scene.actor, 'tree.read')
  const found = all ? await branchesOf(scene, SITE, 2) : await mine(scene)
  return {
    title: 'Organisations',
    lead: 'Organisation, team, user, key: each may have budgets and rules of its own, and all that stand above a key bind its calls.',
    refresh: 10,
    content: div(
      { class: 'cards' },
      card(
        { title: all ? 'All organisations' : 'Where you have a role', wide: true, id: 'tree' },
        shown(found, ({ branches, after }) => [
          branchTable(scene, branches, {
            caption: 'Organisations and what stands below them',
            none: empty(
              'There is no organisation yet.',
              p('Make the first one below: its teams, users and keys come next.'),
            ),
          }),
          pager(scene, { name: 'after', next: after, older: 'More' }),
        ]),
      ),
      allowed(scene.actor, 'tree.write') &&
        card(
          { title: 'New organisation' },
          action(scene, {
            operation: 'org.create',
            id: 'org-create',
            fields: [{ name: 'name', label: 'Name', required: true, maxlength: 120 }],
            submit: 'Create organisation',
          }),
        ),
    ),
  }
}

const mine = async (scene: Scene): Promise<Asked<{ branches: readonly Branch[]; after?: string }>> => {
  const found = await scene.ask<{ nodes: readonly NodeView[] }>('tree.mine')
  if (!found.ok) return found
  const nodes = await Promise.all(
    found.value.nodes.map(async (one) => {
      const whole = await scene.ask<{ node: NodeView }>('node.get', { id: one.id })
      return whole.ok ? whole.value.node : { ...one, spent: [] }
    }),
  )
  return { ok: true, value: { branches: await opened(scene, nodes, 2) } }
}
