import { bar, chart } from './charts.ts'
import { filters } from './form-parts.ts'
import type { Page } from './layout.ts'
import { card, choice, empty, grid, shown } from './parts.ts'
import { bucketLabel, bucketTime, daysBack } from './periods.ts'
import type { Figures, SeriesView, Summary, TopView } from './router-views.ts'
import { placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { chainName, count, dollars, duration, micros, percent, shareOf, sumUsd, UNKNOWN } from './words.ts'

const { a, article, div, h2, p, span } = tags

const BY = [
  ['child', 'What is right below'],
  ['key', 'Keys'],
  ['model', 'Models'],
  ['host', 'Hosts'],
  ['chain', 'Chains'],
  ['strategy', 'Strategies'],
  ['outcome', 'Outcomes'],
  ['tag', 'Tags'],
] as const

const DAY = /^20\d\d-\d\d-\d\d$/

/** What calls came to, by what they were told apart. */
export const analyticsPage = async (scene: Scene): Promise<Page> => {
  const at = placeOf(scene, 'analytics.read')
  const by = BY.find(([one]) => one === scene.query.get('by'))?.[0] ?? 'model'
  const last = daysBack(scene.now, 30)
  const day = (name: 'from' | 'to') => {
    const given = scene.query.get(name) ?? ''
    return DAY.test(given) ? given : last[name]
  }
  const period = { at, from: day('from'), to: day('to') }
  const [summary, series, top] = await Promise.all([
    scene.ask<Summary>('analytics.summary', period),
    scene.ask<SeriesView>('analytics.series', { ...period, grain: 'day' }),
    scene.ask<TopView>('analytics.top', { ...period, by, limit: 25 }),
  ])
  const csv = new URLSearchParams({ ...period, by })
  return {
    title: 'Analytics',
    lead: `Calls that ended from ${period.from} to ${period.to}, days of UTC.`,
    tools: a({ class: 'button', href: `/admin/api/analytics.csv?${csv}` }, 'Download CSV'),
    charts: true,
    content: [
      filters(scene, {
        label: 'What is counted',
        fields: [
          { name: 'at', label: 'Account', value: at, placeholder: 'site' },
          { name: 'from', label: 'From', type: 'date', value: period.from },
          { name: 'to', label: 'To', type: 'date', value: period.to },
          { name: 'by', label: 'Told apart by', value: by, options: BY },
        ],
      }),
      shown(summary, tiles),
      div(
        { class: 'cards' },
        card({ title: 'Spending by day' }, shown(series, spending)),
        card({ title: 'Calls by day' }, shown(series, calls)),
        card(
          {
            title: `By ${BY.find(([one]) => one === by)![1].toLowerCase()}`,
            wide: true,
            action: choice(scene, { name: 'by', label: 'Told apart by', now: by, options: BY }),
          },
          shown(top, (found) => topTable(found, by)),
        ),
      ),
    ],
  }
}

const tiles = (now: Summary): Child => {
  const tile = (title: string, value: string, about: string) =>
    article(
      { class: 'tile small' },
      h2(title),
      div({ class: 'value' }, value),
      div({ class: 'delta' }, about),
    )
  const { latency, firstByte } = now
  return div(
    { class: 'tiles six' },
    tile('Spent', sumUsd(now.spend), `${sumUsd(now.before.spend)} in the period before`),
    now.margin !== undefined &&
      tile('Margin', sumUsd(now.margin), `${percent(shareOf(now.margin, now.spend))} of what was spent`),
    tile(
      'Saved against the flagship',
      sumUsd(now.savings),
      `${percent(shareOf(now.savings, now.flagship))} of its price`,
    ),
    tile('Calls', count(now.calls), now.calls > 0 ? `${percent(now.failed / now.calls)} failed` : 'none'),
    tile(
      'Tokens',
      short(now.inputTokens + now.outputTokens),
      `${short(now.inputTokens)} in, ${short(now.outputTokens)} out`,
    ),
    tile(
      'Median time',
      latency === undefined ? UNKNOWN : duration(latency.p50),
      [latency && `99 % in ${duration(latency.p99)}`, firstByte && `first byte ${duration(firstByte.p50)}`]
        .filter(Boolean)
        .join(' · '),
    ),
  )
}

const short = (many: number): string =>
  many.toLocaleString('en-US', { notation: 'compact', maximumSignificantDigits: 3 })

const NONE = () => empty('No call ended in these days.', p('Choose other days, or another place.'))

const spending = ({ points }: SeriesView): Child =>
  points.every(({ spend }) => micros(spend) === 0n)
    ? NONE()
    : chart({
        title: 'Spent, and what the flagship would have cost, by day',
        unit: '$',
        ...axis(points),
        series: [
          {
            label: 'Spent',
            values: points.map((one) => dollars(one.spend)),
            printed: points.map((one) => sumUsd(one.spend)),
          },
          {
            label: 'The flagship would have cost',
            values: points.map((one) => dollars(one.flagship)),
            printed: points.map((one) => sumUsd(one.flagship)),
          },
        ],
      })

const calls = ({ points }: SeriesView): Child =>
  points.every((one) => one.calls === 0)
    ? NONE()
    : chart({
        title: 'Calls, and those that failed, by day',
        unit: '',
        ...axis(points),
        series: [
          {
            label: 'Calls',
            values: points.map((one) => one.calls),
            printed: points.map((one) => count(one.calls)),
          },
          {
            label: 'Failed',
            values: points.map((one) => one.failed),
            printed: points.map((one) => count(one.failed)),
          },
        ],
      })

const axis = (points: SeriesView['points']) => ({
  times: points.map(({ at }) => bucketTime(at)),
  labels: points.map(({ at }) => bucketLabel(at)),
})

const topTable = ({ values, rest }: TopView, by: string): Child => {
  const books = values.some(({ margin }) => margin !== undefined)
  const most = Math.max(...values.map(({ spend }) => dollars(spend)), 0)
  const row = (name: Child, one: Figures, length: number | undefined): Child[] => [
    name,
    length === undefined ? undefined : bar(length),
    sumUsd(one.spend),
    ...(books ? [sumUsd(one.margin), percent(shareOf(one.margin, one.spend))] : []),
    sumUsd(one.savings),
    count(one.calls),
    one.calls > 0 ? percent(one.failed / one.calls) : UNKNOWN,
    one.latency === undefined ? UNKNOWN : duration(one.latency.p50),
  ]
  return grid({
    caption: 'The values with the highest spending',
    columns: [
      { label: 'Name' },
      { label: 'Share', hush: true },
      { label: 'Spent', end: true },
      ...(books
        ? [
            { label: 'Margin', end: true },
            { label: 'of it', end: true },
          ]
        : []),
      { label: 'Saved', end: true },
      { label: 'Calls', end: true },
      { label: 'Failed', end: true },
      { label: 'Median time', end: true },
    ],
    rows: [
      ...values.map((one) => row(nameOf(one, by), one, most > 0 ? dollars(one.spend) / most : 0)),
      ...(rest.values > 0
        ? [row(span({ class: 'muted' }, `${count(rest.values)} more`), rest, undefined)]
        : []),
    ],
    none: NONE(),
  })
}

const nameOf = ({ value, name }: { value: string; name?: string }, by: string): Child => {
  if (value === '-') return span({ class: 'muted' }, by === 'child' ? 'without an account' : 'not known')
  if (by === 'chain') return span({ title: value }, chainName(value))
  if (by === 'child' || by === 'key')
    return a({ href: `/admin/analytics?at=${value}&by=child`, dir: 'auto' }, name ?? value)
  return name ?? value
}
