import type { ApprovalView } from '../../../desk/approvals.ts'
import { action } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, choice, empty, grid, pager, shown, type Tone } from './parts.ts'
import { allowed, placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago, fineUsd } from './words.ts'

const { a, div, li, p, span, strong, ul } = tags

type Listed = { approvals: readonly ApprovalView[]; after?: string }

const TONES: Readonly<Record<ApprovalView['status'], Tone>> = {
  waiting: 'warn',
  approved: 'good',
  refused: 'bad',
  used: 'plain',
  expired: 'plain',
}

/** What waits for somebody's yes, and what was decided. */
export const approvalsPage = async (scene: Scene): Promise<Page> => {
  const at = placeOf(scene, 'tree.read')
  const status = scene.query.get('status') ?? ''
  const after = scene.query.get('after')
  const [waiting, history] = await Promise.all([
    scene.ask<Listed>('approval.list', { at, status: 'waiting', limit: 50 }),
    scene.ask<Listed>('approval.list', { at, limit: 50, ...(status && { status }), ...(after && { after }) }),
  ])
  return {
    title: 'Approvals',
    lead: 'Calls above a limit and changes that need a second person wait here. Nobody approves what they asked for themselves.',
    refresh: 10,
    content: div(
      { class: 'cards' },
      card(
        { title: 'Waiting', wide: true },
        shown(waiting, ({ approvals }) =>
          approvals.length === 0
            ? empty('Nothing waits for an approval.')
            : ul({ class: 'checks' }, ...approvals.map((one) => inbox(scene, one))),
        ),
      ),
      card(
        {
          title: 'History',
          wide: true,
          id: 'history',
          action: choice(scene, {
            name: 'status',
            label: 'Which of them',
            now: status,
            options: [
              ['', 'All'],
              ['approved', 'Approved'],
              ['refused', 'Refused'],
              ['used', 'Used'],
              ['expired', 'Expired'],
            ],
          }),
        },
        shown(history, (listed) => [
          table(scene, listed.approvals),
          pager(scene, { name: 'after', next: listed.after }),
        ]),
      ),
    ),
  }
}

/** One that waits, with its two buttons. */
const inbox = (scene: Scene, one: ApprovalView): Child => {
  const mine = one.by.user === scene.actor.user
  const may = allowed(scene.actor, 'approval.decide', one.path) && !mine
  return li(
    { class: 'waiting' },
    span(
      { class: 'waiting-what' },
      strong(one.kind === 'call' ? `A call of ${one.what}` : one.what),
      one.ceiling !== undefined && span(` for at most ${fineUsd(one.ceiling)}`),
      span({ class: 'about' }, one.why),
      span(
        { class: 'about' },
        'Asked by ',
        span({ dir: 'auto' }, one.by.name),
        ' ',
        ago(one.created, scene.now),
        ' · ends ',
        ago(one.expires, scene.now),
        one.at !== 'site' && [' · at ', a({ href: `/admin/tree/${one.at}` }, one.at)],
      ),
    ),
    may
      ? div(
          { class: 'waiting-forms' },
          action(scene, {
            operation: 'approval.decide',
            id: `decide-${one.id}`,
            hidden: { id: one.id },
            fields: [{ name: 'note', label: 'Note', hint: 'Who asked reads it', maxlength: 500 }],
            submit: 'Approve',
            choose: {
              name: 'approve:bool',
              ways: [
                { value: 'true', submit: 'Approve', spoken: `Approve ${one.what}` },
                { value: 'false', submit: 'Refuse', spoken: `Refuse ${one.what}`, tone: 'danger' },
              ],
            },
          }),
        )
      : p(
          { class: 'muted' },
          mine ? 'You asked for this: somebody else has to decide.' : 'You may not decide this.',
        ),
  )
}

const table = (scene: Scene, approvals: readonly ApprovalView[]): Child =>
  grid({
    caption: 'Approvals, the newest first',
    columns: [
      { label: 'What' },
      { label: 'Why' },
      { label: 'Asked by' },
      { label: 'When' },
      { label: 'State' },
      { label: 'Decided by' },
      { label: 'Note' },
    ],
    rows: approvals.map((one) => [
      one.what,
      one.why,
      span({ dir: 'auto' }, one.by.name),
      ago(one.created, scene.now),
      [badge(TONES[one.status], one.status), repeat(scene, one)],
      one.decidedBy?.name,
      one.note,
    ]),
    none: empty(
      'There is none yet.',
      p('Set “ask for approval above” in the rules of an organisation, team, user or key.'),
    ),
  })

// Its input is kept by nobody but who asked: the form is filled in once more, and goes through with this.
const repeat = (scene: Scene, { kind, status, by, at, id }: ApprovalView): Child =>
  kind === 'operation' &&
  status === 'approved' &&
  by.user === scene.actor.user &&
  at !== 'site' &&
  span({ class: 'sub' }, a({ href: `/admin/tree/${at}?approval=${id}` }, 'Make the change'))
