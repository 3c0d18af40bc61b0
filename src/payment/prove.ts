import type { Chain, Head, Inclusion } from '../chain/chain.ts'
import { seconds } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Proof, Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import type { Job } from './jobs.ts'
import { expected, judge, nonceOf } from './proof.ts'

export type Finding =
  | { kind: 'paid'; proof: Proof; moved?: bigint }
  | { kind: 'lost'; why: string; gas: bigint }
  /** It did not move and still can: settle it by another transaction. `alone`: in company it failed. */
  | { kind: 'again'; alone: boolean }

export type ProveFacts = {
  chain: Chain
  head: Head
  /** Blocks from its own on that evidence of a loss must have: a loss needs as much as a payment. */
  confirmations: number
  /** ms */
  now: number
  /** Everything that a transaction was to settle, as it stands. */
  itemsOf: (tx: Tx) => Promise<readonly Payable[]>
}

/** An authorization could have been submitted by somebody else before we heard of it, by this much. */
const HEARD_LATE_S = 3_600
/** Before "neither in a block nor used" is believed: a node that lags needs a moment to show the log. */
const PATIENCE_MS = 30_000
/** Chain time after its end when an authorization is surely over: a reorganisation could bring back an earlier block. */
const GRACE_S = 60n

type Timed = Pick<Payable, 'validBefore'>

/** No block on top of this head can take it any more. What has no end never expires. */
export const isExpired = ({ validBefore }: Timed, head: Head): boolean =>
  validBefore > 0n && BigInt(head.timestamp) >= validBefore

/** It expired so long ago that no reorganisation will let it in either. */
export const isOver = ({ validBefore }: Timed, head: Head): boolean =>
  validBefore > 0n && BigInt(head.timestamp) >= validBefore + GRACE_S

/**
 * Finds out what became of payments whose nonce has passed, or whose time is over. A finding of undefined means "not
 * known yet, look again". If somebody else submitted the authorization, their log is found and counts as paid.
 */
export const prove = async (facts: ProveFacts, jobs: readonly Job[]): Promise<(Finding | undefined)[]> => {
  const hashes = [...new Set(jobs.flatMap((job) => job.txs.map((tx) => tx.hash)))]
  const found = new Map<string, Standing>()
  for (const one of await standing(facts.chain, hashes)) found.set(one.inclusion.hash, one)
  return Promise.all(jobs.map((job) => proveOne(facts, job, found).catch(unknown)))
}

type Standing = { inclusion: Inclusion; canonical: boolean }

// A receipt names its block; whether that block is in the chain is another question.
const standing = async (chain: Chain, hashes: readonly `0x${string}`[]): Promise<Standing[]> => {
  const inclusions = (await chain.inclusions(hashes)).filter((one) => one !== undefined)
  const blocks = [...new Set(inclusions.map((one) => one.block))]
  const canonical = await chain.blockHashes(blocks)
  return inclusions.map((inclusion) => ({
    inclusion,
    canonical: canonical[blocks.indexOf(inclusion.block)] === inclusion.blockHash,
  }))
}

const proveOne = async (
  facts: ProveFacts,
  job: Job,
  found: ReadonlyMap<string, Standing>,
): Promise<Finding | undefined> => {
  const { chain, head, now } = facts
  const { item } = job
  const ours = job.txs.flatMap((tx) => {
    const one = found.get(tx.hash)
    return one ? [{ tx, ...one }] : []
  })
  if (ours.some((one) => !one.canonical)) return undefined
  const gas = ours.reduce((sum, { tx, inclusion }) => sum + shareOf(tx, item, inclusion.gas), 0n)
  for (const { tx, inclusion } of ours) {
    const verdict = await judged(facts, item, tx, inclusion, gas)
    if (verdict === undefined) return undefined
    if (verdict.paid) return { kind: 'paid', ...verdict }
  }
  const others = await ofOthers(facts, item, gas)
  if (others !== 'none') return others
  const mine = ours.map((one) => one.inclusion)
  if (mine.length > 0) {
    if (!mine.every((one) => isDeep(facts, one))) return undefined
    const inCompany = ours.at(-1)!.tx.items.length > 1
    const still = inCompany && !isExpired(item, head) && !(await isUsed(chain, item))
    return still ? { kind: 'again', alone: true } : lost(whyUnpaid(mine), gas)
  }
  if (isOver(item, head)) return lost('the authorization expired', 0n)
  if (isExpired(item, head)) return undefined
  if (now - (job.passedAt ?? now) < PATIENCE_MS) return undefined
  const used = await isUsed(chain, item)
  return used ? lost('the authorization was cancelled or spent elsewhere', 0n) : { kind: 'again', alone: false }
}

