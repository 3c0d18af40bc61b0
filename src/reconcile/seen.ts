import { assetKey, type ChainId, type Hex } from '../assets.ts'
import type { Clock } from '../clock.ts'
import { isServing, type Proof } from '../ledger/call.ts'
import { channelKey } from '../ledger/channel.ts'
import type { Errand, Task } from '../ledger/errand.ts'
import type { ChannelFinding } from './channels.ts'
import type { Book, View } from './compare.ts'
import { type Finding, KINDS } from './match.ts'

/** How an errand that was only seen is named: the same transfer never makes a second one. */
export const seenKey = (chain: ChainId, { hash, logIndex }: Pick<Proof, 'hash' | 'logIndex'>): string =>
  `seen:${chain}:${hash}:${logIndex}`

export type BookFacts = View & { clock: Clock; book: Book }

/**
 * Books a transfer that the ledger does not know, once: money of a payment that was given up goes to that call, anything
 * else is an errand that was only seen. `offline`: no router serves from this ledger, so that what is being served can
 * be settled here too. Returns whether anything was written.
 */
export const bookFinding = async (facts: BookFacts, finding: Finding, offline = false): Promise<boolean> => {
  const { ledger, chain } = facts
  if (finding.kind === 'reorged') return takeBack(facts, finding)
  if (KINDS[finding.kind].agrees || finding.chain === null || isOdd(finding)) {
    return offline && finding.kind === 'in_flight' ? settleServing(facts, finding) : false
  }
  const block = BigInt(finding.block)
  const rows = await ledger.transfers(finding.asset, block, block)
  if (rows.some((row) => row.hash === finding.hash && row.logIndex === finding.logIndex)) return false
  const proof = await proofOf(facts, finding)
  if (!proof) return false
  const call = finding.call === null ? undefined : await ledger.call(finding.call)
  if (call?.settlement.at === 'lost' && !isServing(call) && finding.kind === 'missing_in_ledger')
    return (await ledger.post({ type: 'found', id: call.id, proof })).ok
  const what = whatOf(finding)
  if (!what) return false
  const key = seenKey(chain.id, finding)
  const claim = finding.claim !== undefined && !call ? finding.claim : key
  return orderSeen(facts, errandOf(facts, finding, proof, { kind: 'observed', what }, claim), key)
}

// Of a payment that the ledger has otherwise, only its own settlement can say what became of it.
const isOdd = ({ kind, call }: Finding): boolean => (kind === 'short' || kind === 'over') && call !== null

type Seen = Extract<Task, { kind: 'observed' }>['what']

const whatOf = ({ what }: Finding): Seen | undefined => {
  switch (what) {
    case 'payment':
      return 'inflow'
    case 'inflow':
    case 'outflow':
    case 'funding':
    case 'defunding':
    case 'refill':
    case 'return':
    case 'sweep':
      return what
    default:
      return undefined
  }
}

/** Stores what was seen. One that a reorganisation took back, and that is there again, stands again. */
export const orderSeen = async ({ ledger }: View, errand: Errand, key: string): Promise<boolean> => {
  const posted = await ledger.post({ type: 'order', errand })
  if (posted.ok) return true
  if (posted.why !== 'stale' && posted.why !== 'claimed') return false
  const { call: holder } = posted
  const { settlement } = errand
  if (holder?.is === 'errand' && holder.settlement.at === 'lost' && settlement.at === 'settled')
    return (await ledger.post({ type: 'found', id: holder.id, proof: settlement.proof })).ok
  // Somebody else has the authorization: the money is booked all the same.
  if (posted.why === 'claimed' && errand.claim !== key)
    return (await ledger.post({ type: 'order', errand: { ...errand, claim: key } })).ok
  return false
}

/** Takes back what was only seen in a block that is gone. Payments are taken back by the settler, which sends them again. */
const takeBack = async ({ ledger }: BookFacts, { call }: Finding): Promise<boolean> => {
  if (!call?.startsWith('seen:')) return false
  await ledger.post({ type: 'reorg', id: call })
  return (await ledger.post({ type: 'lose', id: call, why: 'its block was taken back', gas: 0n })).ok
}

