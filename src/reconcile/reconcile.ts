import { assetKey, type ChainId, type Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { seconds } from '../clock.ts'
import { billOf } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ACCOUNT } from '../ledger/moves.ts'
import { compareChannels } from './channels.ts'
import {
  type Book,
  bookedFlow,
  comparePage,
  type Flow,
  openBooks,
  type Span,
  type Till,
  type View,
} from './compare.ts'
import { type GasReport, reportGas } from './gas.ts'
import { type Finding, KINDS, type Kind } from './match.ts'

export type { Till } from './compare.ts'

export type ReconcileFacts = {
  ledger: Ledger
  chain: Chain
  tills: readonly Till[]
  /** Our settler: without it, neither payouts nor gas nor channels are looked at. */
  settler?: Hex | undefined
  /** First and last block that are compared: from a little before the oldest booked transfer to the head where left out. */
  from?: bigint
  to?: bigint
  /** Seconds after its service when a settlement counts as late; not looked at where left out. */
  lateAfter?: number
}

/** Units of one asset, as strings. */
export type Total = {
  asset: string
  symbol: string
  decimals: number
  /** Received, as the ledger's account of our money on the chain stands: always of all blocks. */
  ledger: string
  /** Received less sent, as the sum of the ledger's transfers in the range. */
  booked: string
  /** The part of it that the chain shows too. */
  matched: string
  /** What the balance of our addresses changed by in the range. */
  chain: string
  /** The same of the settler's balance, which payouts come from. */
  float?: { ledger: string; booked: string; matched: string; chain: string }
}

/** A report that can be printed as JSON. `whole`: every booked block was compared, so the account must equal its transfers. */
export type Report = {
  chain: ChainId
  from: string
  to: string
  whole: boolean
  agrees: boolean
  counts: Record<Kind, number>
  totals: Total[]
  gas?: GasReport
  findings: Finding[]
}

/** Blocks that are compared at once: what bounds memory. */
export const PAGE_BLOCKS = 10_000n
/** Blocks before the oldest booked transfer that are looked at too. */
export const BEFORE = 64n
/** Findings that agree, and are kept to be printed. */
const KEPT = 10_000
const LOOKS = 5

/**
 * Compares every transfer to and from us on one chain with the ledger, row by row, some thousand blocks at a time. Reads
 * only; the router may run meanwhile. Throws `chain_unavailable` when the chain cannot be read.
 */
export const reconcile = async (facts: ReconcileFacts): Promise<Report> => {
  const { ledger, chain, tills, settler } = facts
  const view: View = { ledger, chain, settler }
  const to = facts.to ?? (await chain.head()).number
  const books = await openBooks(view, tills, to)
  const from = facts.from ?? (await oldestBlock(ledger, books, to))
  const whole = facts.to === undefined && (await isWhole(ledger, books, from))
  const told = createTale()
  for (const book of books) {
    const accounts = await accountsOf(ledger, book, { from, to: facts.to })
    const total = { received: zero(), float: zero() }
    for (const span of pages({ from, to })) {
      const page = await comparePage(view, book, span)
      add(total.received, page.received)
      add(total.float, page.float)
      told.add(await withLate(facts, page.findings))
    }
    told.total(book, accounts, total)
  }
  if (settler && books.length > 0) {
    for (const span of pages({ from, to })) told.add((await compareChannels(view, books, span)).map(bare))
  }
  const gas = settler === undefined ? undefined : await reportGas(view, settler, { from, to })
  const { counts, totals, findings, differing } = told
  const sound = !whole || totals.every(isSound)
  const agrees = sound && differing() === 0 && gas?.agrees !== false
  return {
    chain: chain.id,
    from: from.toString(),
    to: to.toString(),
    whole,
    agrees,
    counts,
    totals,
    ...(gas && { gas }),
    findings,
  }
}

/** Ranges of blocks, one after the other. */
export function* pages({ from, to }: Span, size = PAGE_BLOCKS): Generator<Span> {
  for (let start = from; start <= to; start += size) {
    yield { from: start, to: start + size - 1n < to ? start + size - 1n : to }
  }
}

