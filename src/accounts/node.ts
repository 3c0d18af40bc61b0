/**
 * accounts/: who may spend. Organisation › team › user › key is one tree of one kind of node, each with its budgets and
 * its rules; a call is bound by all that stand above its key. Here is the model; desk/ changes it, call/ obeys it.
 */
import type { Json, Put } from '../store/records.ts'
import { NODES } from './tables.ts'

export const LEVELS = ['org', 'team', 'user', 'key'] as const
export type Level = (typeof LEVELS)[number]

/** `org_…`, `team_…`, `user_…`, `key_…`, or `site`: what stands above all organisations. */
export type NodeId = string
export const SITE: NodeId = 'site'

/** Dollars as decimal strings, times in ms. All rows are JSON. */
export type Node = {
  id: NodeId
  level: Level
  /** The ids above it, the organisation first. */
  above: readonly NodeId[]
  name: string
  created: number
  /** Neither it nor anything below it may spend or sign in. */
  frozen?: boolean
  /** It is kept for its history and does nothing any more. */
  deleted?: number
  budgets: readonly Budget[]
  rules: Rules
  /** Of a user: how it signs in, and what it may do where. */
  login?: Login
  grants?: readonly { role: string; at: NodeId }[]
  /** Of a key. */
  key?: KeyFacts
}

export type StrategyName = 'balanced' | 'cost' | 'latency' | 'availability'

/** What a node allows to itself and all below it; what is left out is not limited. */
export type Rules = {
  /** Model ids, also with `*` at the end. */
  models?: readonly string[]
  strategies?: readonly StrategyName[]
  /** The strategy of who does not choose one. */
  strategy?: StrategyName
  /** Most that one call may cost, USD. */
  maxPerCall?: string
  /** A call that may cost more waits for an approval, USD. */
  approveAbove?: string
  /** CAIP-2 ids; token symbols or addresses. */
  chains?: readonly string[]
  assets?: readonly string[]
  /** Addresses and CIDR ranges that calls may come from. */
  addresses?: readonly string[]
  /** ms; nothing is served from then on. */
  expires?: number
  /** Calls a minute, all together. */
  perMinute?: number
  /** Larger budgets, wider rules and keys without limits wait for a second person. */
  fourEyes?: boolean
}

export type Budget = {
  id: string
  per: 'call' | 'hour' | 'day' | 'month' | 'total'
  /** USD. */
  limit: string
  /** hard: a call that may pass it is refused; soft: it is told. */
  kind: 'hard' | 'soft'
  /** calendar: windows begin with the hour, day or month of `zone`; rolling: the last 60 minutes, 24 hours, 30 days. */
  window: 'calendar' | 'rolling'
  /** IANA name of a time zone. */
  zone: string
  /** Percentages of the limit that are told, each once a window. */
  alerts: readonly number[]
}

export type Login = {
  /** Lower case, unique. */
  name?: string
  /** scrypt, as password.ts writes it. */
  password?: string
  /** A wallet that signs in, lower case. */
  wallet?: string
}

export type KeyFacts = {
  /** The part of a bearer key that may be shown, by which it is found. */
  prefix?: string
  /** SHA-256 of the bearer key, hex. */
  hash?: string
  /** The address whose payments are this key's, lower case. */
  wallet?: string
}

/** The ids from the organisation down to the node itself. */
export const pathOf = (node: Pick<Node, 'id' | 'above'>): readonly NodeId[] => [...node.above, node.id]

/** The level of an id; undefined for the site and for what is no node. */
export const levelOf = (id: NodeId): Level | undefined => LEVELS.find((level) => id.startsWith(`${level}_`))

/** A node as it is written, with its indexes; `version`: as it was read, 0 for a new one. */
export const nodePut = (node: Node, version: number): Put => ({
  table: NODES,
  id: node.id,
  value: node as unknown as Json,
  if: version,
  keys: { parent: node.above.at(-1) ?? SITE, org: node.above[0] ?? node.id },
})
