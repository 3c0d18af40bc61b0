import { type Node, type NodeId, pathOf, SITE } from '../accounts/node.ts'
import { NODES } from '../accounts/tables.ts'
import { judgeSpend } from '../alerts/anomaly.ts'
import type { Clock } from '../clock.ts'
import type { Readiness } from '../http/readiness.ts'
import { billOf, isSettling } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { printUsd, type Usd } from '../money.ts'
import type { Board } from '../store/board.ts'
import type { Records } from '../store/records.ts'
import type { Condition, Source } from './watch.ts'

const atSite = { at: SITE, path: [] } as const

/** Notes of hosts that rest (route/health.ts): `host PROVIDER MODEL`, and how often it opened in a row before all else. */
const NOTE = 'host '
/** A host is down when its probes failed so often in a row: some ten seconds of trying. */
const OPENED = 4
const HOST = 'watch.host.'
const LONGEST_NAME = 200

/** Hosts that do not answer. One that nobody asked for ten minutes is taken to be well. */
export const hostsDown = ({ board }: { board: Pick<Board, 'under'> }): Source => ({
  prefix: HOST,
  look: async () =>
    Object.entries(board.under(NOTE)).flatMap(([note, text]): Condition[] => {
      const opened = Number(text.split(' ')[0])
      const host = note.slice(NOTE.length)
      const name = `${HOST}${encodeURIComponent(host)}`
      if (!(opened >= OPENED) || name.length > LONGEST_NAME) return []
      return [{ name, type: 'provider.down', ...atSite, about: hostOf(host) }]
    }),
  over: (name) => ({
    type: 'provider.up',
    ...atSite,
    about: hostOf(decodeURIComponent(name.slice(HOST.length))),
  }),
})

// `*` stands for all models of a provider.
const hostOf = (host: string): { provider: string; model: string } => {
  const [provider = '', ...model] = host.split(' ')
  return { provider, model: model.join(' ') }
}

const MOST_OPEN = 200
/** What asks the ledger or the chains is looked at so often, ms. */
const SLOW_MS = 60_000

/** Payments that are still not settled `lateMs` after their service: told once a chain. */
export const settlementsLate = (facts: {
  ledger: Pick<Ledger, 'open'>
  clock: Clock
  lateMs: () => number
}): Source => ({
  prefix: 'watch.late.',
  everyMs: SLOW_MS,
  look: async () => {
    const { ledger, clock, lateMs } = facts
    const before = clock.now() - lateMs()
    const late = (await ledger.open(MOST_OPEN)).filter(
      (call) => isSettling(call) && (billOf(call)?.at ?? call.at) < before,
    )
    return [...Map.groupBy(late, ({ chain }) => chain)].map(([chain, calls]) => {
      const { id, settlement, at } = calls[0]!
      const about = { chain, calls: calls.length, oldest: id, state: settlement.at, since: at }
      return { name: `watch.late.${chain}`, type: 'settlement.late', ...atSite, about }
    })
  },
})

/** A settler that can pay the gas of fewer than `least` settlements; over when it is twice as many. A chain that does not say is as it was. */
export const settlerLow = (facts: { ready: () => Promise<Readiness>; least: number }): Source => ({
  prefix: 'watch.gas.',
  everyMs: SLOW_MS,
  look: async (open) => {
    const { checks } = await facts.ready()
    // While this instance shuts down, it looks at nothing.
    if (!checks.chains) throw new Error('nothing is known of the chains')
    return Object.entries(checks.chains).flatMap(([chain, { settlements }]): Condition[] => {
      const name = `watch.gas.${chain}`
      const least = open.has(name) ? 2 * facts.least : facts.least
      const isLow = settlements === undefined ? open.has(name) : BigInt(settlements) < BigInt(least)
      const about = { chain, settlements: settlements ?? null }
      return isLow ? [{ name, type: 'settler.low', ...atSite, about }] : []
    })
  },
})

export type Spender = { id: NodeId; path: readonly NodeId[]; name: string; created: number }

const SPEND = 'watch.spend.'
const SPEND_MS = 300_000
const HOUR_MS = 3_600_000
const WEEK = 168
const MOST_SPENDERS = 1_000

export type SpendFacts = {
  /** What a node spent in its last hours, the oldest first, this one included. */
  hourly: (node: NodeId, hours: number) => Promise<readonly { spend: Usd }[]>
  spenders: () => Promise<readonly Spender[]>
  /** USD an hour; a reload may change it. */
  floor: () => Usd
  clock: Clock
}

/** Nodes that spend far more in this hour than they use to; over when an hour passed without. */
export const spendAnomalies = ({ hourly, spenders, floor, clock }: SpendFacts): Source => {
  const spends = async (node: NodeId, hours: number): Promise<Usd[]> =>
    (await hourly(node, hours)).map(({ spend }) => spend)
  return {
    prefix: SPEND,
    everyMs: SPEND_MS,
    look: async (open) => {
      const found: Condition[] = []
      for (const { id, path, name: node, created } of await spenders()) {
        const name = `${SPEND}${id}`
        // Most spend little, and their week need not be read.
        if ((await spends(id, 2)).every((one) => one <= floor())) continue
        const age = Math.ceil((clock.now() - created) / HOUR_MS)
        const series = await spends(id, Math.min(WEEK, Math.max(1, age)) + 2)
        const odd =
          judgeSpend(series, floor()) ??
          (open.has(name) ? judgeSpend(series.slice(0, -1), floor()) : undefined)
        if (!odd) continue
        const about = {
          node,
          spent: printUsd(odd.spent),
          usual: printUsd(odd.usual),
          above: printUsd(odd.above),
        }
        found.push({ name, type: 'spend.anomaly', at: id, path, about })
      }
      return found
    },
  }
}

/** Organisations and teams: what is watched for unusual spending. */
export const spendersIn = async (records: Records): Promise<Spender[]> => {
  const pages = await Promise.all(
    ['org_', 'team_'].map((prefix) => records.list<Node>(NODES, { prefix, limit: MOST_SPENDERS })),
  )
  return pages
    .flat()
    .filter(({ value }) => value.deleted === undefined)
    .map(({ value }) => ({ id: value.id, path: pathOf(value), name: value.name, created: value.created }))
}
