import { DELIVERIES, type Delivery } from '../alerts/delivery.ts'
import { toUsd } from '../assets.ts'
import type { Clock } from '../clock.ts'
import { billOf, type Call, fromSigned, toMove } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Move, Payable } from '../ledger/moves.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Records } from '../store/records.ts'

/** The same log, counted by the names of its lines, which are ours. */
export const countLog = (log: Log, metrics: Metrics): Log => {
  const counted =
    (level: keyof Log): Log['info'] =>
    (event, fields) => {
      metrics.count('farebox_log_events_total', [level, event])
      if (event === 'attempt_failed')
        metrics.count('farebox_provider_errors_total', [`${fields?.['provider']}`, `${fields?.['fault']}`])
      log[level](event, fields)
    }
  return { info: counted('info'), warn: counted('warn'), error: counted('error') }
}

/** Counts and times what is posted from now on, by whoever holds this ledger: a move that was applied, once. */
export const countLedger = (ledger: Ledger, metrics: Metrics, clock: Clock): void => {
  const post = ledger.post.bind(ledger)
  const counted = async (move: Move): Promise<Posted<Payable>> => {
    const from = performance.now()
    try {
      const posted: Posted<Payable> = await post(move)
      metrics.observe('farebox_store_write_seconds', [], (performance.now() - from) / 1_000)
      if (posted.ok) countMove(metrics, move, posted.call, clock.now())
      return posted
    } catch (error) {
      metrics.count('farebox_store_errors_total', [])
      throw error
    }
  }
  // In its place and not a copy: the epoch of a ledger may be a getter.
  Object.assign(ledger, { post: counted })
}

/** Counts how attempts to deliver webhooks ended, as they are written down. */
export const countRecords = (records: Records, metrics: Metrics): void => {
  const write = records.write.bind(records)
  const counted: Records['write'] = async (writes) => {
    const written = await write(writes)
    if (!written.ok) return written
    for (const one of writes) {
      if (one.table !== DELIVERIES || !('value' in one)) continue
      const outcome = outcomeOf(one.value as unknown as Delivery)
      if (outcome) metrics.count('farebox_webhook_deliveries_total', [outcome])
    }
    return written
  }
  Object.assign(records, { write: counted })
}

const outcomeOf = ({ state, tries }: Delivery): string | undefined => {
  if (state === 'waiting') return tries > 0 ? 'failed' : undefined
  return state === 'failed' ? 'given_up' : state
}

const countMove = (metrics: Metrics, move: Move, item: Payable, now: number): void => {
  const { chain } = item
  switch (move.type) {
    case 'claim':
    case 'bill':
    case 'release':
    case 'reject':
    case 'refund':
      if (item.is === 'call') countService(metrics, move, item, now)
      break
    case 'settled':
    case 'found':
      metrics.count('farebox_settlements_total', [chain, move.type])
      metrics.count('farebox_settlement_gas_gwei_total', [chain], gwei(move.proof.gas))
      if (item.is === 'call') countSettled(metrics, item, now)
      break
    case 'lose':
      metrics.count('farebox_settlements_total', [chain, 'lost'])
      metrics.count('farebox_settlement_gas_gwei_total', [chain], gwei(move.gas))
      if (item.is === 'call')
        metrics.count(
          'farebox_lost_microusd_total',
          [chain],
          microOf(item, fromSigned(item, chargedFor(item))),
        )
      break
    case 'reorg':
      metrics.count('farebox_settlements_total', [chain, 'reorged'])
      break
  }
}

const countService = (metrics: Metrics, { type }: Pick<Move, 'type'>, call: Call, now: number): void => {
  const { chain, service } = call
  const bill = billOf(call)
  if (type === 'claim') {
    metrics.count('farebox_quoted_microusd_total', [chain], microOf(call, call.ceiling))
    return
  }
  if (type === 'refund') {
    if (bill?.refunded !== undefined)
      metrics.count('farebox_refunded_microusd_total', [chain], microOf(call, bill.refunded))
    return
  }
  const model = bill?.model ?? ''
  metrics.count('farebox_calls_total', [service.at, call.kind, model])
  metrics.observe('farebox_call_seconds', [service.at], Math.max(0, (bill?.at ?? now) - call.at) / 1_000)
  if (!bill) return
  metrics.count('farebox_charged_microusd_total', [chain], microOf(call, bill.charged))
  metrics.count('farebox_tokens_total', [model, 'input'], bill.usage.input)
  metrics.count('farebox_tokens_total', [model, 'output'], bill.usage.output)
}

const countSettled = (metrics: Metrics, call: Call, now: number): void => {
  const bill = billOf(call)
  metrics.count('farebox_settled_microusd_total', [call.chain], microOf(call, toMove(call)))
  const lag = bill ? Math.max(0, now - bill.at) / 1_000 : 0
  metrics.observe('farebox_settlement_lag_seconds', [call.chain], lag)
  metrics.observe('farebox_settlement_age_seconds', [call.chain], Math.max(0, now - call.at) / 1_000)
}

const chargedFor = (call: Call): bigint => billOf(call)?.charged ?? 0n

// For a graph, and no sum is ever made of it.
const microOf = ({ decimals }: Pick<Call, 'decimals'>, units: bigint): number => {
  const micro = toUsd(units, decimals)
  return Number(micro)
}

const gwei = (wei: bigint): number => Number(wei) / 1e9
