import type { Chain, Head, Inclusion } from '../chain/chain.ts'
import { seconds } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Proof, Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { isExpired, isOver, isPast } from './expiry.ts'
import { isMade, type Job } from './jobs.ts'
import { expected, judge, nonceOf, proofOf } from './proof.ts'
import { onceEach, type Standing, standing } from './standing.ts'
import { mayHideLogs, showsUse, whyUnpaid } from './unpaid.ts'
import { mayHaveUsed } from './uses.ts'

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
  /** Indexes of the logs of a transaction that prove other items already. */
  takenIn: (inclusion: Inclusion, item: Payable) => Promise<ReadonlySet<number>>
  /** Told of each transaction of ours that is in a block. */
  met?: (tx: Tx, inclusion: Inclusion) => void
}

/** An authorization could have been submitted by somebody else before we heard of it, by this much. */
const HEARD_LATE_S = 3_600
/** Before "neither in a block nor used" is believed: a node that lags needs a moment to show the log. */
const PATIENCE_MS = 30_000
/** Chain time after its end until which it is kept for company that may still bring it into a block. */
const KEPT_S = 480n
/** Before something that was only seen, and is seen no more, is given up. */
const GONE_MS = 600_000

/**
 * Finds out what became of payments whose nonce has passed, or whose time is over. A finding of undefined means "not
 * known yet, look again". If somebody else submitted the authorization, their log is found and counts as paid.
 */
export const prove = async (facts: ProveFacts, jobs: readonly Job[]): Promise<(Finding | undefined)[]> => {
  const txs = new Map(jobs.flatMap((job) => job.txs.map((tx) => [tx.hash, tx])))
  const companies = new Map<string, Promise<readonly Payable[]>>()
  const itemsOf = (tx: Tx) => {
    const found = companies.get(tx.hash) ?? facts.itemsOf(tx)
    companies.set(tx.hash, found)
    return found
  }
  const found = new Map<string, Standing>()
  const hashes = new Set([...txs.keys(), ...jobs.flatMap(seenIn)])
  for (const one of await standing(facts.chain, [...hashes])) {
    const { inclusion } = one
    found.set(inclusion.hash, one)
    const tx = txs.get(inclusion.hash)
    if (tx && one.canonical) facts.met?.(tx, inclusion)
  }
  const findings = await Promise.all(
    jobs.map((job) => proveOne({ ...facts, itemsOf }, job, found).catch(unknown)),
  )
  return onceEach(findings)
}

/** Where it was seen, when it was not us who brought it to the chain. */
const seenIn = ({ item }: Job): `0x${string}`[] =>
  !isMade(item) && item.settlement.at === 'settling' ? [item.settlement.hash] : []

const proveOne = async (
  facts: ProveFacts,
  job: Job,
  found: ReadonlyMap<string, Standing>,
): Promise<Finding | undefined> => {
  const { chain, head, now } = facts
  const { item } = job
  if (!isMade(item)) return seenAgain(facts, job, found)
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
  const over = isOver(item, head)
  const impatient = now - (job.passedAt ?? now) >= PATIENCE_MS
  // A transaction of ours that this node does not show yet has cost gas, which would be forgotten.
  if (ours.length === 0 && job.passedAt !== undefined && !over && !impatient) return undefined
  // A relayed payment is looked at every time, so in the cheapest way first.
  if (job.relayed && !over && !(await isUsed(chain, item))) return undefined
  const others = await ofOthers(facts, item, gas, job.relayed?.hash)
  if (others !== 'none') return others
  const mine = ours.map((one) => one.inclusion)
  if (mine.length > 0) {
    if (!mine.every((one) => isDeep(facts, one))) return undefined
    const inCompany = ours.at(-1)!.tx.items.length > 1
    const used = await isUsed(chain, item)
    if (mayHideLogs(item, used, ours) && now - (job.passedAt ?? now) < GONE_MS) return undefined
    const still = inCompany && !isExpired(item, head) && !used
    return still ? { kind: 'again', alone: true } : lost(whyUnpaid(item, ours), gas)
  }
  if (over) return (await isKept(facts, job)) ? undefined : lost('the authorization expired', 0n)
  if (isExpired(item, head) || !impatient || job.relayed) return undefined
  if (await isUsed(chain, item)) return lost('the authorization was cancelled or spent elsewhere', 0n)
  return (await hasMoved(facts, job)) ? undefined : { kind: 'again', alone: false }
}

