import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import { compareChannels } from './channels.ts'
import { type Book, comparePage, openBooks, type Span, type Till, type View } from './compare.ts'
import { bookGas, strangers } from './gas.ts'
import { type Finding, KINDS } from './match.ts'
import { oldestBlock, PAGE_BLOCKS, pages } from './reconcile.ts'
import { bookChannel, bookFinding, bookIn } from './seen.ts'

export type WorkerFacts = View & {
  tills: readonly Till[]
  clock: Clock
  log: Log
  /** Blocks from the head, its own included, that are left alone until they are deep enough. */
  confirmations: number
  everySeconds: number
  /** Blocks that are compared again each time: a reorganisation may have changed them. */
  overlapBlocks: number
  /** The first block ever compared; from the oldest booked transfer, or from now on, where left out. */
  from?: bigint | undefined
  /** Crash points, for the tests. */
  probe?: (point: string) => void
}

/** What one look did: blocks that it compared, transfers that it booked, and what it leaves to people. */
export type Look = { span: Span | undefined; booked: number; differing: Finding[] }

/** A router that has just started has better things to do. */
const FIRST_AFTER_MS = 5_000

export type ReconcileWorker = {
  /** One look at everything since the last one, the overlap included. Throws when the chain or the ledger cannot be read. */
  look: () => Promise<Look>
  /** Looks again and again until the signal aborts; what goes wrong is logged. Resolves when the last look has ended. */
  run: (signal: AbortSignal) => Promise<void>
}

/**
 * Keeps ledger and chain in agreement while the router runs: books what nobody ordered, and says what it cannot book. A
 * durable cursor says how far it is; a crash between a page and its cursor repeats the page, which changes nothing.
 */
export const createReconciler = (facts: WorkerFacts): ReconcileWorker => {
  const { ledger, chain, clock, log, tills, settler } = facts
  const view: View = { ledger, chain, settler }
  const told = new Set<string>()
  let books: Book[] | undefined

  const start = async (safe: bigint): Promise<bigint> => {
    const cursor = await ledger.cursor(chain.id)
    const overlap = BigInt(facts.overlapBlocks)
    if (cursor !== undefined) return cursor + 1n > overlap ? cursor + 1n - overlap : 0n
    return facts.from ?? oldestBlock(ledger, books!, safe)
  }

  const look = async (): Promise<Look> => {
    const head = (await chain.head()).number
    const safe = head - BigInt(facts.confirmations) + 1n
    if (safe < 0n) return { span: undefined, booked: 0, differing: [] }
    books ??= await openBooks(view, tills, head)
    const from = await start(safe)
    const all: Look = { span: { from, to: safe }, booked: 0, differing: [] }
    for (const span of pages({ from, to: safe }, PAGE_BLOCKS)) {
      const page = await bookPage({ ...view, clock, books }, span)
      all.booked += page.booked
      all.differing.push(...page.differing)
      facts.probe?.('K11')
      await ledger.moveCursor(chain.id, span.to)
    }
    return all
  }

  const tell = ({ booked, differing }: Look): void => {
    if (booked > 0) log.info('reconcile_booked', { chain: chain.id, transfers: booked })
    for (const { kind, hash, logIndex, chain: units, call } of differing) {
      const key = `${kind} ${hash} ${logIndex}`
      // Once each: the overlap shows it again and again.
      if (told.has(key)) continue
      told.add(key)
      log.error('reconcile_differs', { chain: chain.id, kind, hash, units: units ?? '0', call: call ?? '' })
    }
  }

  return {
    look,
    run: async (signal) => {
      await clock.sleep(FIRST_AFTER_MS, signal)
      while (!signal.aborted) {
        try {
          tell(await look())
        } catch (error) {
          log.warn('reconcile_failed', { chain: chain.id, why: reasonOf(error) })
        }
        await clock.sleep(facts.everySeconds * 1000, signal)
      }
    },
  }
}

export type PageFacts = View & { clock: Clock; books: readonly Book[]; offline?: boolean }

/** Compares a range of blocks and books what can be booked; `differing` is what stays open. */
export const bookPage = async (
  facts: PageFacts,
  span: Span,
): Promise<{ booked: number; differing: Finding[] }> => {
  const { books, offline = false, settler } = facts
  const result = { booked: 0, differing: [] as Finding[] }
  const note = (done: boolean, finding: Finding) => {
    if (done) result.booked++
    else if (!KINDS[finding.kind].agrees) result.differing.push(finding)
  }
  if (settler !== undefined && books.length > 0) {
    for (const one of await compareChannels(facts, books, span)) {
      // A channel that the ledger does not know is taken over by its first voucher, or by a repair.
      const known = (await facts.ledger.channel(one.channel)) !== undefined
      if (known || offline) note(await bookChannel({ ...facts, book: bookIn(books, one) }, one), one)
    }
    for (const one of (await strangers(facts, settler, span)).found) {
      if (await bookGas({ ...facts, book: books[0]! }, settler, one)) result.booked++
    }
  }
  for (const book of books) {
    const { findings } = await comparePage(facts, book, span)
    for (const one of findings) note(await bookFinding({ ...facts, book }, one, offline), one)
  }
  return result
}
