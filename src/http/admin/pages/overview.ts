import { callTable } from './calls.ts'
import { chart, sparkline } from './charts.ts'
import { healthList } from './health.ts'
import type { Page } from './layout.ts'
import { card, choice, empty, shown, unavailable } from './parts.ts'
import { bucketLabel, bucketTime, daysBack } from './periods.ts'
import type { CallList, SeriesView, Summary } from './router-views.ts'
import { type Asked, allowed, allowedSomewhere, type Scene } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'
import { ago, count, dollars, micros, percent, shareOf, sumUsd } from './words.ts'

const { a, article, div, h2, p, span } = tags

const PERIODS = { '1': 'Today', '7': '7 days', '30': '30 days' } as const

/** How the router earns and how it is. */
export const overviewPage = async (scene: Scene): Promise<Page> => {
  if (!allowed(scene.actor, 'analytics.read')) return elsewhere(scene)
  const asked = scene.query.get('days') ?? '7'
  const days = Object.hasOwn(PERIODS, asked) ? asked : '7'
  const period = { at: 'site', ...daysBack(scene.now, Number(days)) }
  const [summary, whole, calls] = await Promise.all([
    scene.ask<Summary>('analytics.summary', period),
    scene.ask<SeriesView>('analytics.series', { ...period, grain: days === '30' ? 'day' : 'hour' }),
    scene.ask<CallList>('call.list', { limit: 8 }),
  ])
  const series = soFar(whole, scene.now)
  const asOf = summary.ok ? summary.value.asOf : undefined
  return {
    title: 'Overview',
    lead: [
      'Whole days of UTC, today as far as it has gone',
      ...(asOf ? ['; counted up to ', ago(Date.parse(asOf), scene.now)] : []),
      '.',
    ],
    tools: choice(scene, { name: 'days', label: 'Period', now: days, options: Object.entries(PERIODS) }),
    refresh: 10,
    charts: true,
    content: [
      div(
        { id: 'tiles', 'data-live': true },
        shown(summary, (figures) => tiles(figures, series, days)),
      ),
      div(
        { class: 'cards two-one' },
        card(
          { title: 'Revenue and margin' },
          shown(series, (points) => moneyChart(points)),
        ),
        card({ title: 'Health', id: 'health' }, await healthList(scene)),
        card(
          {
            title: 'Last calls',
            wide: true,
            id: 'last-calls',
            action: a({ href: '/admin/calls' }, 'All calls'),
          },
          calls.ok ? callTable(scene, calls.value) : unavailable(calls),
        ),
      ),
    ],
  }
}

/** What is still to come of a day is no fall to nothing. */
const soFar = (series: Asked<SeriesView>, now: number): Asked<SeriesView> =>
  series.ok
    ? {
        ok: true,
        value: { ...series.value, points: series.value.points.filter(({ at }) => bucketTime(at) <= now) },
      }
    : series

/** For who has nothing to do with the router as a whole: where to go. */
const elsewhere = (scene: Scene): Page => ({
  title: 'Overview',
  content: empty(
    'Your roles are in single organisations; the router as a whole is for its operators.',
    allowedSomewhere(scene.actor, 'tree.read') && a({ href: '/admin/tree' }, 'Go to where you have a role'),
  ),
})

const tiles = (now: Summary, series: Asked<SeriesView>, days: string): Html => {
  const points = series.ok ? series.value.points : []
  const before = `the ${days === '1' ? 'day' : `${days} days`} before`
  const money = (title: string, of: 'spend' | 'margin' | 'savings', note?: Child) =>
    tile({
      title,
      value: sumUsd(now[of]),
      delta: compare(dollars(now[of]), dollars(now.before[of]), before),
      note,
      curve: points.map((one) => dollars(one[of])),
    })
  const paid = shareOf(now.margin, now.spend)
  const saved = shareOf(now.savings, now.flagship)
  return div(
    { class: 'tiles' },
    money('Revenue', 'spend'),
    now.margin !== undefined &&
      money('Margin', 'margin', paid === undefined ? undefined : `${percent(paid)} of revenue`),
    tile({
      title: 'Calls',
      value: count(now.calls),
      delta: compare(now.calls, now.before.calls, before),
      note: now.calls > 0 ? `${percent(now.failed / now.calls)} failed` : undefined,
      curve: points.map(({ calls }) => calls),
    }),
    money(
      'Saved against the flagship',
      'savings',
      saved === undefined ? undefined : `${percent(saved)} of its price`,
    ),
  )
}

/** A figure, how it differs from the period before, and its curve. */
const tile = (about: {
  title: string
  value: string
  delta: Child
  note?: Child
  curve: readonly number[]
}): Html =>
  article(
    { class: 'tile' },
    h2(about.title),
    div({ class: 'value' }, about.value),
    div({ class: 'delta' }, about.delta, about.note !== undefined && [' · ', about.note]),
    sparkline(about.curve),
  )

const compare = (now: number, before: number, name: string): Child => {
  if (before === 0) return now === 0 ? `nothing, as in ${name}` : `nothing in ${name}`
  const change = (now - before) / Math.abs(before)
  const text = `${change >= 0 ? '+' : '−'}${percent(Math.abs(change))}`
  return [span({ class: change >= 0 ? 'up' : 'down' }, text), ` on ${name}`]
}

const moneyChart = ({ points, grain }: SeriesView): Child => {
  if (points.every(({ spend }) => micros(spend) === 0n))
    return empty('Nothing was charged in this period.', p('The curve begins with the first paid call.'))
  const margin = points.every((one) => one.margin !== undefined)
  return chart({
    title: `Revenue${margin ? ' and margin' : ''} by the ${grain}`,
    unit: '$',
    tall: true,
    times: points.map(({ at }) => bucketTime(at)),
    labels: points.map(({ at }) => bucketLabel(at)),
    series: [
      {
        label: 'Revenue',
        values: points.map((one) => dollars(one.spend)),
        printed: points.map((one) => sumUsd(one.spend)),
      },
      ...(margin
        ? [
            {
              label: 'Margin',
              values: points.map((one) => dollars(one.margin)),
              printed: points.map((one) => sumUsd(one.margin)),
            },
          ]
        : []),
    ],
  })
}
