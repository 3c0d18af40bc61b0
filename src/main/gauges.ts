import type { ChainId } from '../assets.ts'
import type { Config } from '../config.ts'
import { COUNTER } from '../ledger/moves.ts'
import type { Metrics } from '../metrics.ts'
import type { Admit } from './admit.ts'
import type { Base } from './base.ts'

/** A balance is asked for at most so often, ms. */
const GAS_MS = 10_000

/** Lets `metrics` say at each scrape how things stand: store, lease, outbox, gas, exposure, and who was turned away. */
export const openGauges = (metrics: Metrics, config: Config, base: Base, admit: Admit): void => {
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
