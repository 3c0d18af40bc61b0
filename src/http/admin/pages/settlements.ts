import type { Page } from './layout.ts'
import { badge, card, empty, grid, shown } from './parts.ts'
import type { FindingView, SettlementList, SettlementView } from './router-views.ts'
import type { Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago, chainName, count, fineUsd, short, UNKNOWN } from './words.ts'

const { article, code, div, h2, p, span } = tags

const MOST = 100

/** The way of payments to the chain, and where chain and ledger differ. */
export const settlementsPage = async (scene: Scene): Promise<Page> => {
  const [settlements, findings] = await Promise.all([
    scene.ask<SettlementList>('settlement.list'),
    scene.ask<{ findings: readonly FindingView[] }>('finding.list'),
  ])
  return {
    title: 'Settlements',
    lead: 'A payment is due, then signed and sent, then in a block, then settled when that block is deep enough.',
    refresh: 5,
    content: [
      settlements.ok && counts(settlements.value.counts),
      card(
        { title: 'Not settled yet', id: 'open' },
        shown(settlements, ({ open }) => openTable(scene, open)),
      ),
      card(
        { title: 'Findings of the reconciliation', id: 'findings' },
        shown(findings, (all) => findingTable(all.findings)),
      ),
    ],
  }
}

const counts = (all: Readonly<Record<string, number>>): Child =>
  div(
    { class: 'tiles', id: 'counts', 'data-live': true },
    ...Object.entries(all).map(([name, many]) =>
      article({ class: 'tile small' }, h2(name), div({ class: 'value' }, count(many))),
    ),
  )

const openTable = (scene: Scene, open: readonly SettlementView[]): Child => [
  grid({
    caption: 'Payments that are not settled yet, the oldest first',
    columns: [
      { label: 'Since' },
      { label: 'State' },
      { label: 'Chain' },
      { label: 'Amount', end: true },
      { label: 'Payer' },
      { label: 'Transaction' },
      { label: 'Call' },
    ],
    rows: open
      .slice(0, MOST)
      .map((one) => [
        one.ageMs === undefined ? UNKNOWN : ago(scene.now - one.ageMs, scene.now),
        badge(one.state === 'included' ? 'good' : 'info', one.state),
        one.chain === undefined ? UNKNOWN : span({ title: one.chain }, chainName(one.chain)),
        one.usd === undefined ? UNKNOWN : fineUsd(one.usd),
        cut(one.payer, 6),
        cut(one.hash, 8),
        cut(one.id, 8),
      ]),
    none: empty('Every payment is settled.'),
  }),
  open.length > MOST && p({ class: 'note' }, `The oldest ${MOST} of ${count(open.length)} are shown.`),
]

const findingTable = (findings: readonly FindingView[]): Child =>
  grid({
    caption: 'Where ledger and chain differ',
    columns: [
      { label: 'What' },
      { label: 'Token' },
      { label: 'Units on the chain', end: true },
      { label: 'Units in the ledger', end: true },
      { label: 'Transaction' },
      { label: 'Call' },
    ],
    rows: findings
      .slice(0, MOST)
      .map((one) => [
        [one.kind.replaceAll('_', ' '), one.what !== undefined && span({ class: 'sub' }, one.what)],
        one.asset ?? UNKNOWN,
        one.chain ?? UNKNOWN,
        one.ledger ?? UNKNOWN,
        cut(one.hash, 8),
        cut(one.call ?? undefined, 8),
      ]),
    none: empty('Nothing differs.', p('Ledger and chain are compared while the router runs.')),
  })

const cut = (id: string | undefined, head: number): Child =>
  id === undefined ? UNKNOWN : code({ title: id, class: 'nowrap' }, short(id, head, 4))
