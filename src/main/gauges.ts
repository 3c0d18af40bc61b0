import { type Approval, statusOf } from '../accounts/approvals.ts'
import { APPROVALS } from '../accounts/tables.ts'
import type { ChainId } from '../assets.ts'
import type { Config } from '../config.ts'
import { COUNTER } from '../ledger/moves.ts'
import { SPOT_CHECKED, spotCheck } from '../ledger/spot-check.ts'
import type { Metrics } from '../metrics.ts'
import type { Health } from '../route/health.ts'
import type { Admit } from './admit.ts'
import type { Base } from './base.ts'

/** A balance is asked for at most so often, ms. */
const GAS_MS = 10_000
/** The open calls, and what waits for approval, are looked through at most so often, ms. */
const CHECK_MS = 60_000
const APPROVALS_MS = 10_000
const MOST_APPROVALS = 500

/** What stands beside the base. */
type Beside = { admit: Admit; health: Pick<Health, 'resting'> }

/** Lets `metrics` say at each scrape how things stand: store, lease, outbox, gas, exposure, and who was turned away. */
export const openGauges = (metrics: Metrics, config: Config, base: Base, { admit, health }: Beside): void => {
  const { ledger, account, clock, settlers, chains, serving, fleet } = base
  metrics.onScrape(() => metrics.set('farebox_lease_held', [], fleet.lease.isHeld() ? 1 : 0))

  metrics.onScrape(async () => {
    const from = performance.now()
    metrics.set('farebox_store_up', [], 0)
    await ledger.lastNonce('', account.address)
    metrics.set('farebox_store_up', [], 1)
    metrics.set('farebox_store_answer_seconds', [], (performance.now() - from) / 1_000)
  })

  metrics.onScrape(async () => {
    const { total } = config.exposure
    metrics.set('farebox_exposure_limit_microusd', [], Number(total))
    const open = await ledger.counter(COUNTER.exposure)
    metrics.set('farebox_exposure_microusd', [], Number(open))
  })

  for (const [id, settler] of settlers) {
    begin(metrics, id)
    metrics.onScrape(() => {
      metrics.set('farebox_outbox_depth', [id], settler.pending())
      metrics.set('farebox_calls_open', [id], serving.count(id))
      const { timestamp } = settler.head()
      if (timestamp > 0)
        metrics.set('farebox_chain_head_age_seconds', [id], Math.max(0, clock.now() / 1_000 - timestamp))
    })
    const gas = keeping(GAS_MS, () => chains.get(id)!.gasBalance(account.address))
    metrics.onScrape(async () => metrics.set('farebox_settler_gas_wei', [id], Number(await gas())))
  }

  gaugeProviders(metrics, config, health)
  gaugeLedger(metrics, config, base)
  gaugeApprovals(metrics, base)

  const limited = counter((name, by) => {
    const [kind = '', subject = ''] = name.split(' ')
    metrics.count('farebox_rate_limited_total', [kind, subject], by)
  })
  const cut = counter((why, by) => metrics.count('farebox_connections_cut_total', [why], by))
  metrics.onScrape(() => {
    limited(admit.admission.refused())
    cut(admit.cuts())
  })
}

const gaugeProviders = (metrics: Metrics, config: Config, { resting }: Beside['health']): void =>
  metrics.onScrape(() => {
    const asleep = new Set<string>()
    for (const { hosts } of config.catalog.models)
      for (const { provider, model } of hosts) if (resting(provider, model)) asleep.add(provider)
    for (const { id } of config.providers)
      metrics.set('farebox_provider_resting', [id], asleep.has(id) ? 1 : 0)
  })

/** Only where somebody looks, and where the money moves: the others would say the same. */
const gaugeLedger = (metrics: Metrics, config: Config, { ledger, clock, fleet }: Base): void => {
  const check = keeping(CHECK_MS, async () => {
    try {
      const { exposure } = config
      const seen = await spotCheck(ledger, { now: clock.now(), exposure })
      metrics.count('farebox_ledger_checks_total', ['done'])
      return seen
    } catch (error) {
      metrics.count('farebox_ledger_checks_total', ['failed'])
      throw error
    }
  })
  for (const result of ['done', 'failed']) metrics.count('farebox_ledger_checks_total', [result], 0)
  metrics.onScrape(async () => {
    const leads = fleet.lease.isHeld()
    const seen = leads ? await check() : undefined
    const { serving = 0, settling = 0, oldest, violations = {} } = seen ?? {}
    metrics.set('farebox_claims_open', ['serving'], serving)
    metrics.set('farebox_claims_open', ['settling'], settling)
    const age = oldest === undefined ? 0 : Math.max(0, clock.now() - oldest) / 1_000
    metrics.set('farebox_claim_oldest_seconds', [], age)
    for (const name of SPOT_CHECKED) metrics.set('farebox_ledger_violations', [name], violations[name] ?? 0)
  })
}

const gaugeApprovals = (metrics: Metrics, { records, clock }: Base): void => {
  const waiting = keeping(APPROVALS_MS, async () => {
    const rows = await records.list<Approval>(APPROVALS, { backwards: true, limit: MOST_APPROVALS })
    return rows.filter(({ value }) => statusOf(value, clock.now()) === 'waiting').length
  })
  metrics.onScrape(async () => metrics.set('farebox_approvals_waiting', [], await waiting()))
}

// What begins to exist with its first loss would not be seen to rise.
const begin = (metrics: Metrics, id: ChainId): void => {
  for (const outcome of ['settled', 'lost', 'reorged', 'found'])
    metrics.count('farebox_settlements_total', [id, outcome], 0)
  metrics.count('farebox_quoted_microusd_total', [id], 0)
  metrics.count('farebox_charged_microusd_total', [id], 0)
  metrics.count('farebox_refunded_microusd_total', [id], 0)
  metrics.count('farebox_settled_microusd_total', [id], 0)
  metrics.count('farebox_lost_microusd_total', [id], 0)
  metrics.count('farebox_settlement_gas_gwei_total', [id], 0)
}

/** Counts how a node of a chain failed us, by its place in the configuration. */
export const countFailures = (metrics: Metrics, id: ChainId, urls: readonly string[]) => (url: string) =>
  metrics.count('farebox_chain_failures_total', [id, String(urls.indexOf(url))])

const keeping = <T>(ms: number, ask: () => Promise<T>): (() => Promise<T>) => {
  let asked = Number.NEGATIVE_INFINITY
  let last: Promise<T> | undefined
  return () => {
    if (last && performance.now() - asked < ms) return last
    asked = performance.now()
    last = ask()
    // A failure is not kept: the next scrape asks again.
    last.catch(() => {
      last = undefined
    })
    return last
  }
}

/** Follows sums that are kept elsewhere. */
const counter = (add: (name: string, by: number) => void) => {
  const seen = new Map<string, number>()
  return (now: Readonly<Partial<Record<string, number>>>): void => {
    for (const [name, sum = 0] of Object.entries(now)) {
      add(name, sum - (seen.get(name) ?? 0))
      seen.set(name, sum)
    }
  }
}
