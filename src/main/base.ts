import type { ChainId, Hex } from '../assets.ts'
import { type Chain, createChain } from '../chain/chain.ts'
import { addressOf } from '../chain/signatures.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { jsonLog, type Log } from '../log.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { createServing, type Serving } from '../payment/serving.ts'
import { guardTills } from '../payment/till-guard.ts'
import { openTills } from '../payment/tills.ts'
import type { Till } from '../quote/offers.ts'
import { createElected } from '../settle/elected.ts'
import { createSettler, type Settler } from '../settle/settler.ts'
import type { Records } from '../store/records.ts'
import { openRelay, settlerExtras } from './facilitator.ts'
import { type Fleet, openStore } from './fleet.ts'
import { countFailures } from './gauges.ts'
import { countLedger, countLog, countRecords } from './metrics.ts'
import { openTraces, type Traces } from './traces.ts'

/** What a program that embeds the router, or a test, may put in. */
export type Options = { clock?: Clock; log?: Log; probe?: (point: string) => void }

/** What lasts: the ledger and who shares it, the chains with their tills, and who moves money on each. */
export type Base = {
  clock: Clock
  log: Log
  metrics: Metrics
  /** Undefined where nobody wants any. */
  traces: Traces | undefined
  probe: (point: string) => void
  ledger: Ledger
  records: Records
  account: { key: Uint8Array; address: Hex }
  chains: ReadonlyMap<ChainId, Chain>
  tills: Till[]
  settlers: ReadonlyMap<ChainId, Settler>
  serving: Serving
  fleet: Fleet
  close: () => Promise<void>
}

/** Opens the ledger, and the chains with what can be paid on them; nothing moves yet. */
export const openBase = async (config: Config, options: Options): Promise<Base> => {
  const clock = options.clock ?? systemClock
  const metrics = createMetrics()
  const log = countLog(options.log ?? jsonLog(() => config.log.level), metrics)
  const probe = options.probe ?? (() => {})
  const { ledger, records, fleet, close: closeStore } = await openStore(config, clock, log)
  countLedger(ledger, metrics, clock)
  countRecords(records, metrics)
  const traces = await openTraces({ settings: config.traces, ledger, log }).catch(async (error) => {
    await closeStore()
    throw error
  })
  const account = { key: config.secrets.settlerKey, address: addressOf(config.secrets.settlerKey) }
  const chains = new Map(
    config.chains.map(({ id, rpc }) => [
      id as ChainId,
      createChain(id as ChainId, rpc, countFailures(metrics, id as ChainId, rpc)),
    ]),
  )
  const close = async () => {
    await traces?.close()
    await closeStore()
    await Promise.all([...chains.values()].map((one) => one.close()))
    await relay?.close()
  }
  const relay = await openRelay(config)
  const serving = createServing()
  const settlers = new Map<ChainId, Settler>()
  const tills: Till[] = []
  const guarded = guardTills({ tills, ledger, chains, log })
  for (const { id, confirmations, pollMs, maxFeeGwei } of config.chains) {
    const maxFee = BigInt(Math.round(maxFeeGwei * 1e9))
    const chain = chains.get(id as ChainId)!
    const { batch } = config.settler
    const count = () => serving.count(chain.id)
    const common = { chain, account, clock, log, confirmations, pollMs, maxFee, probe, batch, serving: count }
    const facts = { ...common, ledger: guarded }
    const delegate = () => config.settler.delegate === 'auto' && isPaidUpto(tills, chain.id)
    const open = fleet.store ? createElected : createSettler
    settlers.set(chain.id, open({ ...facts, delegate, ...settlerExtras(config, chain, relay, log) }))
  }
  try {
    for (const chain of chains.values()) await chain.checkId()
    tills.push(...(await openTills(config.assets, chains, log)))
    return {
      clock,
      log,
      metrics,
      traces,
      probe,
      ledger,
      records,
      account,
      chains,
      tills,
      settlers,
      serving,
      fleet,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const isPaidUpto = (tills: readonly Till[], chain: ChainId): boolean =>
  tills.some(({ asset, ways }) => asset.chain === chain && ways.some(({ scheme }) => scheme === 'upto'))
