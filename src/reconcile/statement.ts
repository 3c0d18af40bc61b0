import { assetKey } from '../assets.ts'
import { billOf, type Call, creditedBy, fromSigned, isServing } from '../ledger/call.ts'
import type { BookedTransfer } from '../ledger/ledger.ts'
import { type Book, comparePage, eachRow, openBooks, type Span, type Till, type View } from './compare.ts'
import { oldestBlock, pages } from './reconcile.ts'

export type GroupBy = 'day' | 'payer' | 'asset'

/** Sums of one group in one token. Service counts on the day of its call by our clock, money on the day of its block, in UTC. */
export type Sums = {
  calls: bigint
  /** Units signed for, charged, given as credit, and given back, by the calls. */
  signed: bigint
  charged: bigint
  credited: bigint
  refunded: bigint
  /** Charged, and never paid. */
  lost: bigint
  /** Units that moved on the chain: paid to us by calls, put into channels, taken back out of them, claimed from them. */
  settled: bigint
  deposits: bigint
  returned: bigint
  claims: bigint
  /** Anything else that our addresses received, less what they sent. */
  other: bigint
  /** Paid out by the settler, and what else its balance changed by. */
  payouts: bigint
  funded: bigint
  /** wei that the proven transfers cost. */
  gas: bigint
}

export type StatementRow = { group: string; book: Book; sums: Sums }

/** Whether the sums are what balances on the chain changed by, in units. */
export type Check = { book: Book; account: 'received' | 'settler'; ledger: bigint; chain: bigint }

export type Statement = {
  span: Span
  rows: StatementRow[]
  totals: StatementRow[]
  checks: Check[]
  agrees: boolean
}

export type StatementFacts = View & {
  tills: readonly Till[]
  by: GroupBy
  /** Unix seconds, the second not included; everything where left out. */
  from?: number | undefined
  to?: number | undefined
}

const CALLS = 500
/** Where a transfer has no single payer: claims, sweeps, our own. */
const NOBODY = 'several'

/** Adds up a range of time by group, and checks the sums against the logs of the chain. Memory grows with the groups only. */
export const statement = async (facts: StatementFacts): Promise<Statement> => {
  const { ledger, chain } = facts
  const head = (await chain.head()).number
  const books = await openBooks(facts, facts.tills, head)
  const from =
    facts.from === undefined
      ? await oldestBlock(ledger, books, head)
      : await chain.history.blockAt(facts.from, head)
  const to = facts.to === undefined ? head : (await chain.history.blockAt(facts.to, head)) - 1n
  const groups = new Map<string, StatementRow>()
  const row = (book: Book, group: string): Sums => {
    const key = `${group} ${assetKey(book.asset)}`
    const found = groups.get(key) ?? { group, book, sums: nothing() }
    groups.set(key, found)
    return found.sums
  }
  await addCalls(facts, books, row)
  const checks: Check[] = []
  for (const book of books) {
    const flow = { received: 0n, float: 0n }
    for (const span of pages({ from, to })) {
      await addTransfers(facts, book, span, row)
      const page = await comparePage(facts, book, span)
      flow.received += page.received.chain
      flow.float += page.float.chain
    }
    const mine = [...groups.values()].filter((one) => one.book === book).map((one) => one.sums)
    const net = (of: (sums: Sums) => bigint) => mine.reduce((sum, one) => sum + of(one), 0n)
    checks.push({
      book,
      account: 'received',
      ledger: net((one) => one.settled + one.claims + one.other),
      chain: flow.received,
    })
    if (book.floats.size > 0)
      checks.push({
        book,
        account: 'settler',
        ledger: net((one) => one.funded - one.payouts),
        chain: flow.float,
      })
  }
  const rows = [...groups.values()].toSorted((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0))
  const totals = books.map((book) => ({
    group: 'total',
    book,
    sums: total(rows.filter((one) => one.book === book)),
  }))
  const agrees = checks.every((check) => check.ledger === check.chain)
  return { span: { from, to }, rows, totals, checks, agrees }
}

type RowOf = (book: Book, group: string) => Sums

