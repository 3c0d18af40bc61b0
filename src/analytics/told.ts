/** What one line of the journal tells. Pure. */
import { toUsd } from '../assets.ts'
import { type Bill, billOf, type Call, isServing } from '../ledger/call.ts'
import type { JournalEntry } from '../ledger/ledger.ts'
import type { Move } from '../ledger/moves.ts'
import { ACCOUNT } from '../ledger/names.ts'
import { timed } from './histogram.ts'
import { type Marks, UNKNOWN } from './places.ts'
import { NOTHING, type Sums } from './sums.ts'

/** What of a call is fixed by its claim. */
export type Claimed = Pick<Marks, 'at' | 'path' | 'chain' | 'strategy' | 'tags'> & { decimals: number }
/** What of it is fixed when its service ends. */
export type Ended = Pick<Marks, 'model' | 'host' | 'outcome'>
/** What is known of a call; all of it stays true whatever comes. */
export type Known = { claimed: Claimed; ended?: Ended }

/** The call or errand that a line is about; a line about several, or a channel, moves no figures. */
export const subjectOf = (move: Move): string | undefined => {
  if (move.type === 'claim') return move.call.id
  if (move.type === 'order') return move.errand.id
  return move.type === 'settle' ? undefined : move.id
}

export const isCall = (id: string): boolean => id.startsWith('call_')

/** Whether a line can move figures: most do not, and nothing is looked up for them. */
export const counts = ({ move, postings }: JournalEntry): boolean =>
  isEnd(move) ||
  move.type === 'refund' ||
  postings.some(({ debit, credit }) => isKept(debit) || isKept(credit))

/** The end of a call's service, after which it counts. */
export const isEnd = (move: Move): move is Extract<Move, { type: 'bill' | 'release' | 'reject' }> =>
  move.type === 'bill' || move.type === 'release' || move.type === 'reject'

export const claimedOf = (call: Call): Claimed => ({
  at: call.at,
  path: call.account ?? [],
  chain: call.chain,
  decimals: call.decimals,
  // The router's reason begins with the strategy's name.
  strategy: call.why?.split(' ')[0] || UNKNOWN,
  tags: Object.entries(call.tags ?? {}).map(([name, value]) => `${name}=${value}`),
})

export const knownOf = (call: Call): Known => {
  const claimed = claimedOf(call)
  const bill = billOf(call)
  if (isServing(call)) return { claimed }
  return { claimed, ended: endedWith(call.service.at, bill) }
}

/** How a call ended, as the line says that ended it. */
export const endedBy = (move: Extract<Move, { type: 'bill' | 'release' | 'reject' }>): Ended => {
  if (move.type === 'bill') return endedWith(move.partial ? 'partial' : 'served', move.bill)
  return endedWith(move.type === 'release' ? 'released' : 'rejected', undefined)
}

const endedWith = (outcome: string, bill: Bill | undefined): Ended => ({
  outcome,
  model: bill?.model ?? UNKNOWN,
  host: bill?.provider ?? UNKNOWN,
})

/** What a line adds to the sums of its call. What was charged and given back is what the books say, not what was wished. */
export const addedBy = (line: JournalEntry, decimals: number): Sums => {
  const { move } = line
  const booked = {
    ...NOTHING,
    unpaid: signedUsd(flow(line, ACCOUNT.loss, NATIVE), decimals),
    gas: gasOf(line),
  }
  const revenue = flow(line, ACCOUNT.revenue, NATIVE)
  if (move.type === 'refund') return { ...booked, refunded: signedUsd(revenue, decimals) }
  if (!isEnd(move)) return booked
  if (move.type !== 'bill') return { ...booked, calls: 1, failed: 1 }
  return { ...booked, ...billed(move.bill, signedUsd(-revenue, decimals), move.partial) }
}

const billed = (bill: Bill, charged: bigint, partial: boolean) => ({
  calls: 1,
  served: partial ? 0 : 1,
  partial: partial ? 1 : 0,
  uncosted: bill.cost === undefined ? 1 : 0,
  charged,
  cost: bill.cost ?? 0n,
  flagship: bill.flagship ?? charged,
  input: bill.usage.input,
  cached: bill.usage.cached,
  output: bill.usage.output,
  first: bill.firstMs === undefined ? {} : timed(bill.firstMs),
  whole: bill.ms === undefined ? {} : timed(bill.ms),
})

const NATIVE = '/native'

/** Wei by chain that a line booked as spent, less what came back with a block. */
const gasOf = ({ postings }: JournalEntry): Record<string, bigint> => {
  const gas: Record<string, bigint> = {}
  for (const { asset, debit, credit, amount } of postings) {
    if (!asset.endsWith(NATIVE)) continue
    const chain = asset.slice(0, -NATIVE.length)
    if (debit === ACCOUNT.gas) gas[chain] = (gas[chain] ?? 0n) + amount
    if (credit === ACCOUNT.gas) gas[chain] = (gas[chain] ?? 0n) - amount
  }
  return gas
}

/** What a line debits to an account, less what it credits, in the books of tokens. */
const flow = ({ postings }: JournalEntry, account: string, not: string): bigint => {
  let sum = 0n
  for (const { asset, debit, credit, amount } of postings) {
    if (asset.endsWith(not)) continue
    if (debit === account) sum += amount
    if (credit === account) sum -= amount
  }
  return sum
}

// Rounded towards nothing both ways, so that what was added can be taken off again.
const signedUsd = (units: bigint, decimals: number): bigint =>
  units < 0n ? -toUsd(-units, decimals) : toUsd(units, decimals)

const isKept = (account: string): boolean => account === ACCOUNT.gas || account === ACCOUNT.loss
