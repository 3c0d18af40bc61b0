import type { DeliveryView, HookView } from '../../../desk/hooks-views.ts'
import { EVENT_LIST } from '../../../desk/hooks-views.ts'
import { action } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, pager, shown, type Tone } from './parts.ts'
import { allowedSomewhere, linkWith, placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago, duration, plural } from './words.ts'

const { a, code, details, div, input, label, p, span, summary } = tags

type Deliveries = { deliveries: readonly DeliveryView[]; more: boolean }

/** Webhooks of a place and below it; of one that is chosen, what was sent. */
export const hooksPage = async (scene: Scene): Promise<Page> => {
  const at = placeOf(scene, 'hook.read')
  const chosen = scene.query.get('hook')
  const before = scene.query.get('before')
  const [hooks, deliveries] = await Promise.all([
    scene.ask<{ hooks: readonly HookView[] }>('hook.list', { at, below: true }),
    chosen
      ? scene.ask<Deliveries>('delivery.list', { hook: chosen, limit: 50, ...(before && { before }) })
      : undefined,
  ])
  return {
    title: 'Webhooks',
    lead: 'Signed messages to your own servers when a budget, an approval, a provider or a settlement needs somebody.',
    refresh: 10,
    content: div(
      { class: 'cards' },
      card(
        { title: 'Webhooks', wide: true, id: 'hooks' },
        shown(hooks, (all) => table(scene, all.hooks)),
      ),
      deliveries !== undefined &&
        card(
          { title: 'Deliveries', wide: true, id: 'deliveries', action: a({ href: '/admin/hooks' }, 'Close') },
          shown(deliveries, (log) => [
            deliveryTable(scene, log.deliveries),
            pager(scene, { name: 'before', next: log.more ? log.deliveries.at(-1)?.id : undefined }),
          ]),
        ),
      allowedSomewhere(scene.actor, 'hook.write') &&
        card(
          { title: 'New webhook', note: 'Its signing secret is shown once, right after.' },
          form(scene, at),
        ),
    ),
  }
}

const table = (scene: Scene, hooks: readonly HookView[]): Child =>
  grid({
    caption: 'Webhooks',
    columns: [
      { label: 'Goes to' },
      { label: 'Of' },
      { label: 'Events' },
      { label: 'State' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: hooks.map((hook) => [
      [code({ class: 'wrap' }, hook.url), span({ class: 'sub', dir: 'auto' }, hook.description)],
      hook.at === 'site' ? 'the router' : a({ href: `/admin/tree/${hook.at}` }, hook.at),
      hook.events.length === 0
        ? 'all'
        : details(summary(plural(hook.events.length, 'event')), ...hook.events.map((one) => p(code(one)))),
      state(scene, hook),
      buttons(scene, hook),
    ]),
    none: empty('There is no webhook yet.', p('Add one below, and send it a test.')),
  })

const state = (scene: Scene, { paused, failing }: HookView): Child =>
  paused
    ? [badge('warn', `paused ${paused.why}`), span({ class: 'sub' }, ago(paused.at, scene.now))]
    : failing
      ? [
          badge('bad', 'failing'),
          span({ class: 'sub' }, failing.why, ' since ', ago(failing.since, scene.now)),
        ]
      : badge('good', 'active')

const buttons = (scene: Scene, hook: HookView): Child => {
  const log = a({ class: 'button', href: linkWith(scene, { hook: hook.id, before: undefined }) }, 'Log')
  // Its path is not told; who may not is refused by the desk.
  if (!allowedSomewhere(scene.actor, 'hook.write')) return div({ class: 'row-actions' }, log)
  const one = (operation: string, submit: string, confirm?: string) =>
    action(scene, {
      operation,
      id: `${operation}-${hook.id}`,
      hidden: { hook: hook.id },
      submit,
      spoken: `${submit}: ${hook.url}`,
      tone: operation === 'hook.delete' ? 'danger' : 'quiet',
      inline: true,
      ...(confirm !== undefined && { confirm }),
    })
  return div(
    { class: 'row-actions' },
    log,
    one('hook.test', 'Test'),
    hook.paused
      ? one('hook.resume', 'Resume')
      : one('hook.pause', 'Pause', 'Pause this webhook? What waits for it is dropped.'),
    one('hook.rotate', 'Rotate', 'Make a new signing secret? The old one signs too for a day.'),
    one('hook.delete', 'Delete', `Delete the webhook to ${hook.url}?`),
  )
}

const TONES: Readonly<Record<DeliveryView['state'], Tone>> = {
  waiting: 'warn',
  delivered: 'good',
  failed: 'bad',
  dropped: 'plain',
}

const deliveryTable = (scene: Scene, deliveries: readonly DeliveryView[]): Child =>
  grid({
    caption: 'Deliveries, the newest first',
    columns: [
      { label: 'Event' },
      { label: 'When' },
      { label: 'State' },
      { label: 'Attempts' },
      { label: 'Next try' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: deliveries.map((one) => [
      [code(one.type), span({ class: 'sub' }, one.event)],
      ago(one.created, scene.now),
      badge(TONES[one.state], one.state),
      attempts(scene, one),
      one.next === null ? undefined : ago(one.next, scene.now),
      allowedSomewhere(scene.actor, 'hook.write') &&
        action(scene, {
          operation: 'delivery.redeliver',
          id: `again-${one.id}`,
          hidden: { delivery: one.id },
          submit: 'Send again',
          spoken: `Send ${one.type} again`,
          tone: 'quiet',
          inline: true,
        }),
    ]),
    none: empty('Nothing was sent to it yet.', p('Send it a test with its button above.')),
  })

const attempts = (scene: Scene, { attempts: all }: DeliveryView): Child => {
  const last = all.at(-1) as { at: number; ms?: number; status?: number; why?: string } | undefined
  if (!last) return 'none yet'
  const how = last.status === undefined ? (last.why ?? 'no answer') : `HTTP ${last.status}`
  return [
    `${all.length}, the last: ${how}`,
    span({ class: 'sub' }, ago(last.at, scene.now), last.ms === undefined ? '' : `, in ${duration(last.ms)}`),
  ]
}

const form = (scene: Scene, at: string): Child =>
  action(scene, {
    operation: 'hook.create',
    id: 'hook-create',
    hidden: { 'events:array': '' },
    fields: [
      {
        name: 'at',
        label: 'Of',
        value: at,
        required: true,
        hint: 'The id of an organisation, team, user or key; “site” for the router',
      },
      { name: 'url', label: 'URL', required: true, placeholder: 'https://…', inputmode: 'url' },
      { name: 'description', label: 'Description', maxlength: 200 },
    ],
    children: details(
      summary('Only some events'),
      ...EVENT_LIST.map(({ type, title }, place) =>
        div(
          { class: 'check' },
          input({ type: 'checkbox', id: `event-${place}`, name: `events.${place}`, value: type }),
          label({ for: `event-${place}` }, title),
        ),
      ),
    ),
    submit: 'Create webhook',
  })
