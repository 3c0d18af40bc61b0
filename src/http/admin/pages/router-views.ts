/** What the pages read of the operations about the router itself; each part may be missing. Times in ms, dollars as decimal strings. */
import type { Readiness } from '../../readiness.ts'

export type CallView = {
  id: string
  time: number
  state: string
  /** Ids from the organisation to the key. */
  account?: readonly string[]
  asked?: string
  model?: string
  provider?: string
  chain?: string
  symbol?: string
  payer?: string
  charged?: string
  refunded?: string
  ceiling?: string
  input?: number
  output?: number
  why?: string
  failed?: string
  ms?: number
  firstMs?: number
}
/** `names`: of the organisation and of the last of each account, by id. */
export type CallList = {
  calls: readonly CallView[]
  names: Readonly<Record<string, string>>
  next?: string
}

export type HostView = {
  provider: string
  type?: string
  /** How many models it hosts. */
  models?: number
  up: boolean
  /** Models that rest there now. */
  resting?: readonly string[]
  /** Share of its last calls that failed, of the worst of its models. */
  failing?: number
}

export type ModelView = {
  id: string
  context?: number
  hosts: readonly {
    provider: string
    resting: boolean
    failing?: number
    barredMs?: number
    ms?: number | null
    input: string
    output: string
  }[]
}
export type ModelList = { models: readonly ModelView[]; next?: string }

export type SettlementView = {
  id: string
  kind?: string
  state: string
  ageMs?: number
  chain?: string
  payer?: string
  usd?: string
  hash?: string
}
export type SettlementList = {
  open: readonly SettlementView[]
  counts: Readonly<Record<string, number>>
  errands?: readonly SettlementView[]
}

/** `chain` and `ledger`: units of the token on each side. */
export type FindingView = {
  kind: string
  what?: string
  asset?: string
  hash?: string
  chain?: string | null
  ledger?: string | null
  call?: string | null
}

export type OverviewView = {
  ready: Readiness
  providers: { all: number; up: number }
  settlements: { open: number; oldestMs: number; errands: number }
  serving: number
  exposure: { usd: string; limit: string }
  findings: number
}

/** What analytics say of some calls. */
export type Figures = {
  calls: number
  served: number
  partial: number
  failed: number
  charged: string
  spend: string
  flagship: string
  savings: string
  inputTokens: number
  cachedTokens: number
  outputTokens: number
  latency?: { p50: number; p90: number; p99: number }
  firstByte?: { p50: number; p90: number; p99: number }
  cost?: string
  margin?: string
  gasUsd?: string
  net?: string
}
export type Summary = Figures & {
  from: string
  to: string
  before: Figures
  asOf?: string | null
  complete?: boolean
}
export type SeriesView = {
  from: string
  to: string
  grain: string
  points: readonly (Figures & { at: string })[]
}
export type TopView = {
  values: readonly (Figures & { value: string; name?: string })[]
  rest: Figures & { values: number }
}