/** Something that was only seen, after its block was taken back: in another block by now, or gone. */
const seenAgain = async (
  facts: ProveFacts,
  job: Job,
  found: ReadonlyMap<string, Standing>,
): Promise<Finding | undefined> => {
  const { item } = job
  const one = item.settlement.at === 'settling' ? found.get(item.settlement.hash) : undefined
  if (one && !one.canonical) return undefined
  if (one && item.is === 'errand' && item.amount === 0n)
    return { kind: 'paid', proof: proofOf(one.inclusion, -1, one.inclusion.gas) }
  if (one) {
    const taken = await facts.takenIn(one.inclusion, item)
    const verdict = judge(item, { inclusion: one.inclusion, gas: 0n, company: [item], taken })
    if (verdict !== 'unsure' && verdict.paid) return { kind: 'paid', ...verdict }
  }
  return facts.now - (job.passedAt ?? facts.now) < GONE_MS ? undefined : lost('the block was taken back', 0n)
}

/** It is over, but its last transaction may still come for the sake of others, and would cost its share of the gas. */
const isKept = async ({ head, itemsOf }: ProveFacts, { item, txs, passedAt }: Job): Promise<boolean> => {
  const last = txs.at(-1)
  if (!last || last.items.length === 1 || passedAt !== undefined || isPast(item, head, KEPT_S)) return false
  return (await itemsOf(last)).some((one) => one.settlement.at === 'settling' && !isExpired(one, head))
}

/** A payout uses up no authorization: only its transfer shows that it was made, and making it again would pay twice. */
const hasMoved = async ({ chain, head }: ProveFacts, { item, txs }: Job): Promise<boolean> => {
  if (item.is === 'call' || item.task.kind !== 'payout') return false
  const { token, from, to, amount } = item
  const hashes = await chain.movedIn(
    { token, from, to, amount },
    seconds(item.at) - HEARD_LATE_S,
    head.number,
  )
  return txs.some((tx) => hashes.includes(tx.hash))
}

/** What its own transaction proves; undefined when that cannot be told yet. */
const judged = async (facts: ProveFacts, item: Payable, tx: Tx, inclusion: Inclusion, gas: bigint) => {
  const alone = nonceOf(item)?.kind === 'eip3009'
  const company = alone || tx.items.length === 1 ? [item] : await facts.itemsOf(tx)
  const taken = alone ? NONE : await facts.takenIn(inclusion, item)
  const verdict = judge(item, { inclusion, gas, company, taken })
  if (verdict !== 'unsure') return verdict
  const unused = new Set<string>()
  for (const one of company) if (nonceOf(one) && !(await isUsed(facts.chain, one))) unused.add(one.id)
  const second = judge(item, { inclusion, gas, company, taken, unused })
  return second === 'unsure' ? undefined : second
}

const NONE: ReadonlySet<number> = new Set()

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
  { chain, head, takenIn }: ProveFacts,
  item: Payable,
  gas: bigint,
  hint: `0x${string}` | undefined,
): Promise<Finding | undefined | 'none'> => {
  const authorization = nonceOf(item)
  // Only the settler that was signed for can use an `upto`.
  if (!authorization || authorization.kind === 'upto') return 'none'
  const since = Math.max(Number(item.validAfter), seconds(item.at) - HEARD_LATE_S)
  const proofIn = async ({ inclusion }: Standing): Promise<Finding | undefined> => {
    const taken = await takenIn(inclusion, item)
    const verdict = judge(item, { inclusion, gas, company: [item], taken })
    return verdict !== 'unsure' && verdict.paid ? { kind: 'paid', ...verdict } : undefined
  }
  // Only the token's own log ties a transaction to an authorization; of Permit2 any transfer as large could be named.
  const [hinted] = hint && authorization.kind === 'eip3009' ? await standing(chain, [hint]) : []
  const shown = hinted?.canonical ? await proofIn(hinted) : undefined
  if (shown) return shown
  for (const hash of await usesOf(chain, item, authorization, since, head.number)) {
    const [one] = await standing(chain, [hash])
    // The log says used, the receipt does not: one of them is not to be believed.
    if (!one?.canonical) return undefined
    const proven = await proofIn(one)
    if (proven) return proven
    if (authorization.kind === 'eip3009' && !showsUse(item, one.inclusion)) return undefined
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
  const moved = await chain.movedIn(
    { token: item.token, from: payer as `0x${string}`, to: payTo as `0x${string}`, amount },
    since,
    to,
  )
  return mayHaveUsed(chain, item, nonce, moved)
}

const isDeep = ({ head, confirmations }: ProveFacts, { block }: Inclusion): boolean =>
  head.number - block + 1n >= BigInt(confirmations)

const lost = (why: string, gas: bigint): Finding => ({ kind: 'lost', why, gas })

// A node that fails in one question must not hold up what it said about the other payments.
const unknown = (error: unknown): undefined => {
  if (!(error instanceof Refusal)) throw error
  return undefined
}
