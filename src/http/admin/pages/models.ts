import { dot } from './charts.ts'
import { field } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, pager, shown } from './parts.ts'
import type { HostView, ModelList, ModelView } from './router-views.ts'
import type { Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { count, duration, percent, plural, UNKNOWN, usd } from './words.ts'

const { a, button, code, div, form, span } = tags

/** Where answers come from, how those places do, and what each model costs. */
export const modelsPage = async (scene: Scene): Promise<Page> => {
  const search = (scene.query.get('q') ?? '').trim().slice(0, 100)
  const after = scene.query.get('after')
  const [hosts, models] = await Promise.all([
    scene.ask<{ hosts: readonly HostView[] }>('host.list'),
    scene.ask<ModelList>('model.list', { search, limit: 50, ...(after && { after }) }),
  ])
  return {
    title: 'Models and hosts',
    lead: 'A model that fails at a host rests there for a while, and its calls go to other hosts.',
    refresh: 10,
    content: [
      card(
        { title: 'Hosts', id: 'hosts' },
        shown(hosts, (all) => hostTable(all.hosts)),
      ),
      card(
        { title: 'Models' },
        find(search),
        div(
          { id: 'models', 'data-live': true },
          shown(models, (found) => modelTable(scene, found, search)),
        ),
      ),
    ],
  }
}

const hostTable = (hosts: readonly HostView[]): Child =>
  grid({
    caption: 'Hosts and how they do',
    columns: [
      { label: 'Host' },
      { label: 'State' },
      { label: 'Models', end: true },
      { label: 'Failing lately, at worst', end: true },
      { label: 'Resting models' },
    ],
    rows: hosts.map((one) => [
      [one.provider, one.type !== undefined && span({ class: 'sub' }, one.type)],
      !one.up
        ? badge('bad', 'down')
        : (one.resting?.length ?? 0) > 0
          ? badge('warn', 'partly resting')
          : badge('good', 'up'),
      count(one.models),
      percent(one.failing),
      resting(one),
    ]),
    none: empty('No host is configured.', span('Add providers and models to the configuration.')),
  })

const resting = ({ resting: all = [] }: HostView): Child =>
  all.length === 0
    ? span({ class: 'muted' }, 'none')
    : [
        all.slice(0, 3).join(', '),
        all.length > 3 && span({ class: 'sub' }, `and ${plural(all.length - 3, 'more', 'more')}`),
      ]

const find = (search: string): Child =>
  form(
    {
      method: 'get',
      action: '/admin/models',
      class: 'filters',
      role: 'search',
      'aria-label': 'Find a model',
    },
    field('models', { name: 'q', label: 'Part of its name', value: search, maxlength: 100 }),
    div(
      { class: 'buttons' },
      button({ type: 'submit', class: 'primary' }, 'Find'),
      a({ href: '/admin/models', class: 'button' }, 'Clear'),
    ),
  )

const modelTable = (scene: Scene, { models, next }: ModelList, search: string): Child => [
  grid({
    caption: 'Models, their hosts and prices',
    columns: [
      { label: 'Model' },
      { label: 'Context, tokens', end: true },
      { label: 'Host' },
      { label: 'State' },
      { label: 'Failing lately', end: true },
      { label: 'Usual time', end: true },
      { label: 'Input, 1 M tokens', end: true },
      { label: 'Output, 1 M tokens', end: true },
    ],
    rows: models.flatMap(rowsOf),
    none: empty(search === '' ? 'No model is configured.' : 'No model has this in its name.'),
  }),
  pager(scene, { name: 'after', next, older: 'More models' }),
]

const rowsOf = ({ id, context, hosts }: ModelView): Child[][] =>
  hosts.map((host, at) => [
    at === 0 ? code(id) : code({ class: 'muted' }, id),
    count(context),
    host.provider,
    host.resting
      ? [dot('bad'), ` resting${host.barredMs ? `, tried again in ${duration(host.barredMs)}` : ''}`]
      : [dot('good'), ' taking calls'],
    percent(host.failing),
    typeof host.ms === 'number' ? duration(host.ms) : UNKNOWN,
    usd(host.input, 3),
    usd(host.output, 3),
  ])