/** What its own transaction proves; undefined when that cannot be told yet. */
const judged = async (facts: ProveFacts, item: Payable, tx: Tx, inclusion: Inclusion, gas: bigint) => {
  const alone = tx.items.length === 1 || nonceOf(item)?.kind === 'eip3009'
  const company = alone ? [item] : await facts.itemsOf(tx)
  const verdict = judge(item, { inclusion, gas, company })
  if (verdict !== 'unsure') return verdict
  const unused = new Set<string>()
  for (const one of company) if (!(await isUsed(facts.chain, one))) unused.add(one.id)
  const second = judge(item, { inclusion, gas, company, unused })
  return second === 'unsure' ? undefined : second
}

const isUsed = async (chain: Chain, item: Payable): Promise<boolean> => {
  const used = nonceOf(item)
  return used ? chain.isUsed({ ...used, token: item.token, payer: item.payer }) : false
}

/** The part of a transaction's gas that an item bears: equal parts, and the first bears what is left. */
const shareOf = ({ items }: Tx, item: Payable, gas: bigint): bigint => {
  const share = gas / BigInt(items.length)
  return items[0] === item.id ? gas - share * BigInt(items.length - 1) : share
}

/** Looks for somebody else's submission of the authorization, up to the head. */
const ofOthers = async (
  { chain, head }: ProveFacts,
  item: Payable,
  gas: bigint,
): Promise<Finding | undefined | 'none'> => {
  const authorization = nonceOf(item)
  // Only the settler that was signed for can use an `upto`.
  if (!authorization || authorization.kind === 'upto') return 'none'
  const since = Math.max(Number(item.validAfter), seconds(item.at) - HEARD_LATE_S)
  const hashes = await usesOf(chain, item, authorization, since, head.number)
  for (const hash of hashes) {
    const [one] = await standing(chain, [hash])
    // The log says used, the receipt does not: one of them is not to be believed.
    if (!one?.canonical) return undefined
    const verdict = judge(item, { inclusion: one.inclusion, gas, company: [item] })
    if (verdict !== 'unsure' && verdict.paid) return { kind: 'paid', ...verdict }
    if (authorization.kind === 'eip3009' && !showsUse(item, authorization.nonce, one.inclusion)) return undefined
  }
  return 'none'
}

/** Transactions that may have used it: the one with the token's log, or those that moved just that much by Permit2. */
const usesOf = async (
  chain: Chain,
  item: Payable,
  { kind, nonce }: { kind: string; nonce: `0x${string}` },
  since: number,
  to: bigint,
): Promise<`0x${string}`[]> => {
  if (kind === 'eip3009') {
    const hash = await chain.usedIn(item.token, item.payer, nonce, since, to)
    return hash === undefined ? [] : [hash]
  }
  if (!(await isUsed(chain, item))) return []
  const { payer, payTo, amount } = expected(item)
  return chain.movedIn({ token: item.token, from: payer as `0x${string}`, to: payTo as `0x${string}`, amount }, since, to)
}

const showsUse = (item: Payable, nonce: string, { logs }: Inclusion): boolean =>
  logs.some(
    (log) => log.kind === 'used' && log.token === item.token && log.payer === item.payer && log.nonce === nonce,
  )

const isDeep = ({ head, confirmations }: ProveFacts, { block }: Inclusion): boolean =>
  head.number - block + 1n >= BigInt(confirmations)

const whyUnpaid = (mine: readonly Inclusion[]): string =>
  mine.some((one) => one.ok) ? 'the token reported success and moved something else' : 'the transfer reverted'

const lost = (why: string, gas: bigint): Finding => ({ kind: 'lost', why, gas })

// A node that fails in one question must not hold up what it said about the other payments.
const unknown = (error: unknown): undefined => {
  if (!(error instanceof Refusal)) throw error
  return undefined
}
