import type { ChainId } from '../assets.ts'
import { type Spent, spentIn } from '../chain/spent.ts'
import { type Clock, seconds } from '../clock.ts'
import type { Errand } from '../ledger/errand.ts'
import { claimKey } from '../payment/check.ts'
import { type Book, openBooks, type Span, type Till, type View } from './compare.ts'
import { type Stranger, strangers } from './gas.ts'
import { oldestBlock, pages, type ReconcileFacts, type Report, reconcile } from './reconcile.ts'
import { bookPage } from './worker.ts'

/** What a repair did; it can be printed as JSON. */
export type Repair = {
  chain: ChainId
  from: string
  to: string
  /** Transfers, channels and gas that are booked now and were not before. */
  booked: number
  /** Authorizations that were used by transactions of a lost ledger, and can no longer be used here. */
  burnt: number
  /** Quotes of an older epoch than this are refused from the next start on. */
  epoch: number
  report: Report
}

export type RepairFacts = ReconcileFacts & { clock: Clock; tills: readonly Till[] }

/**
 * Rebuilds from the chain what a ledger has lost, such as one that was restored from a backup: books every transfer,
 * takes over channels, burns every authorization that was used, and raises the epoch, so that no older quote is served.
 * No router may serve from the ledger meanwhile. Harmless to repeat.
 */
export const repair = async (facts: RepairFacts): Promise<Repair> => {
  const { ledger, chain, clock, settler } = facts
  const view: View = { ledger, chain, settler }
  // First of all: whatever fails below, no old quote is honoured any more.
  const epoch = await ledger.raiseEpoch(Math.max(ledger.epoch, seconds(clock.now())) + 1)
  const to = facts.to ?? (await chain.head()).number
  const books = await openBooks(view, facts.tills, to)
  const from = facts.from ?? (await oldestBlock(ledger, books, to))
  let booked = 0
  let used = 0
  for (const span of pages({ from, to })) {
    booked += (await bookPage({ ...view, clock, books, offline: true }, span)).booked
    used += await burn({ ...view, clock, books }, span)
    await ledger.moveCursor(chain.id, span.to)
  }
  const report = await reconcile({ ...facts, from, to })
  return { chain: chain.id, from: from.toString(), to: to.toString(), booked, burnt: used, epoch, report }
}

type BurnFacts = View & { clock: Clock; books: readonly Book[] }

/**
 * Claims the authorizations in transactions that our settler sent and the ledger did not store, also those that moved
 * nothing: whoever they belong to was served, as far as anybody can know.
 */
const burn = async (facts: BurnFacts, span: Span): Promise<number> => {
  const { chain, settler, books } = facts
  if (settler === undefined) return 0
  const { found } = await strangers(facts, settler, span)
  const sent = await chain.history.sent(found.map((one) => one.inclusion.hash))
  let count = 0
  for (const [i, tx] of sent.entries()) {
    for (const spent of tx?.to ? spentIn(chain.id, tx.to, tx.input) : []) {
      const book = books.find((each) => each.asset.address === spent.token && each.ours.has(spent.payTo))
      if (book && (await burnOne({ ...facts, book }, found[i]!, spent))) count++
    }
  }
  return count
}

const burnOne = async (
  { ledger, chain, clock, book }: View & { clock: Clock; book: Book },
  { inclusion }: Stranger,
  { kind, payer, payTo, nonce }: Spent,
): Promise<boolean> => {
  const claim = claimKey(book.asset, { kind, from: payer, nonce })
  if ((await ledger.claimant(claim)) !== undefined) return false
  const { hash, block, blockHash } = inclusion
  const errand: Errand = {
    is: 'errand',
    id: `seen:${claim}`,
    chain: chain.id,
    token: book.asset.address,
    decimals: book.asset.decimals,
    payer,
    from: payer,
    to: payTo,
    claim,
    amount: 0n,
    at: clock.now(),
    validBefore: 0n,
    validAfter: 0n,
    settlement: { at: 'settled', proof: { hash, block, blockHash, logIndex: -1, gas: 0n } },
    task: { kind: 'observed', what: 'inflow' },
  }
  return (await ledger.post({ type: 'order', errand })).ok
}
