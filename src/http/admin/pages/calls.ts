import { filters } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, pager, type Tone, unavailable } from './parts.ts'
import type { CallList, CallView } from './router-views.ts'
import { placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago, chainName, count, duration, fineUsd, short, UNKNOWN } from './words.ts'

const { a, code, p, span } = tags

const STATES = [
  ['', 'any'],
  ['claimed', 'claimed'],
  ['dispatched', 'dispatched'],
  ['streaming', 'streaming'],
  ['served', 'served'],
  ['partial', 'partly served'],
  ['due', 'payment due'],
  ['settling', 'settling'],
  ['included', 'in a block'],
  ['settled', 'settled'],
  ['released', 'released: nothing charged'],
  ['rejected', 'rejected'],
  ['lost', 'lost'],
] as const

/** Calls as they come: who, what, what it cost; never what was said. */
export const callsPage = async (scene: Scene): Promise<Page> => {
  const at = placeOf(scene, 'calls.read')
  const state = scene.query.get('state') ?? ''
  const model = (scene.query.get('model') ?? '').trim()
  const before = scene.query.get('before')
  const listed = await scene.ask<CallList>('call.list', {
    at,
    limit: 50,
    ...(state && { state }),
    ...(model && { model }),
    ...(before && { before }),
  })
  return {
    title: 'Calls',
    lead: 'What was asked of which model, where it was answered and what it cost. Prompts and answers are kept nowhere.',
    ...(before === null && { refresh: 5 }),
    content: card(
      { title: before === null ? 'The newest calls' : 'Earlier calls' },
      filters(scene, {
        label: 'Filter the calls',
        fields: [
          { name: 'at', label: 'Account', value: at, placeholder: 'site' },
          { name: 'state', label: 'State', options: STATES },
          { name: 'model', label: 'Model', placeholder: 'openai/gpt-4o-mini', maxlength: 200 },
        ],
      }),
      tags.div(
        { id: 'calls', 'data-live': true },
        listed.ok
          ? [
              listed.value.calls.length === 0 && listed.value.next !== undefined
                ? empty('None of the calls that were looked through matches.', p('There are older ones.'))
                : callTable(scene, listed.value),
              pager(scene, { name: 'before', next: listed.value.next }),
            ]
          : unavailable(listed),
      ),
    ),
  }
}

const TONES: Readonly<Record<string, Tone>> = {
  settled: 'good',
  served: 'good',
  included: 'good',
  streaming: 'info',
  dispatched: 'info',
  claimed: 'info',
  settling: 'info',
  due: 'info',
  partial: 'warn',
  released: 'plain',
  rejected: 'plain',
  lost: 'bad',
}

/** Calls as a table, each with the names of its account. */
export const callTable = (scene: Scene, { calls, names }: CallList): Child => {
  return grid({
    caption: 'Calls, the newest first',
    columns: [
      { label: 'When' },
      { label: 'Model' },
      { label: 'Answered by' },
      { label: 'For' },
      { label: 'State' },
      { label: 'Tokens in / out', end: true },
      { label: 'Charged', end: true },
      { label: 'Call' },
    ],
    rows: calls.map((one) => [
      ago(one.time, scene.now),
      [span({ class: 'nowrap' }, one.model ?? one.asked ?? UNKNOWN), routed(one)],
      [one.provider ?? UNKNOWN, took(one)],
      payerOf(one, names),
      [
        badge(TONES[one.state] ?? 'plain', one.state),
        one.failed !== undefined && span({ class: 'sub' }, one.failed),
      ],
      one.input === undefined ? UNKNOWN : `${count(one.input)} / ${count(one.output)}`,
      charged(one),
      code({ title: one.id, class: 'nowrap' }, short(one.id.replace(/^call_/, ''), 4, 4)),
    ]),
    none: empty('No call matches.', p('Paid calls are listed here as soon as their payment is taken.')),
  })
}

const routed = ({ asked, model, why }: CallView): Child => {
  const text = [
    asked !== undefined && model !== undefined && asked !== model ? `asked for ${asked}` : '',
    why ?? '',
  ].filter((one) => one !== '')
  return text.length > 0 && span({ class: 'sub cut', title: text.join(' · ') }, text.join(' · '))
}

const took = ({ ms, firstMs }: CallView): Child =>
  ms !== undefined &&
  span(
    { class: 'sub nowrap' },
    `${duration(ms)}${firstMs === undefined ? '' : ` · first ${duration(firstMs)}`}`,
  )

const charged = ({ charged: sum, refunded, ceiling }: CallView): Child => [
  sum === undefined ? UNKNOWN : fineUsd(sum),
  refunded !== undefined
    ? span({ class: 'sub' }, `${fineUsd(refunded)} given back`)
    : sum === undefined && ceiling !== undefined && span({ class: 'sub' }, `at most ${fineUsd(ceiling)}`),
]

const payerOf = ({ account, payer, chain, symbol }: CallView, names: CallList['names']): Child => {
  const id = account?.at(-1)
  const org = account?.[0] === undefined ? undefined : names[account[0]]
  const by = [symbol, chain && chainName(chain)].filter(Boolean).join(' on ')
  return [
    id !== undefined
      ? a({ href: `/admin/tree/${id}`, dir: 'auto', class: 'nowrap' }, names[id] ?? id)
      : payer === undefined
        ? UNKNOWN
        : code({ title: payer }, short(payer, 6, 4)),
    span({ class: 'sub nowrap', title: chain }, org !== undefined && [span({ dir: 'auto' }, org), ' · '], by),
  ]
}
