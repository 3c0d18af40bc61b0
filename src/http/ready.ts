import { type ChainId, chainNumber, type Hex } from '../assets.ts'
import type { NodeView } from '../chain/nodes.ts'
import type { ChainCheck, Readiness, StoreCheck } from './readiness.ts'

/** What is known of a chain; a node that did not answer in time is undefined. */
export type ChainFacts = {
  id: ChainId
  nodes: readonly (NodeView | undefined)[]
  /** Between its last blocks; undefined while too few were seen. */
  blockSeconds: number | undefined
  /** The oldest that its newest block may be, seconds; 0: as old as it likes. Default: by the time between its blocks. */
  maxAgeSeconds: number | undefined
  /** The most that is ever paid per gas, wei. */
  maxFee: bigint
  /** Somebody else settles, so that gas of our own is for the rest. */
  relayed: boolean
}

export type ReadyFacts = {
  /** ms. */
  now: number
  settler: Hex
  /** How long the store took to answer, and how far its clock is ahead of ours, ms; undefined when it did not answer. */
  store: { ms: number; clockMs: number | undefined } | undefined
  chains: readonly ChainFacts[]
}

/** Gas of a typical settlement: one EIP-3009 payment by itself. */
const SETTLEMENT_GAS = 90_000n
const FEW = 3n
const ENOUGH = 200n
/** Nodes of one chain are never quite at one. */
const BLOCKS_APART = 5n
const SECONDS_APART = 15
const CLOCK_WARN_S = 15
const CLOCK_BAD_S = 60
const STORE_SLOW_MS = 250
const STORE_CLOCK_WARN_MS = 2_000
const STORE_CLOCK_BAD_MS = 30_000
/** Chains on one machine, which make a block when they are told to. */
const LOCAL = new Set([31_337, 1_337])

/** Judges whether money can be taken and moved: as long as one chain is well, what ails another is a warning. Pure. */
export const judgeReady = ({ now, settler, store, chains }: ReadyFacts): Readiness => {
  const judged = chains.map((one) => ({ id: one.id, ...judgeChain(one, settler, now) }))
  const payable = judged.some((one) => one.problems.length === 0)
  const ill = judged.flatMap((one) => one.problems)
  const { check, ...ofStore } = judgeStore(store)
  const problems = [...ofStore.problems, ...(payable ? [] : ill)]
  const warnings = [...ofStore.warnings, ...(payable ? ill : []), ...judged.flatMap((one) => one.warnings)]
  const checks = { store: check, chains: Object.fromEntries(judged.map((one) => [one.id, one.check])) }
  return { ready: problems.length === 0, problems, warnings, checks }
}

/** What a process says that was told to end: it looks at nothing any more. */
export const leavingNow: Readiness = {
  ready: false,
  problems: ['this instance is shutting down'],
  warnings: [],
  checks: {},
}

type Judged<C> = { problems: string[]; warnings: string[]; check: C }

const judgeStore = (store: ReadyFacts['store']): Judged<StoreCheck> => {
  if (!store) return { problems: ['the ledger does not answer'], warnings: [], check: { ok: false } }
  const { ms, clockMs } = store
  const apart = Math.abs(clockMs ?? 0)
  const skew = `our clock and that of the store are ${apart} ms apart`
  const bad = apart > STORE_CLOCK_BAD_MS
  const warnings = [
    ...(ms > STORE_SLOW_MS ? [`the ledger took ${ms} ms to answer`] : []),
    ...(!bad && apart > STORE_CLOCK_WARN_MS ? [skew] : []),
  ]
  const check = { ok: !bad, ms, ...(clockMs !== undefined && { clockMs }) }
  return { problems: bad ? [skew] : [], warnings, check }
}