/** A call that a dead process was serving, and whose money is there. */
const settleServing = async (facts: BookFacts, finding: Finding): Promise<boolean> => {
  const { ledger } = facts
  const call = finding.call === null ? undefined : await ledger.call(finding.call)
  if (!call || !isServing(call) || call.settlement.at !== 'none' || finding.kind !== 'in_flight') return false
  const proof = await proofOf(facts, finding)
  if (!proof || !(await ledger.post({ type: 'due', id: call.id })).ok) return false
  return (await ledger.post({ type: 'settled', id: call.id, proof })).ok
}

/** What happened to a channel without us. A payer may add money and take it out again; what a lost ledger did is taken over. */
export const bookChannel = async (facts: BookFacts, finding: ChannelFinding): Promise<boolean> => {
  const { ledger, chain } = facts
  if (KINDS[finding.kind].agrees) return false
  const { event, config } = finding
  const proof = await proofOf(facts, finding)
  if (!proof) return false
  const id = channelKey(chain.id, event.channel)
  const [state] = await chain.channels([event.channel])
  // Read last: a deposit of ours that is proven meanwhile must not count twice.
  const channel = await ledger.channel(id)
  if (!state) return false
  const key = seenKey(chain.id, finding)
  const put = (task: Task, amount: bigint) =>
    orderSeen(facts, { ...errandOf(facts, finding, proof, task, key), payer: config.payer, amount }, key)
  if (event.kind === 'deposit') {
    // The door may have taken the channel over as it stands meanwhile.
    if (channel && channel.balance + event.amount > state.balance) return false
    const { refundNonce } = state
    return put(
      { kind: 'deposit', channel: id, config, by: { kind: 'seen' }, claimed: 0n, refundNonce },
      event.amount,
    )
  }
  if (!channel) return false
  if (event.kind === 'claim') {
    if (event.amount <= channel.claimed || channel.claiming) return false
    const claims = [
      { channel: id, config, max: event.amount, signature: '0x', from: channel.claimed, total: event.amount },
    ] as const
    return put({ kind: 'claim', receiver: config.receiver, claims }, 0n)
  }
  if (channel.busy !== undefined || channel.balance < event.amount) return false
  return put({ kind: 'withdrawal', channel: id }, event.amount)
}

/** Where it stands now; undefined when its block is not canonical any more. */
const proofOf = async ({ chain }: View, { hash, block, logIndex }: Finding): Promise<Proof | undefined> => {
  const [inclusion] = await chain.inclusions([hash])
  if (!inclusion?.ok || inclusion.block !== BigInt(block)) return undefined
  const [canonical] = await chain.blockHashes([inclusion.block])
  if (canonical !== inclusion.blockHash) return undefined
  return { hash, block: inclusion.block, blockHash: inclusion.blockHash, logIndex, gas: 0n }
}

const errandOf = (
  { chain, book, clock }: BookFacts,
  finding: Finding,
  proof: Proof,
  task: Task,
  claim: string,
): Errand => ({
  is: 'errand',
  id: seenKey(chain.id, finding),
  chain: chain.id,
  token: book.asset.address,
  decimals: book.asset.decimals,
  payer: payerOf(finding),
  from: finding.from,
  to: finding.to,
  claim,
  amount: BigInt(finding.chain ?? 0),
  at: clock.now(),
  validBefore: 0n,
  validAfter: 0n,
  settlement: { at: 'settled', proof },
  task,
})

/** The other side of the transfer. */
const payerOf = ({ what, from, to }: Finding): Hex => (what === 'outflow' || what === 'defunding' ? to : from)

/** The book of a finding. */
export const bookIn = (books: readonly Book[], { asset }: Finding): Book =>
  books.find((book) => assetKey(book.asset) === asset)!
