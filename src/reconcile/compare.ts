import { type Asset, assetKey, type Hex } from '../assets.ts'
import type { Chain, TransferLog } from '../chain/chain.ts'
import { spentIn } from '../chain/spent.ts'
import { isSettling } from '../ledger/call.ts'
import type { BookedTransfer, Ledger } from '../ledger/ledger.ts'
import { claimKey } from '../payment/check.ts'
import type { Till as Payable } from '../quote/offers.ts'
import { type Finding, isTransfer, match, type Use, unexplained } from './match.ts'

/** An asset that was paid with, and the address that its money went to. */
export type Till = Pick<Payable, 'asset' | 'payTo'>

/** Both sides of a comparison. Without `settler`, only what is paid to us is looked at. */
export type View = { ledger: Ledger; chain: Chain; settler?: Hex | undefined }

/** One token with every address of ours that it was paid to or paid out from. */
export type Book = { asset: Asset; ours: ReadonlySet<Hex>; floats: ReadonlySet<Hex> }

export type Span = { from: bigint; to: bigint }

/** Net units of one account: what the ledger booked in a range, the part of it that agrees, and what the chain shows. */
export type Flow = { booked: bigint; matched: bigint; chain: bigint }

export type Page = { findings: Finding[]; received: Flow; float: Flow }

/** Blocks of the ledger's rows that are read at once. */
const ROWS_OF = 50_000n

/** Hands over all booked transfers of an asset in a range, to the newest where it has no end; reads some at a time. */
export const eachRow = async (
  ledger: Ledger,
  asset: string,
  { from, to }: { from: bigint; to?: bigint | undefined },
  use: (row: BookedTransfer) => void,
): Promise<void> => {
  const booked = await ledger.bookedBlocks(asset)
  if (booked === undefined) return
  const last = to !== undefined && to < booked.last ? to : booked.last
  for (let start = booked.first > from ? booked.first : from; start <= last; start += ROWS_OF) {
    const end = start + ROWS_OF - 1n < last ? start + ROWS_OF - 1n : last
    for (const row of await ledger.transfers(asset, start, end)) use(row)
  }
}

/**
 * The tokens of a chain with our addresses. An address that was paid to once is ours, also when the configuration has
 * another one by now; the same goes for a settler's.
 */
export const openBooks = async (view: View, tills: readonly Till[], to: bigint): Promise<Book[]> => {
  const { ledger, chain, settler } = view
  const books = new Map<string, { asset: Asset; ours: Set<Hex>; floats: Set<Hex> }>()
  for (const { asset, payTo } of tills) {
    if (asset.chain !== chain.id) continue
    const book = books.get(assetKey(asset)) ?? { asset, ours: new Set(), floats: new Set() }
    books.set(assetKey(asset), book)
    book.ours.add(payTo)
  }
  for (const [key, { ours, floats }] of books) {
    await eachRow(ledger, key, { from: 0n, to }, ({ what, payer, payTo }) => {
      if (what === 'payment' || what === 'claim' || what === 'inflow' || what === 'sweep') ours.add(payTo)
      else if (what === 'outflow') ours.add(payer)
      else if (what === 'payout' || what === 'defunding') floats.add(payer)
    })
    if (settler && !ours.has(settler)) floats.add(settler)
    // Without the settler's address, the other half of what it did cannot be told from a payment.
    if (!settler) floats.clear()
  }
  return [...books.values()]
}

/** Compares one token in a range of blocks that the chain has: what the ledger holds is read first. */
export const comparePage = async (view: View, book: Book, { from, to }: Span): Promise<Page> => {
  const { ledger, chain } = view
  const { asset, ours, floats } = book
  const key = assetKey(asset)
  // What was stored before a block came is either on its way now, or among the rows that are read next.
  const flying = await flights(view)
  const rows = (await ledger.transfers(key, from, to)).filter((row) => isTransfer(row) && concerns(book, row))
  const logs = await transfersOf(chain, asset.address, [...ours, ...floats], { from, to })
  const uses = await usesOf(view, asset, unexplained({ ours, floats, rows, logs }))
  const judged = match({ asset: key, ours, floats, rows, logs, uses, flying })
  return {
    findings: await withReorgs(chain, rows, judged),
    received: flowOf(ours, rows, logs, judged),
    float: flowOf(floats, rows, logs, judged),
  }
}

const concerns = ({ ours, floats }: Book, { payer, payTo }: BookedTransfer): boolean =>
  [payer, payTo].some((one) => ours.has(one) || floats.has(one))