const judgeChain = (facts: ChainFacts, settler: Hex, now: number): Judged<ChainCheck> => {
  const { id, nodes } = facts
  // One of several that serves another chain may still be believed, so none of them is passed over.
  const strays = nodes.flatMap((node, i) =>
    node && node.chain !== id ? [`${id}: rpc.${i} serves ${node.chain}`] : [],
  )
  const check = (ok: boolean): ChainCheck => ({ ok, nodes: nodes.map((node) => nodeCheck(node, id)) })
  const own = nodes.filter((node) => node?.chain === id)
  const newest = own.toSorted((a, b) => Number(b!.head.number - a!.head.number))[0]
  if (!newest) {
    const problems = strays.length > 0 ? strays : [`${id} does not answer`]
    return { problems, warnings: [], check: check(false) }
  }
  const parts = [judgeAge(facts, newest, now), judgeFees(facts, newest), judgeGas(facts, newest, settler)]
  const problems = [...strays, ...parts.flatMap((part) => part.problems)]
  const warnings = [...parts.flatMap((part) => part.warnings), ...judgeNodes(facts, newest)]
  const more = Object.assign({}, ...parts.map((part) => part.check)) as Partial<ChainCheck>
  return { problems, warnings, check: { ...check(problems.length === 0), ...more } }
}

const nodeCheck = (node: NodeView | undefined, id: ChainId): ChainCheck['nodes'][number] =>
  node ? { ok: node.chain === id, chain: node.chain, block: node.head.number.toString() } : { ok: false }

const judgeAge = (facts: ChainFacts, { head }: NodeView, now: number): Judged<Partial<ChainCheck>> => {
  const { id, blockSeconds } = facts
  const age = Math.floor(now / 1000) - head.timestamp
  const check = {
    block: head.number.toString(),
    ageSeconds: age,
    ...(blockSeconds !== undefined && { blockSeconds }),
  }
  const oldest = facts.maxAgeSeconds ?? (LOCAL.has(chainNumber(id)) ? 0 : oldestOf(blockSeconds))
  if (oldest === 0) return { problems: [], warnings: [], check }
  const words =
    age < 0 ? `${id}: our clock is ${-age} s behind the chain's` : `${id}: its newest block is ${age} s old`
  if (age > oldest || age < -CLOCK_BAD_S) return { problems: [words], warnings: [], check }
  return { problems: [], warnings: age > oldest / 4 || age < -CLOCK_WARN_S ? [words] : [], check }
}

/** Twenty blocks, and a minute at least: blocks are missed now and then. */
const oldestOf = (blockSeconds = 12): number => Math.max(60, Math.ceil(20 * blockSeconds))

const judgeFees = ({ id, maxFee }: ChainFacts, { head }: NodeView): Judged<Partial<ChainCheck>> => {
  const check = { baseFeeWei: head.baseFee.toString() }
  const words = (than: string) => [`${id}: the base fee of ${head.baseFee} wei is ${than} maxFeeGwei`]
  if (head.baseFee > maxFee) return { problems: words('above'), warnings: [], check }
  return { problems: [], warnings: head.baseFee * 4n > maxFee * 3n ? words('close to') : [], check }
}

const judgeGas = (
  { id, relayed }: ChainFacts,
  { head, gas }: NodeView,
  settler: Hex,
): Judged<Partial<ChainCheck>> => {
  const cost = SETTLEMENT_GAS * (head.baseFee + head.tip)
  const left = cost === 0n ? undefined : gas / cost
  const check = left === undefined ? {} : { settlements: left.toString() }
  const words =
    gas === 0n
      ? [`the settler ${settler} has no gas on ${id}`]
      : left !== undefined && left < ENOUGH
        ? [`the settler ${settler} has gas for ${left} settlements on ${id}`]
        : []
  const bad = gas === 0n || (left !== undefined && left < FEW)
  return bad && !relayed ? { problems: words, warnings: [], check } : { problems: [], warnings: words, check }
}

/** What is wrong with some of the nodes while others are well. */
const judgeNodes = ({ id, nodes, blockSeconds }: ChainFacts, newest: NodeView): string[] =>
  nodes.flatMap((node, i) => {
    if (!node) return [`${id}: rpc.${i} does not answer`]
    if (node.chain !== id) return []
    const behind = newest.head.number - node.head.number
    const near = blockSeconds ? BigInt(Math.ceil(SECONDS_APART / blockSeconds)) : BLOCKS_APART
    if (behind > (near > BLOCKS_APART ? near : BLOCKS_APART))
      return [`${id}: rpc.${i} is ${behind} blocks behind`]
    const forked = behind === 0n && node.head.hash !== newest.head.hash
    return forked ? [`${id}: rpc.${i} has another block ${node.head.number}`] : []
  })
