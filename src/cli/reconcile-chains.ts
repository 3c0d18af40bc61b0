import type { ChainId } from '../assets.ts'
import { type Chain, createChain } from '../chain/chain.ts'
import { addressOf } from '../chain/signatures.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { lockLedger } from '../ledger/lock.ts'
import { repair } from '../reconcile/repair.ts'
import { printReport, reconcileCommand } from './reconcile.ts'
import { statementCommand } from './statement.ts'

export type ReconcileOptions = {
  from?: string
  to?: string
  json?: boolean
  csv?: boolean
  repair?: boolean
  statement?: string
}

/** A settlement that comes later than this after its service is pointed out, seconds. */
const LATE_AFTER = 600

/** `farebox reconcile` on every chain of a configuration; returns the worst exit code. Refuses a repair while a router serves from the ledger. */
export const reconcileChains = async (facts: {
  config: Config
  openLedger: (store: string) => Promise<Ledger>
  options: ReconcileOptions
  out: (line: string) => void
}): Promise<number> => {
  const { config, options } = facts
  const path = config.store.startsWith('sqlite:') ? config.store.slice('sqlite:'.length) : undefined
  const lock = options.repair && path !== undefined ? lockLedger(path) : undefined
  const ledger = await facts.openLedger(config.store)
  try {
    let worst = 0
    for (const { id, rpc } of config.chains) {
      const chain = createChain(id as ChainId, rpc)
      const code = await oneChain({ ...facts, ledger, chain }).finally(() => chain.close())
      worst = Math.max(worst, code)
    }
    return worst
  } finally {
    await ledger.close()
    lock?.release()
  }
}

const oneChain = async (facts: {
  config: Config
  options: ReconcileOptions
  ledger: Ledger
  chain: Chain
  out: (line: string) => void
}): Promise<number> => {
  const { config, options, ledger, chain, out } = facts
  const tills = config.assets
    .filter((one) => one.chain === chain.id)
    .map(({ payTo, ...asset }) => ({ asset, payTo }))
  const settler = addressOf(config.secrets.settlerKey)
  const json = options.json === true
  if (options.statement !== undefined) {
    const { from, to } = options
    const format = json ? 'json' : options.csv ? 'csv' : 'text'
    return statementCommand({ ledger, chain, tills, settler, by: options.statement, from, to, format, out })
  }
  const [from, to] = [blockOf(options.from), blockOf(options.to)]
  const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  const both = { ledger, chain, tills, settler, ...range }
  if (!options.repair) return reconcileCommand({ ...both, lateAfter: LATE_AFTER, json, out })
  const done = await repair({ ...both, clock: systemClock })
  if (json) out(JSON.stringify(done))
  else {
    out(
      `${done.booked} booked from the chain, ${done.burnt} more authorizations burnt; quotes older than now are refused.`,
    )
    for (const line of printReport(done.report)) out(line)
  }
  return done.report.agrees ? 0 : 1
}

const blockOf = (text: string | undefined): bigint | undefined => {
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${text} is not a block number`)
  return BigInt(text)
}