/** Transactions of what is not proven yet, and what they are for. */
export const flights = async ({ ledger, chain }: View): Promise<Map<Hex, string>> => {
  const found = new Map<Hex, string>()
  for (const item of [...(await ledger.open()), ...(await ledger.openErrands())]) {
    if (item.chain !== chain.id || !isSettling(item)) continue
    const { settlement, id } = item
    if (settlement.at === 'settling') found.set(settlement.hash, id)
    if (settlement.at === 'included') found.set(settlement.proof.hash, id)
    if (item.is === 'errand') for (const tx of await ledger.transactions(id)) found.set(tx.hash, id)
  }
  return found
}

const transfersOf = async (
  chain: Chain,
  token: Hex,
  accounts: readonly Hex[],
  { from, to }: Span,
): Promise<TransferLog[]> => {
  const logs = new Map<string, TransferLog>()
  for (const account of accounts) {
    const found = await chain.transfers(token, account, from, to)
    for (const log of found) logs.set(`${log.hash} ${log.logIndex}`, log)
  }
  return [...logs.values()]
}

/** The authorizations that transactions used: those the token logged, and those of Permit2, which logs none, by what was sent. */
const usesOf = async (
  { ledger, chain, settler }: View,
  token: Asset,
  logs: readonly TransferLog[],
): Promise<Use[]> => {
  const hashes = [...new Set(logs.map((log) => log.hash))]
  const sent = new Map((await chain.history.sent(hashes)).map((tx, i) => [hashes[i]!, tx]))
  const isOurs = (hash: Hex) => settler !== undefined && sent.get(hash)?.from === settler
  const found: Omit<Use, 'call'>[] = []
  // Only the blocks of transfers that need it: on a large chain, every use of an authorization would be millions.
  for (const block of new Set(logs.map((log) => log.block))) {
    for (const { hash, payer, nonce } of await chain.usesIn(token.address, block, block)) {
      const claim = claimKey(token, { kind: 'eip3009', from: payer, nonce })
      if (sent.has(hash)) found.push({ hash, payer, payTo: undefined, claim, ours: isOurs(hash) })
    }
  }
  for (const [hash, tx] of sent) {
    for (const spent of tx?.to ? spentIn(chain.id, tx.to, tx.input) : []) {
      if (spent.kind === 'eip3009' || spent.token !== token.address) continue
      const { payer, payTo } = spent
      found.push({
        hash,
        payer,
        payTo,
        claim: claimKey(token, { ...spent, from: payer }),
        ours: isOurs(hash),
      })
    }
  }
  return Promise.all(found.map(async (use) => ({ ...use, call: await ledger.callByClaim(use.claim) })))
}

/** Of what is not on the chain, what a reorganisation took away: its block is no longer what it was. */
const withReorgs = async (
  chain: Chain,
  rows: readonly BookedTransfer[],
  findings: Finding[],
): Promise<Finding[]> => {
  const missing = findings.filter((one) => one.kind === 'missing_on_chain')
  if (missing.length === 0) return findings
  const blocks = [...new Set(missing.map((one) => BigInt(one.block)))]
  const hashes = await chain.blockHashes(blocks)
  const proofs = new Map(rows.map((row) => [`${row.call} ${row.hash}`, row.blockHash]))
  return findings.map((one) => {
    const canonical = hashes[blocks.indexOf(BigInt(one.block))]
    const gone = one.kind === 'missing_on_chain' && proofs.get(`${one.call} ${one.hash}`) !== canonical
    return gone ? { ...one, kind: 'reorged' } : one
  })
}

const AGREED = new Set(['matched', 'suspense', 'late'])

const flowOf = (
  accounts: ReadonlySet<Hex>,
  rows: readonly BookedTransfer[],
  logs: readonly TransferLog[],
  findings: readonly Finding[],
): Flow => {
  const net = (from: Hex, to: Hex, amount: bigint) =>
    (accounts.has(to) ? amount : 0n) - (accounts.has(from) ? amount : 0n)
  const matched = findings.filter((one) => AGREED.has(one.kind))
  return {
    booked: sum(rows.map((row) => net(row.payer, row.payTo, row.amount))),
    matched: sum(matched.map((one) => net(one.from, one.to, BigInt(one.chain ?? 0)))),
    chain: sum(logs.map((log) => net(log.from, log.to, log.amount))),
  }
}

/** What all rows of an asset make of the accounts of ours, up to a block. */
export const bookedFlow = async (
  ledger: Ledger,
  { asset, ours, floats }: Book,
  span: { from: bigint; to?: bigint | undefined },
): Promise<{ received: bigint; float: bigint }> => {
  const flow = { received: 0n, float: 0n }
  await eachRow(ledger, assetKey(asset), span, (row) => {
    if (!isTransfer(row)) return
    if (ours.has(row.payTo)) flow.received += row.amount
    if (ours.has(row.payer)) flow.received -= row.amount
    if (floats.has(row.payTo)) flow.float += row.amount
    if (floats.has(row.payer)) flow.float -= row.amount
  })
  return flow
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, one) => total + one, 0n)
