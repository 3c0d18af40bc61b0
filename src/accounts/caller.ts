/** Who asks, and what binds it: the rules and budgets of its key and of all that stands above it. */
import type { BlockList } from 'node:net'
import { isWithin, networksOf } from '../admit/address.ts'
import { fail, type Refusal } from '../errors.ts'
import { minOf, parseUsd, printUsd, type Usd } from '../money.ts'
import {
  type Budget,
  levelOf,
  type Node,
  type NodeId,
  pathOf,
  type Rules,
  type StrategyName,
} from './node.ts'

/** One node that binds a call, ready to be asked. */
export type Bound = {
  id: NodeId
  level: string
  name: string
  budgets: readonly Budget[]
  rules: Rules
  state: 'frozen' | 'deleted' | undefined
  maxPerCall: Usd | undefined
  approveAbove: Usd | undefined
  addresses: BlockList | undefined
}

export type Caller = {
  /** From the organisation down to the key; empty for a wallet that no key has. */
  path: readonly NodeId[]
  /** In the same order. */
  bounds: readonly Bound[]
  /** The wallet of the key, when it has one. */
  wallet: string | undefined
  /** It has shown a bearer key. */
  bearer: boolean
  routing: Routing
}

/** What a caller allows the router. */
export type Routing = {
  allows: ((model: string) => boolean) | undefined
  /** The strategy of who does not choose one, and those that may be chosen. */
  usual: StrategyName | undefined
  strategies: readonly StrategyName[] | undefined
}

/** A caller from its nodes, the organisation first, the key last. */
export const callerOf = (nodes: readonly Node[], bearer = false): Caller => {
  const last = nodes.at(-1)
  const bounds = nodes.map(boundOf)
  return {
    path: last ? pathOf(last) : [],
    bounds,
    wallet: last?.key?.wallet,
    bearer,
    routing: routingOf(nodes.map(({ rules }) => rules)),
  }
}

/** A wallet that no key has, under the operator's default policy: an account of its own. */
export const walletCaller = (wallet: string, policy: Pick<Node, 'rules' | 'budgets'>): Caller => {
  const { rules, budgets } = policy
  const node = { id: wallet, level: 'wallet', name: wallet, rules, budgets }
  return { path: [], bounds: [boundOf(node)], wallet, bearer: false, routing: routingOf([rules]) }
}

/** Nobody in particular, bound by nothing. */
export const NOBODY: Caller = {
  path: [],
  bounds: [],
  wallet: undefined,
  bearer: false,
  routing: { allows: undefined, usual: undefined, strategies: undefined },
}

type Binding = Pick<Node, 'id' | 'name' | 'rules' | 'budgets'> & Partial<Pick<Node, 'frozen' | 'deleted'>>

const boundOf = (node: Binding): Bound => {
  const { id, name, rules, budgets } = node
  return {
    id,
    level: WORDS[levelOf(id) ?? 'wallet'] ?? 'wallet',
    name,
    budgets,
    rules,
    state: node.deleted !== undefined ? 'deleted' : node.frozen ? 'frozen' : undefined,
    maxPerCall: rules.maxPerCall === undefined ? undefined : parseUsd(rules.maxPerCall),
    approveAbove: rules.approveAbove === undefined ? undefined : parseUsd(rules.approveAbove),
    addresses: rules.addresses && networksOf(rules.addresses),
  }
}

const WORDS: Readonly<Record<string, string>> = {
  org: 'organisation',
  team: 'team',
  user: 'user',
  key: 'key',
}

const routingOf = (rules: readonly Rules[]): Routing => {
  const models = rules.flatMap((one) => (one.models ? [one.models] : []))
  const lists = rules.flatMap((one) => (one.strategies ? [one.strategies] : []))
  return {
    allows:
      models.length > 0 ? (model) => models.every((list) => list.some((one) => fits(one, model))) : undefined,
    usual: rules.findLast((one) => one.strategy !== undefined)?.strategy,
    strategies:
      lists.length > 0 ? lists[0]!.filter((one) => lists.every((list) => list.includes(one))) : undefined,
  }
}

const fits = (pattern: string, model: string): boolean =>
  pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : pattern === model

/** Why a caller may do nothing at all now; undefined when it may. `address`: where it calls from, undefined when that is unknown, which no list of addresses allows. */
export const barred = (caller: Caller, now: number, address: string | undefined): Refusal | undefined => {
  for (const { state, rules, addresses, level, name } of caller.bounds) {
    const expired = rules.expires !== undefined && rules.expires <= now ? 'expired' : undefined
    const why = state ?? expired
    if (why) return fail('key_unusable', { level, name, state: why })
    if (addresses && (address === undefined || !isWithin(addresses, address)))
      return scope(`The ${level} "${name}" may not be used from this address.`)
  }
  return undefined
}

/** What a call would be: models that may answer, by what strategy, at most for how much, paid in what. */
export type Asking = {
  models: readonly string[]
  strategy: StrategyName
  ceiling: Usd
  /** undefined while it is not said yet. */
  paidIn?: { chain: string; address: string; symbol: string }
}

/** Why a call is beyond what its caller may ask for; undefined when it is not. */
export const beyond = (
  caller: Caller,
  { models, strategy, ceiling, paidIn }: Asking,
): Refusal | undefined => {
  const { allows, strategies } = caller.routing
  const barredModel = allows && models.find((one) => !allows(one))
  if (barredModel !== undefined) return scope(`This key may not use ${barredModel}.`)
  if (strategies && !strategies.includes(strategy))
    return scope(`This key may not use the strategy ${strategy}, only ${strategies.join(', ')}.`)
  for (const { level, name, rules, maxPerCall, budgets } of caller.bounds) {
    const most = lowest(maxPerCall, budgets)
    if (most !== undefined && ceiling > most)
      return scope(
        `This call may cost $${printUsd(ceiling)}, and the ${level} "${name}" allows $${printUsd(most)} a call.`,
      )
    if (paidIn && rules.chains && !rules.chains.includes(paidIn.chain))
      return scope(`The ${level} "${name}" does not pay on ${paidIn.chain}.`)
    if (paidIn && rules.assets && !rules.assets.some((one) => isAsset(one, paidIn)))
      return scope(`The ${level} "${name}" does not pay in ${paidIn.symbol}.`)
  }
  return undefined
}

/** The least that a call may cost before somebody must approve it, and who says so; undefined when nobody does. */
export const approvalNeeded = (caller: Caller, ceiling: Usd): { bound: Bound; above: Usd } | undefined => {
  for (const bound of caller.bounds)
    if (bound.approveAbove !== undefined && ceiling > bound.approveAbove)
      return { bound, above: bound.approveAbove }
  return undefined
}

const lowest = (maxPerCall: Usd | undefined, budgets: readonly Budget[]): Usd | undefined => {
  const each = budgets.flatMap(({ per, kind, limit }) =>
    per === 'call' && kind === 'hard' ? [parseUsd(limit)!] : [],
  )
  const all = maxPerCall === undefined ? each : [maxPerCall, ...each]
  return all.length === 0 ? undefined : all.reduce((a, b) => minOf(a, b))
}

const isAsset = (one: string, { address, symbol }: { address: string; symbol: string }): boolean =>
  one.toLowerCase() === address.toLowerCase() || one.toUpperCase() === symbol.toUpperCase()

const scope = (problem: string): Refusal => fail('key_scope', { problem })
