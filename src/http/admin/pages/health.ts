import type { ApprovalView } from '../../../desk/approvals.ts'
import { dot } from './charts.ts'
import { type Tone, unavailable } from './parts.ts'
import type { HostView, OverviewView } from './router-views.ts'
import type { Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { chainName, count, duration, percent, plural, shareOf, UNKNOWN, usd } from './words.ts'

const { a, li, span, ul } = tags

type Check = { name: string; tone: Tone; state: Child; about?: Child; href?: string }

/** How the router is, at a glance: each thing that can be wrong, and whether it is. */
export const healthList = async (scene: Scene): Promise<Child> => {
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
