import { type Asset, assetKey, type ChainId, type Hex } from '../assets.ts'
import type { Chain, TransferLog } from '../chain/chain.ts'
import type { BookedTransfer, Ledger } from '../ledger/ledger.ts'
import { ACCOUNT } from '../ledger/moves.ts'
import { claimKey } from '../payment/check.ts'
import type { Till as Payable } from '../quote/offers.ts'
import { type Finding, KINDS, type Kind, match, type Use, unexplained } from './match.ts'

/** An asset that was paid with, and the address that its money went to. */
export type Till = Pick<Payable, 'asset' | 'payTo'>

export type ReconcileFacts = {
  ledger: Ledger
  chain: Chain
  tills: readonly Till[]
  /** First and last block that are compared; from the first block to the head where left out. */
  from?: bigint
  to?: bigint
}

/** Units of one asset, as strings. */
export type Total = {
  asset: string
  symbol: string
  decimals: number
  /** Received, as the ledger's account of our money on the chain stands: always of all blocks. */
  ledger: string
  /** Received, as the sum of the ledger's transfers in the range. */
  booked: string
  /** The part of it that the chain shows too. */
  matched: string
  /** What the balance of our addresses changed by in the range. */
  chain: string
}

/** A report that can be printed as JSON. `whole`: every block was compared, so the account must equal its transfers. */
export type Report = {
  chain: ChainId
  from: string
  to: string
  whole: boolean
  agrees: boolean
  counts: Record<Kind, number>
  totals: Total[]
  findings: Finding[]
}

const EVERY_BLOCK = BigInt(Number.MAX_SAFE_INTEGER)
const LOOKS = 5

/**
 * Compares every transfer to and from us on one chain with the ledger, row by row. Reads only; the router may run
 * meanwhile. Throws `chain_unavailable` when the chain cannot be read.
 */
export const reconcile = async (facts: ReconcileFacts): Promise<Report> => {
  const { ledger, chain, from = 0n } = facts
  const tills = new Map<string, Till[]>()
  for (const till of facts.tills) {
    if (till.asset.chain !== chain.id) continue
    tills.set(assetKey(till.asset), [...(tills.get(assetKey(till.asset)) ?? []), till])
  }
  // The books first: whatever they hold was on the chain before we look there.
  const whole = from === 0n && facts.to === undefined
  const books = await Promise.all(
    [...tills.keys()].map((asset) => readBooks(ledger, asset, from, facts.to ?? EVERY_BLOCK)),
  )
  const to = facts.to ?? (await chain.head()).number
  const parts: Part[] = []
  for (const [i, [asset, group]] of [...tills].entries()) {
    parts.push(await compare({ ledger, chain, asset, tills: group, books: books[i]!, from, to }))
  }
  const findings = parts.flatMap((part) => part.findings)
  const totals = parts.map((part) => part.total)
  const sound = !whole || totals.every((total) => total.ledger === total.booked)
  return {
    chain: chain.id,
    from: from.toString(),
    to: to.toString(),
    whole,
    agrees: sound && findings.every((finding) => KINDS[finding.kind].agrees),
    counts: count(findings),
    totals,
    findings,
  }
}

type Books = { rows: BookedTransfer[]; received: bigint }
type Part = { findings: Finding[]; total: Total }

/** The rows and the account that they add up to, as they stand together: looked at again when they moved in between. */
const readBooks = async (ledger: Ledger, asset: string, from: bigint, to: bigint): Promise<Books> => {
  for (let look = 1; ; look++) {
    const before = await ledger.balance(asset, ACCOUNT.chain)
    const rows = await ledger.transfers(asset, from, to)
    const received = -(await ledger.balance(asset, ACCOUNT.chain))
    if (received === -before || look === LOOKS) return { rows, received }
  }
}

const compare = async (facts: {
  ledger: Ledger
  chain: Chain
  asset: string
  tills: readonly Till[]
  books: Books
  from: bigint
  to: bigint
}): Promise<Part> => {
  const { ledger, chain, asset, tills, books, from, to } = facts
  const token = tills[0]!.asset
  // An address that was paid to once is ours, also when the configuration has another one by now.
  const ours = new Set([...tills.map((till) => till.payTo), ...books.rows.map((row) => row.payTo)])
  const logs = await transfersOf(chain, token.address, ours, from, to)
  const rows = books.rows.filter((row) => row.block <= to)
  const uses = await usesOf(ledger, chain, token, unexplained({ ours, rows, logs }))
  const findings = match({ asset, ours, rows, logs, uses })
  const matched = findings.filter((finding) => finding.kind === 'matched')
  return {
    findings,
    total: {
      asset,
      symbol: token.symbol,
      decimals: token.decimals,
      ledger: books.received.toString(),
      booked: sum(books.rows.map((row) => row.amount)).toString(),
      matched: sum(matched.map((finding) => BigInt(finding.chain!))).toString(),
      chain: sum(logs.map((log) => change(log, ours))).toString(),
    },
  }
}

const transfersOf = async (
  chain: Chain,
  token: Hex,
  ours: ReadonlySet<Hex>,
  from: bigint,
  to: bigint,
): Promise<TransferLog[]> => {
  const logs = new Map<string, TransferLog>()
  for (const account of ours) {
    const found = await chain.transfers(token, account, from, to)
    for (const log of found) logs.set(`${log.hash} ${log.logIndex}`, log)
  }
  return [...logs.values()]
}

// Only the blocks of transfers that need it: on a large chain, every use of an authorization would be millions.
const usesOf = async (
  ledger: Ledger,
  chain: Chain,
  token: Asset,
  logs: readonly TransferLog[],
): Promise<Use[]> => {
  const hashes = new Set(logs.map((log) => log.hash))
  const uses: Use[] = []
  for (const block of new Set(logs.map((log) => log.block))) {
    for (const { hash, payer, nonce } of await chain.usesIn(token.address, block, block)) {
      const call = hashes.has(hash) ? await ledger.callByClaim(claimKey(token, { kind: 'eip3009', from: payer, nonce })) : undefined
      if (call) uses.push({ hash, call })
    }
  }
  return uses
}

const change = ({ from, to, amount }: TransferLog, ours: ReadonlySet<Hex>): bigint =>
  (ours.has(to) ? amount : 0n) - (ours.has(from) ? amount : 0n)

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, one) => total + one, 0n)

const count = (findings: readonly Finding[]): Record<Kind, number> => {
  const counts = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0])) as Record<Kind, number>
  for (const { kind } of findings) counts[kind]++
  return counts
}
