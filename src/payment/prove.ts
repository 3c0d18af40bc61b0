import type { Chain, Head, Inclusion } from '../chain/chain.ts'
import { seconds } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Call, Proof } from '../ledger/call.ts'
import type { Job } from './jobs.ts'
import { judge } from './proof.ts'

export type Finding =
  | { kind: 'paid'; proof: Proof }
  | { kind: 'lost'; why: string; gas: bigint }
  /** Something else used our nonce and the authorization is still good: sign another. */
  | { kind: 'again' }

export type ProveFacts = {
  chain: Chain
  head: Head
  /** Blocks from its own on that evidence of a loss must have: a loss needs as much as a payment. */
  confirmations: number
  /** ms */
  now: number
}

/** An authorization could have been submitted by somebody else before we heard of it, by this much. */
const HEARD_LATE_S = 3_600
/** Before "neither in a block nor used" is believed: a node that lags needs a moment to show the log. */
const PATIENCE_MS = 30_000
/** Chain time after its end when an authorization is surely over: a reorganisation could bring back an earlier block. */
const GRACE_S = 60n

/** No block on top of this head can take it any more. */
export const isExpired = (call: Call, head: Head): boolean => BigInt(head.timestamp) >= call.validBefore

/** It expired so long ago that no reorganisation will let it in either. */
export const isOver = (call: Call, head: Head): boolean =>
  BigInt(head.timestamp) >= call.validBefore + GRACE_S

/**
 * Finds out what became of payments whose nonce has passed, or whose time is over. A finding of undefined means "not
 * known yet, look again". If somebody else submitted the authorization, their log is found and counts as paid.
 */
export const prove = async (facts: ProveFacts, jobs: readonly Job[]): Promise<(Finding | undefined)[]> => {
  const hashes = jobs.flatMap((job) => job.txs.map((tx) => tx.hash))
  const found = new Map<string, Standing>()
  for (const one of await standing(facts.chain, hashes)) found.set(one.inclusion.hash, one)
  return Promise.all(
    jobs.map((job) => {
      const ours = job.txs.map((tx) => found.get(tx.hash)).filter((one) => one !== undefined)
      return proveOne(facts, job, ours).catch(unknown)
    }),
  )
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
  ours: readonly Standing[],
): Promise<Finding | undefined> => {
  const { chain, head, now } = facts
  const { call } = job
  if (ours.some((one) => !one.canonical)) return undefined
  const mine = ours.map((one) => one.inclusion)
  const gas = mine.reduce((sum, one) => sum + one.gas, 0n)
  for (const inclusion of mine) {
    const verdict = judge(call, inclusion, gas)
    if (verdict.paid) return { kind: 'paid', proof: verdict.proof }
  }
  const others = await ofOthers(facts, call, gas)
  if (others !== 'none') return others
  if (mine.length > 0) return mine.every((one) => isDeep(facts, one)) ? lost(whyUnpaid(mine), gas) : undefined
  if (isOver(call, head)) return lost('the authorization expired', 0n)
  if (isExpired(call, head)) return undefined
  if (now - (job.passedAt ?? now) < PATIENCE_MS) return undefined
  const { used } = await chain.payer(call.token, call.payer, call.nonce)
  return used ? lost('the authorization was cancelled or spent elsewhere', 0n) : { kind: 'again' }
}

/** Looks for somebody else's submission of the authorization, up to the head. */
const ofOthers = async (
  facts: ProveFacts,
  call: Call,
  gas: bigint,
): Promise<Finding | undefined | 'none'> => {
  const { chain, head } = facts
  const since = Math.max(Number(call.validAfter), seconds(call.at) - HEARD_LATE_S)
  const hash = await chain.usedIn(call.token, call.payer, call.nonce, since, head.number)
  if (hash === undefined) return 'none'
  const [one] = await standing(chain, [hash])
  // The log says used, the receipt does not: one of them is not to be believed.
  if (!one?.canonical || !showsUse(call, one.inclusion)) return undefined
  const verdict = judge(call, one.inclusion, gas)
  return verdict.paid ? { kind: 'paid', proof: verdict.proof } : 'none'
}

const showsUse = (call: Call, { logs }: Inclusion): boolean =>
  logs.some(
    (log) =>
      log.kind === 'used' && log.token === call.token && log.payer === call.payer && log.nonce === call.nonce,
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