const addCalls = async (
  { ledger, by, from, to }: StatementFacts,
  books: readonly Book[],
  row: RowOf,
): Promise<void> => {
  for (let after: string | undefined; ; ) {
    const page = await ledger.calls(after, CALLS)
    if (page.length === 0) return
    for (const call of page) {
      const book = books.find(({ asset }) => asset.chain === call.chain && asset.address === call.token)
      const time = call.at / 1000
      if (!book || (from !== undefined && time < from) || (to !== undefined && time >= to)) continue
      addCall(row(book, by === 'day' ? dayOf(time) : by === 'payer' ? call.payer : book.asset.symbol), call)
    }
    after = page.at(-1)!.id
  }
}

const addCall = (sums: Sums, call: Call): void => {
  const bill = billOf(call)
  const [charged, refunded] = [bill?.charged ?? 0n, bill?.refunded ?? 0n]
  sums.calls += 1n
  sums.signed += call.signed
  sums.charged += charged
  sums.refunded += refunded
  if (call.settlement.at === 'settled') sums.credited += creditedBy(call) - refunded
  if (call.settlement.at === 'lost' && !isServing(call)) sums.lost += fromSigned(call, charged) - refunded
}

const addTransfers = async (facts: StatementFacts, book: Book, span: Span, row: RowOf): Promise<void> => {
  const { ledger, chain, by } = facts
  const transfers: BookedTransfer[] = []
  await eachRow(ledger, assetKey(book.asset), span, (one) => void transfers.push(one))
  const blocks = by === 'day' ? [...new Set(transfers.map((one) => one.block))] : []
  const times = new Map((await chain.history.times(blocks)).map((time, i) => [blocks[i]!, time]))
  for (const one of transfers) {
    const group =
      by === 'day' ? dayOf(times.get(one.block)!) : by === 'payer' ? payerOf(one) : book.asset.symbol
    addTransfer(row(book, group), book, one)
  }
}

const payerOf = ({ what, payer, payTo }: BookedTransfer): string => {
  if (what === 'payment' || what === 'deposit' || what === 'inflow') return payer
  return what === 'refund' || what === 'withdrawal' || what === 'payout' ? payTo : NOBODY
}

const addTransfer = (
  sums: Sums,
  { ours, floats }: Book,
  { what, payer, payTo, amount, gas }: BookedTransfer,
): void => {
  sums.gas += gas
  if (what === 'deposit') sums.deposits += amount
  else if (what === 'refund' || what === 'withdrawal') sums.returned += amount
  else if (what === 'payment') sums.settled += amount
  else if (what === 'claim') sums.claims += amount
  else if (what === 'payout') sums.payouts += amount
  else {
    sums.other += (ours.has(payTo) ? amount : 0n) - (ours.has(payer) ? amount : 0n)
    sums.funded += (floats.has(payTo) ? amount : 0n) - (floats.has(payer) ? amount : 0n)
  }
}

const COLUMNS = Object.keys({
  calls: 0,
  signed: 0,
  charged: 0,
  credited: 0,
  refunded: 0,
  lost: 0,
  settled: 0,
  deposits: 0,
  returned: 0,
  claims: 0,
  other: 0,
  payouts: 0,
  funded: 0,
  gas: 0,
} satisfies Record<keyof Sums, 0>) as (keyof Sums)[]

const nothing = (): Sums => Object.fromEntries(COLUMNS.map((name) => [name, 0n])) as Sums

const total = (rows: readonly StatementRow[]): Sums => {
  const sum = nothing()
  for (const { sums } of rows) for (const name of COLUMNS) sum[name] += sums[name]
  return sum
}

/** The UTC day of a unix second. */
const dayOf = (time: number): string => new Date(Math.floor(time) * 1000).toISOString().slice(0, 10)

/** Units as an exact decimal: "-1.050000" of -1050000 and six decimals. */
export const decimalOf = (units: bigint, decimals: number): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const sign = units < 0n ? '-' : ''
  return decimals === 0 ? `${sign}${digits}` : `${sign}${whole}.${digits.slice(-decimals)}`
}