/** Where a comparison begins unless it is told: a little before the oldest booked transfer, or near the head where there is none. */
export const oldestBlock = async (ledger: Ledger, books: readonly Book[], head: bigint): Promise<bigint> => {
  let oldest = head
  for (const { asset } of books) {
    const first = (await ledger.bookedBlocks(assetKey(asset)))?.first
    if (first !== undefined && first < oldest) oldest = first
  }
  return oldest > BEFORE ? oldest - BEFORE : 0n
}

const isWhole = async (ledger: Ledger, books: readonly Book[], from: bigint): Promise<boolean> => {
  for (const { asset } of books) {
    const first = (await ledger.bookedBlocks(assetKey(asset)))?.first
    if (first !== undefined && first < from) return false
  }
  return true
}

type Sums = { received: bigint; float: bigint }
type Accounts = { ledger: bigint; float: bigint; booked: Sums }

/** The accounts and the rows that they add up to, as they stand together: looked at again when they moved in between. */
const accountsOf = async (
  ledger: Ledger,
  book: Book,
  span: { from: bigint; to?: bigint | undefined },
): Promise<Accounts> => {
  const key = assetKey(book.asset)
  for (let look = 1; ; look++) {
    const before = await ledger.balance(key, ACCOUNT.chain)
    const booked = await bookedFlow(ledger, book, span)
    const received = -(await ledger.balance(key, ACCOUNT.chain))
    const float = -(await ledger.balance(key, ACCOUNT.float))
    if (received === -before || look === LOOKS) return { ledger: received, float, booked }
  }
}

const isSound = ({ ledger, booked, float }: Total): boolean =>
  ledger === booked && (float === undefined || float.ledger === float.booked)

/** What is found, added up: findings that agree are only counted after the first ten thousand. */
const createTale = () => {
  const counts = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0])) as Record<Kind, number>
  const findings: Finding[] = []
  const totals: Total[] = []
  return {
    counts,
    findings,
    totals,
    differing: () =>
      (Object.keys(counts) as Kind[]).filter((kind) => !KINDS[kind].agrees && counts[kind] > 0).length,
    add: (found: readonly Finding[]) => {
      for (const one of found) {
        counts[one.kind]++
        if (!KINDS[one.kind].agrees || findings.length < KEPT) findings.push(one)
      }
    },
    total: ({ asset, floats }: Book, accounts: Accounts, flow: { received: Flow; float: Flow }) => {
      const { address: _, symbol, decimals } = asset
      const text = (ledger: bigint, booked: bigint, { matched, chain }: Flow) => ({
        ledger: ledger.toString(),
        booked: booked.toString(),
        matched: matched.toString(),
        chain: chain.toString(),
      })
      totals.push({
        asset: assetKey(asset),
        symbol,
        decimals,
        ...text(accounts.ledger, accounts.booked.received, flow.received),
        ...(floats.size > 0 && { float: text(accounts.float, accounts.booked.float, flow.float) }),
      })
    },
  }
}

const zero = (): Flow => ({ booked: 0n, matched: 0n, chain: 0n })
const add = (to: Flow, by: Flow): void => {
  to.booked += by.booked
  to.matched += by.matched
  to.chain += by.chain
}

/** Without what only booking needs. */
const bare = <F extends Finding>(found: F): Finding => {
  const { kind, what, asset, hash, logIndex, block, from, to, chain, ledger, call } = found
  return { kind, what, asset, hash, logIndex, block, from, to, chain, ledger, call }
}

const withLate = async (
  { ledger, chain, lateAfter }: ReconcileFacts,
  findings: Finding[],
): Promise<Finding[]> => {
  if (lateAfter === undefined) return findings
  const paid = findings.filter((one) => one.kind === 'matched' && one.what === 'payment')
  const blocks = [...new Set(paid.map((one) => BigInt(one.block)))]
  const times = new Map((await chain.history.times(blocks)).map((time, i) => [blocks[i]!.toString(), time]))
  const late = new Set<Finding>()
  for (const one of paid) {
    const call = await ledger.call(one.call ?? '')
    const served = call && billOf(call)?.at
    if (served !== undefined && times.get(one.block)! > seconds(served) + lateAfter) late.add(one)
  }
  return findings.map((one) => (late.has(one) ? { ...one, kind: 'late' } : one))
}
