/** The only file that knows every name: it puts the house together, and hands the commands what they need. */
import type { ChainId } from './assets.ts'
import type { Deps } from './call/deps.ts'
import { recover } from './call/recover.ts'
import { isOffered } from './channel/agree.ts'
import type { ChannelDesk } from './channel/desk.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import type { Desk } from './desk/desk.ts'
import { createApp } from './http/app.ts'
import { createDrain } from './http/drain.ts'
import { createRequestMeter, metricsResource } from './http/metrics.ts'
import { createReadiness } from './http/ready-facts.ts'
import { resources } from './http/resources.ts'
import { createNodeServer, listen } from './http/server.ts'
import { lastClosed, markClosed } from './main/accounts.ts'
import { type Admit, openAdmit } from './main/admit.ts'
import { type Options, openBase } from './main/base.ts'
import { createDeps, openDesk, openProvider, SETTLE_FIRST_MS } from './main/deps.ts'
import { openOperatorDesk } from './main/desk.ts'
import { leadDuties, loneDuties } from './main/duties.ts'
import { facilitatorDoors } from './main/facilitator.ts'
import { openLedger, openRecords, wholly } from './main/fleet.ts'
import { openGauges } from './main/gauges.ts'
import { watchPrices } from './main/prices.ts'
import { createProviders } from './main/providers.ts'
import { readinessFacts } from './main/ready.ts'
import { createReload, type Reload } from './main/reload.ts'
import { createStrays } from './main/strays.ts'
import { openTree } from './main/tree.ts'
import { tellFindings, tellReorgs } from './main/watch-taps.ts'
import { createSealer } from './quote/seal.ts'
import { startReconcilers } from './reconcile/start.ts'

export type { Options } from './main/base.ts'
export { openLedger } from './main/fleet.ts'

export type Farebox = {
  url: string
  deps: Deps
  /** Claims what channels owe. */
  keeper: ChannelDesk['keeper']
  app: ReturnType<typeof createApp>
  /** Of the instances that share its store, this one settles. */
  leads: () => boolean
  /** What operators and organisations do beside calling. */
  desk: Desk
  /** Who gets in, and what was turned away. */
  admit: Admit
  /** Takes over what changed in a configuration, or says why it cannot. */
  reload: Reload
  /** Stops taking requests, lets running ones finish for at most `drainMs` (default as configured), then closes everything. Idempotent. */
  close: (drainMs?: number) => Promise<void>
}

/** Opens the ledger, checks the chains and assets, ends what a dead process left behind, and listens. */
export const startFarebox = async (given: Config, options: Options = {}): Promise<Farebox> => {
  // Ours alone, since a reload changes it.
  const config = { ...given }
  const base = await openBase(config, options)
  const { ledger, log, clock, settlers, chains, account, tills, fleet } = base
  await fleet.alive.start()
  const strays = fleet.store && createStrays({ ledger, clock, log, me: fleet.alive.me })
  strays?.start()
  // In a fleet its leader does, and knows who is alive.
  const recovered = fleet.store ? 0 : await recover(ledger, clock)
  if (recovered > 0) log.warn('recovered', { calls: recovered })
  for (const settler of settlers.values()) await settler.start()
  const providers = createProviders({
    open: (one, from) => openProvider(one, from, clock),
    honourMs: () => config.quote.ttlSeconds * 1_000 + SETTLE_FIRST_MS,
  })
  providers.take(config)
  const sealer = await createSealer(config.secrets.quoteSecrets)

  let app: ReturnType<typeof createApp>
  let closing: Promise<void> | undefined
  const admit = openAdmit(config, base)
  const node = createNodeServer((request, env) => drain.track(app.fetch(request, env)), admit.server)
  const drain = createDrain(node)
  const { host, port, bodyLimit } = config.server
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${await listen(node, host, port)}`
  const publicUrl = (config.server.publicUrl ?? url).replace(/\/+$/, '')
  const desk = openDesk(config, base)
  const deps = createDeps(config, base, {
    providers,
    sealer,
    publicUrl,
    desk,
    admit,
    closed: await lastClosed(ledger),
    tree: openTree(config, base),
  })
  deps.directory.start()
  const readiness = createReadiness(readinessFacts(config, base, drain.leaving))
  const doors = facilitatorDoors(config, deps, chains)
  const table = resources({
    deps,
    refunds: tills.some(isOffered),
    get catalog() {
      return config.catalog
    },
    get margin() {
      return config.pricing.marginPercent
    },
    bodyLimit,
    addresses: admit.door.addresses,
    ready: readiness.ask,
  })
  const { metrics } = base
  openGauges(metrics, config, base, { admit, health: deps.health })
  const own = metricsResource({ metrics, keys: config.secrets.metricsKeys })
  const operators = openOperatorDesk(config, base, { deps, admit, publicUrl, ready: readiness.ask })
  tellReorgs(ledger, { tell: operators.tell, clock })
  app = createApp({
    resources: [...table, ...doors, ...operators.resources, own],
    publicUrl,
    log,
    ending: drain.ending,
    meter: createRequestMeter(metrics),
    ...admit,
  })
  log.info('listening', {
    url,
    settler: account.address,
    tills: tills.length,
    models: config.catalog.models.length,
  })

  const confirmations = (id: ChainId) => config.chains.find((one) => one.id === id)!.confirmations
  const reconcile = () =>
    startReconcilers({
      ...base,
      ledger: wholly(ledger, fleet),
      log: tellFindings(log, { tell: operators.tell, clock }),
      settler: account.address,
      confirmations,
      ...config.reconcile,
    })
  const { payouts } = deps
  const facts = { base, keeper: desk.keeper, payouts, reconcile, beside: operators.duties }
  const duties = fleet.store ? leadDuties(facts) : loneDuties(facts)
  await fleet.lease.start({ gain: duties.start, loss: duties.stop })

  const shut = async (drainMs: number): Promise<void> => {
    drain.leave()
    // Another instance settles while the calls of this one end.
    const handedOver = fleet.store && fleet.lease.stop()
    await drain.end({ delayMs: config.server.drainDelayMs, ms: drainMs, cut: deps.cuts.all })
    prices.stop()
    deps.directory.stop()
    await strays?.stop()
    await markClosed(ledger, clock)
    await (handedOver ?? fleet.lease.stop())
    for (const settler of settlers.values()) await settler.stop()
    await providers.close()
    await readiness.close()
    await base.close()
    log.info('closed')
  }
  const close = (drainMs = config.server.drainMs): Promise<void> => {
    closing ??= shut(drainMs)
    return closing
  }
  const reload = createReload({
    live: config,
    deps,
    providers,
    log,
    also: [() => fleet.lease.isHeld() && deps.payouts.start()],
  })
  const prices = watchPrices({ live: config, reload, clock })
  const { keeper } = desk
  return { leads: fleet.lease.isHeld, url, deps, keeper, desk: operators.desk, admit, app, reload, close }
}

/** The command line; returns the exit code. */
export const main = async (
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> => {
  // Loaded here, so that a program which embeds the router does not carry the commands.
  const { runProgram } = await import('./cli/program.ts')
  return runProgram(args, {
    start: startFarebox,
    openLedger: (store) => openLedger(store, systemClock),
    openRecords: (store) => openRecords(store, systemClock),
    env,
  })
}
