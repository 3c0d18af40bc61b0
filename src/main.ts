/** The only file that knows every name: it puts the house together, and hands the commands what they need. */
import type { ChainId } from './assets.ts'
import type { Deps } from './call/deps.ts'
import { recover } from './call/recover.ts'
import { isOffered } from './channel/agree.ts'
import type { ChannelDesk } from './channel/desk.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { createApp } from './http/app.ts'
import { readiness } from './http/ready.ts'
import { resources } from './http/resources.ts'
import { createNodeServer, drain, listen } from './http/server.ts'
import { lastClosed, markClosed } from './main/accounts.ts'
import { type Options, openBase, openLedger } from './main/base.ts'
import { createDeps, openDesk, openProvider } from './main/deps.ts'
import { facilitatorDoors } from './main/facilitator.ts'
import { createSealer } from './quote/seal.ts'
import { startReconcilers } from './reconcile/start.ts'

export type { Options } from './main/base.ts'
export { openLedger } from './main/base.ts'

export type Farebox = {
  url: string
  deps: Deps
  /** Claims what channels owe. */
  keeper: ChannelDesk['keeper']
  app: ReturnType<typeof createApp>
  /** Stops taking requests, lets running ones finish for at most `drainMs`, then closes everything. Idempotent. */
  close: (drainMs?: number) => Promise<void>
}

/** Opens the ledger, checks the chains and assets, ends what a dead process left behind, and listens. */
export const startFarebox = async (config: Config, options: Options = {}): Promise<Farebox> => {
  const base = await openBase(config, options)
  const { ledger, log, clock, settlers, chains, account, tills } = base
  const recovered = await recover(ledger, clock)
  if (recovered > 0) log.warn('recovered', { calls: recovered })
  for (const settler of settlers.values()) await settler.start()
  const providers = new Map(config.providers.map((one) => [one.id, openProvider(one, config, clock)]))
  const sealer = await createSealer(config.secrets.quoteSecrets)

  let app: ReturnType<typeof createApp>
  let closing: Promise<void> | undefined
  const node = createNodeServer((request, env) => app.fetch(request, env))
  const { host, port, bodyLimit } = config.server
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${await listen(node, host, port)}`
  const publicUrl = (config.server.publicUrl ?? url).replace(/\/+$/, '')
  const desk = openDesk(config, base)
  desk.keeper.start()
  const deps = createDeps(config, base, {
    providers,
    sealer,
    publicUrl,
    desk,
    closed: await lastClosed(ledger),
  })
  deps.payouts.start()
  const ready = () => readiness(ledger, chains, account.address)
  const doors = facilitatorDoors(config, deps, chains)
  const table = resources({
    deps,
    refunds: tills.some(isOffered),
    catalog: config.catalog,
    margin: config.pricing.marginPercent,
    bodyLimit,
    ready,
  })
  app = createApp({ resources: [...table, ...doors], publicUrl, log, ending: () => closing !== undefined })
  log.info('listening', {
    url,
    settler: account.address,
    tills: tills.length,
    models: config.catalog.models.length,
  })

  const confirmations = (id: ChainId) => config.chains.find((one) => one.id === id)!.confirmations
  const reconcilers = startReconcilers({
    ...base,
    settler: account.address,
    confirmations,
    ...config.reconcile,
  })

  const shut = async (drainMs: number): Promise<void> => {
    await deps.payouts.stop()
    await drain(node, drainMs)
    await markClosed(ledger, clock)
    await reconcilers.stop()
    await desk.keeper.stop()
    for (const settler of settlers.values()) await settler.stop()
    await Promise.all([...providers.values()].map((one) => one.close()))
    await base.close()
    log.info('closed')
  }
  const close = (drainMs = 30_000): Promise<void> => {
    closing ??= shut(drainMs)
    return closing
  }
  return { url, deps, keeper: desk.keeper, app, close }
}

/** The command line; returns the exit code. */
export const main = async (
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> => {
  // Loaded here, so that a program which embeds the router does not carry the commands.
  const { runProgram } = await import('./cli/program.ts')
  return runProgram(args, { start: startFarebox, openLedger: (store) => openLedger(store, systemClock), env })
}
