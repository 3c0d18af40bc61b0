/** The only file that knows every name: it puts the house together, and hands the commands what they need. */
import type { ChainId, Hex } from './assets.ts'
import type { Deps } from './call/deps.ts'
import { recover } from './call/recover.ts'
import { type Chain, createChain } from './chain/chain.ts'
import { addressOf, toHex } from './chain/signatures.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { createApp } from './http/app.ts'
import { readiness } from './http/ready.ts'
import { resources } from './http/resources.ts'
import { createNodeServer, drain, listen } from './http/server.ts'
import type { Ledger } from './ledger/ledger.ts'
import { lockLedger } from './ledger/lock.ts'
import { memoryLedger } from './ledger/memory.ts'
import { sqliteLedger } from './ledger/sqlite.ts'
import { jsonLog, type Log, quietLog } from './log.ts'
import { createFundsCheck, createSignatureCheck } from './payment/check.ts'
import { createSettler, type Settler } from './payment/settler.ts'
import { openAiProvider } from './providers/openai.ts'
import type { Provider } from './providers/provider.ts'
import { simulatedProvider } from './providers/simulated.ts'
import { createLearner } from './quote/learn.ts'
import type { Till } from './quote/offers.ts'
import { openTills } from './payment/tills.ts'
import { createServing, type Serving } from './payment/serving.ts'
import { createQuoter } from './quote/quote.ts'
import { createSealer, type Sealer } from './quote/seal.ts'
import { createHealth } from './route/health.ts'

export type Farebox = {
  url: string
  deps: Deps
  app: ReturnType<typeof createApp>
  /** Stops taking requests, lets running ones finish for at most `drainMs`, then closes everything. Idempotent. */
  close: (drainMs?: number) => Promise<void>
}

export type Options = { clock?: Clock; log?: Log; probe?: (point: string) => void }

const SETTLE_FIRST_MS = 60_000
const MAX_TIMEOUT_SECONDS = 300

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
  const deps = createDeps(config, base, { providers, sealer, publicUrl })
  const ready = () => readiness(ledger, chains, account.address)
  const table = resources({
    deps,
    catalog: config.catalog,
    margin: config.pricing.marginPercent,
    bodyLimit,
    ready,
  })
  app = createApp({ resources: table, publicUrl, log, ending: () => closing !== undefined })
  log.info('listening', {
    url,
    settler: account.address,
    tills: tills.length,
    models: config.catalog.models.length,
  })

  const shut = async (drainMs: number): Promise<void> => {
    await drain(node, drainMs)
    for (const settler of settlers.values()) await settler.stop()
    await Promise.all([...providers.values()].map((one) => one.close()))
    await base.close()
    log.info('closed')
  }
  const close = (drainMs = 30_000): Promise<void> => {
    closing ??= shut(drainMs)
    return closing
  }
  return { url, deps, app, close }
}

/** What lasts: the ledger and its lock, the chains with their tills, and who moves money on each. */
type Base = {
  clock: Clock
  log: Log
  probe: (point: string) => void
  ledger: Ledger
  account: { key: Uint8Array; address: Hex }
  chains: ReadonlyMap<ChainId, Chain>
  tills: Till[]
  settlers: ReadonlyMap<ChainId, Settler>
  serving: Serving
  close: () => Promise<void>
}

