import type { Deps } from '../call/deps.ts'
import { compareConfigs } from '../config/reload.ts'
import { type Config, ConfigError } from '../config.ts'
import { type Log, reasonOf } from '../log.ts'
import { createQuoter, type Quote, type Quoter } from '../quote/quote.ts'
import { createSealer } from '../quote/seal.ts'
import type { Order } from '../wire/order.ts'
import type { Providers } from './providers.ts'
import { type Lookups, openFlagship, openRouter } from './routing.ts'

/** Settings that were changed by their names, or why nothing was. */
export type Reloaded = { ok: true; changed: readonly string[] } | { ok: false; problems: readonly string[] }

/** Reads the configuration anew and takes it over, all of it or nothing; logs which and never rejects. One at a time, in order. */
export type Reload = (read: () => Config) => Promise<Reloaded>

export type ReloadFacts = {
  /** The configuration as the router has it now: what reads its settings from here sees them change. */
  live: Config
  /** What calls read, by name, each time anew. */
  deps: Deps
  providers: Providers
  log: Log
  /** Whatever else takes over settings; called once the new ones are `live`. */
  also?: readonly (() => void)[]
}

/** What calls need of the settings that can change while the router runs. */
export const liveDeps = (
  config: Config,
  lookups: Lookups,
): Pick<Deps, 'router' | 'quoter' | 'flagship' | 'exposure' | 'firstByteMs'> => {
  const router = openRouter(config, lookups)
  const quoter = createQuoter({
    router,
    catalog: config.catalog,
    learner: lookups.learner,
    clock: lookups.clock,
    margin: config.pricing.marginPercent,
    defaultMaxOutput: config.pricing.defaultMaxOutput,
    ttl: config.quote.ttlSeconds,
  })
  return {
    router,
    quoter,
    flagship: openFlagship(config, lookups),
    exposure: config.exposure,
    firstByteMs: Math.max(...config.providers.map((one) => one.firstByteMs)),
  }
}

/** Lets a router take over another configuration while it runs. Calls that run end as they began; a quote is honoured at its own price. */
export const createReload = ({ live, deps, providers, log, also = [] }: ReloadFacts): Reload => {
  const former: { quoter: Quoter; until: number }[] = []
  deps.formerQuotes = (order) =>
    former.filter(({ until }) => until > deps.clock.now()).flatMap(({ quoter }) => quoted(quoter, order))
  /** A payment of x402 v1 carries no seal, so the old prices are kept for as long as their quotes last. */
  const remember = (ttlSeconds: number): void => {
    former.unshift({ quoter: deps.quoter, until: deps.clock.now() + ttlSeconds * 1_000 })
    former.splice(MOST_FORMER)
  }

  const take = async (next: Config): Promise<readonly string[]> => {
    const { changed, refused } = compareConfigs(live, next)
    if (refused.length > 0) throw new ConfigError(refused.map((name) => `${name}: needs a restart`))
    if (changed.length === 0) return changed
    // Whatever can fail comes before anything changes; what follows is done in one go, between two calls.
    const sealer = await createSealer(next.secrets.quoteSecrets)
    providers.take(next)
    if (changed.some((name) => name.startsWith('providers')))
      for (const { id } of next.providers) deps.health.forget(id)
    if (changed.some((name) => PRICES.test(name))) remember(live.quote.ttlSeconds)
    Object.assign(live, next)
    const offers: Deps['offers'] = {
      ...deps.offers,
      sealer,
      onTrust: next.exposure.perCall,
      get epoch() {
        return deps.ledger.epoch
      },
    }
    Object.assign(deps, liveDeps(next, deps), { offers } satisfies Partial<Deps>)
    for (const one of also) one()
    return changed
  }

  const once: Reload = async (read) => {
    try {
      const changed = await take(read())
      log.info(changed.length > 0 ? 'config_reloaded' : 'config_unchanged', { changed: changed.join(', ') })
      return { ok: true, changed }
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [reasonOf(error)]
      log.error('config_refused', { problems: problems.join('; '), now: 'the old configuration goes on' })
      return { ok: false, problems }
    }
  }

  let last: Promise<unknown> = Promise.resolve()
  return (read) => {
    const turn = last.then(() => once(read))
    last = turn
    return turn
  }
}

/** Each of them prices every such payment once more. */
const MOST_FORMER = 4
const PRICES = /^(models|pricing|routing)\b/

/** Nothing where the old catalogue refuses the request: it never was quoted then. */
const quoted = (quoter: Quoter, order: Order): Quote[] => {
  try {
    return [quoter.quote(order)]
  } catch {
    return []
  }
}
