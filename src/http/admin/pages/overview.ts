import type { ApprovalView } from '../../../desk/approvals.ts'
import { callTable } from './calls.ts'
import { chart, dot, sparkline } from './charts.ts'
import type { Page } from './layout.ts'
import { card, choice, empty, shown, type Tone, unavailable } from './parts.ts'
import { bucketLabel, bucketTime, daysBack } from './periods.ts'
import type { CallList, HostView, OverviewView, SeriesView, Summary } from './router-views.ts'
import { type Asked, allowed, allowedSomewhere, type Scene } from './scene.ts'
import { type Child, type Html, tags } from './tags.ts'
import {
  ago,
  chainName,
  count,
  dollars,
  duration,
  micros,
  percent,
  plural,
  shareOf,
  UNKNOWN,
  usd,
} from './words.ts'

const { a, article, div, h2, li, p, span, ul } = tags

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
        card({ title: 'Health', id: 'health' }, await health(scene)),
        card(
          {
            title: 'Last calls',
            wide: true,
            id: 'last-calls',
            action: a({ href: '/admin/calls' }, 'All calls'),
          },
          calls.ok ? await callTable(scene, calls.value.calls) : unavailable(calls),
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
      value: usd(now[of]),
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
        printed: points.map((one) => usd(one.spend)),
      },
      ...(margin
        ? [
            {
              label: 'Margin',
              values: points.map((one) => dollars(one.margin)),
              printed: points.map((one) => usd(one.margin)),
            },
          ]
        : []),
    ],
  })
}

type Check = { name: string; tone: Tone; state: Child; about?: Child; href?: string }

const health = async (scene: Scene): Promise<Child> => {
  const [overview, hosts, approvals] = await Promise.all([
    scene.ask<OverviewView>('overview.get'),
    scene.ask<{ hosts: readonly HostView[] }>('host.list'),
    scene.ask<{ approvals: readonly ApprovalView[] }>('approval.list', { status: 'waiting', limit: 50 }),
  ])
  if (!overview.ok) return unavailable(overview)
  const { ready } = overview.value
  const checks: Check[] = [
    readiness(ready),
    providers(overview.value, hosts.ok ? hosts.value.hosts : []),
    ...Object.entries(ready.checks.chains ?? {}).map(([chain, check]) => gas(chain, check)),
    oldest(overview.value),
    unpaid(overview.value),
    differing(overview.value),
    ...(approvals.ok ? [waiting(approvals.value.approvals)] : []),
  ]
  return ul(
    { class: 'checks' },
    ...checks.map(({ name, tone, state, about, href }) =>
      li(
        dot(tone),
        span(
          href === undefined ? name : a({ href }, name),
          about !== undefined && span({ class: 'about' }, about),
        ),
        span({ class: `state ${tone === 'plain' ? 'muted' : `${tone}-text`}` }, state),
      ),
    ),
  )
}

const readiness = ({ ready, problems, warnings }: OverviewView['ready']): Check => ({
  name: 'Paid calls',
  tone: !ready ? 'bad' : warnings.length > 0 ? 'warn' : 'good',
  state: ready ? 'taken' : 'not taken',
  about: [...problems, ...warnings].slice(0, 3).join(' · ') || undefined,
})

const providers = ({ providers: { all, up } }: OverviewView, hosts: readonly HostView[]): Check => {
  const resting = hosts.filter((one) => (one.resting?.length ?? 0) > 0).map(({ provider }) => provider)
  return {
    name: 'Providers',
    tone: up === 0 && all > 0 ? 'bad' : up < all || resting.length > 0 ? 'warn' : 'good',
    state: `${up} of ${all} up`,
    about: resting.length === 0 ? undefined : `Models rest at ${resting.slice(0, 5).join(', ')}`,
    href: '/admin/models',
  }
}

/** Settlements that the settler can still pay for, below which it should be filled up. */
const FEW = 200

const gas = (chain: string, { settlements }: { settlements?: string | undefined }): Check => ({
  name: `Settler’s gas on ${chainName(chain)}`,
  tone: settlements === undefined ? 'plain' : Number(settlements) < FEW ? 'warn' : 'good',
  state: settlements === undefined ? UNKNOWN : `for ${count(settlements)}`,
  about: settlements === undefined ? 'Not known now' : 'settlements, at the present fees',
})

const HOUR_MS = 3_600_000

const oldest = ({ settlements: { open, oldestMs } }: OverviewView): Check => ({
  name: 'Settlements',
  tone: open > 0 && oldestMs > HOUR_MS ? 'warn' : 'good',
  state: open === 0 ? 'none open' : `${count(open)} open`,
  about: open === 0 ? undefined : `The oldest is ${duration(oldestMs)} old`,
  href: '/admin/settlements',
})

const unpaid = ({ exposure: { usd: open, limit } }: OverviewView): Check => {
  const share = shareOf(open, limit)
  return {
    name: 'Service not paid yet',
    tone: share !== undefined && share >= 0.8 ? 'warn' : 'good',
    state: usd(open),
    about: `of ${usd(limit)} that is risked${share === undefined ? '' : `, ${percent(share)}`}`,
  }
}

const differing = ({ findings }: OverviewView): Check => ({
  name: 'Ledger and chain',
  tone: findings === 0 ? 'good' : 'bad',
  state: findings === 0 ? 'no finding' : plural(findings, 'finding'),
  href: '/admin/settlements',
})

const waiting = (approvals: readonly ApprovalView[]): Check => ({
  name: 'Approvals',
  tone: approvals.length === 0 ? 'good' : 'warn',
  state:
    approvals.length === 0
      ? 'none waiting'
      : `${approvals.length === 50 ? '50 or more' : approvals.length} waiting`,
  href: '/admin/approvals',
})