const openBase = async (config: Config, options: Options): Promise<Base> => {
  const clock = options.clock ?? systemClock
  const log = options.log ?? (config.log.level === 'silent' ? quietLog : jsonLog(config.log.level))
  const probe = options.probe ?? (() => {})
  const path = sqlitePath(config.store)
  const lock = path === undefined ? undefined : lockLedger(path)
  const ledger = await openLedger(config.store, clock)
  const account = { key: config.secrets.settlerKey, address: addressOf(config.secrets.settlerKey) }
  const chains = new Map(
    config.chains.map((one) => [one.id as ChainId, createChain(one.id as ChainId, one.rpc)]),
  )
  const close = async () => {
    await ledger.close()
    lock?.release()
    await Promise.all([...chains.values()].map((one) => one.close()))
  }
  const serving = createServing()
  const settlers = new Map<ChainId, Settler>()
  for (const { id, confirmations, pollMs, maxFeeGwei } of config.chains) {
    const maxFee = BigInt(Math.round(maxFeeGwei * 1e9))
    const chain = chains.get(id as ChainId)!
    const { batch } = config.settler
    const count = () => serving.count(chain.id)
    const facts = { ledger, chain, account, clock, log, confirmations, pollMs, maxFee, probe, batch, serving: count }
    settlers.set(chain.id, createSettler(facts))
  }
  try {
    for (const chain of chains.values()) await chain.checkId()
    const tills = await openTills(config.assets, chains, log)
    return { clock, log, probe, ledger, account, chains, tills, settlers, serving, close }
  } catch (error) {
    await close()
    throw error
  }
}

type Doors = { providers: ReadonlyMap<string, Provider>; sealer: Sealer; publicUrl: string }

const createDeps = (config: Config, base: Base, { providers, sealer, publicUrl }: Doors): Deps => {
  const { ledger, clock, log, probe, account, tills, chains, settlers } = base
  const contracts = config.payers.contracts === 'settle-first'
  const health = createHealth({ clock })
  const learner = createLearner()
  return {
    ledger,
    quoter: createQuoter({
      catalog: config.catalog,
      health,
      learner,
      clock,
      margin: config.pricing.marginPercent,
      defaultMaxOutput: config.pricing.defaultMaxOutput,
      ttl: config.quote.ttlSeconds,
    }),
    offers: {
      tills,
      sealer,
      epoch: ledger.epoch,
      maxTimeout: MAX_TIMEOUT_SECONDS,
      signer: account.address,
      withdrawDelay: config.channels.withdrawDelaySeconds,
      onTrust: config.exposure.perCall,
      least: () => 0n,
    },
    health,
    learner,
    clock,
    log,
    provider: (id) => providers.get(id),
    settler: (chain) => settlers.get(chain)!,
    serving: base.serving.enter,
    isContract: contracts
      ? async ({ till, authorization }) =>
          (await chains.get(till.asset.chain)!.code(authorization.from)) !== 'none'
      : async () => false,
    checkSignature: createSignatureCheck({
      tills,
      settler: account.address,
      askContract: contracts
        ? (chain, payer, digest, signature) => chains.get(chain)!.isSignedBy(payer, toHex(digest), signature)
        : undefined,
    }),
    checkFunds: createFundsCheck({
      chainOf: (call) => chains.get(call.chain)!,
      refresh: (call) => settlers.get(call.chain)!.tick(),
      counter: ledger.counter,
      contracts,
      settler: account.address,
      clock,
    }),
    account,
    exposure: config.exposure,
    firstByteMs: Math.max(...config.providers.map((one) => one.firstByteMs)),
    settleFirstMs: SETTLE_FIRST_MS,
    resource: `${publicUrl}/v1/chat/completions`,
    probe,
  }
}

/** Opens the ledger that a config names. */
export const openLedger = async (store: string, clock: Clock): Promise<Ledger> =>
  store === 'memory:' ? memoryLedger({ clock }) : sqliteLedger(sqlitePath(store)!)

const sqlitePath = (store: string): string | undefined =>
  store.startsWith('sqlite:') ? store.slice('sqlite:'.length) : undefined

const openProvider = (one: Config['providers'][number], config: Config, clock: Clock): Provider => {
  if (one.type === 'simulated')
    return simulatedProvider({ id: one.id, clock, firstTokenMs: 250, tokenMs: 25 })
  const official = one.baseUrl!.startsWith('https://api.openai.com')
  return openAiProvider({
    id: one.id,
    baseUrl: one.baseUrl!,
    key: config.secrets.providerKeys[one.id],
    maxTokensField: one.maxTokensField ?? (official ? 'max_completion_tokens' : 'max_tokens'),
    firstByteMs: one.firstByteMs,
    idleMs: one.idleMs,
  })
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
