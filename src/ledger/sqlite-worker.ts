/** The thread that owns the ledger file, so that no fsync ever blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import { decode } from './codec.ts'
import type { Ledger } from './ledger.ts'
import type { Move } from './moves.ts'
import { openBooks, type QueryName, type SyncBooks } from './sqlite-books.ts'
import { type Told, tell } from './sqlite-wire.ts'

export type Query = { name: QueryName; args: Parameters<Ledger[QueryName]> }
/** First the queries, which wait for no disk; then `moves`, as `encode` writes them, in one transaction. */
export type Ask = { kind: 'work'; moves: string[]; queries: Query[] } | { kind: 'close' }
export type Answer = { value?: unknown; why?: string }
export type Reply =
  | { kind: 'open'; epoch: number }
  /** `posted` is why nothing of the transaction was kept, when it failed. */
  | { kind: 'posted'; posted: Told[] | string }
  | { kind: 'answered'; answers: Answer[] }
  | { kind: 'failed'; why: string }
  | { kind: 'closed' }

// Not the one in log.ts: this thread needs no logger, and starts faster without.
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const post = (books: SyncBooks, texts: string[]): Told[] | string => {
  try {
    const moves = texts.map((text) => decode<Move>(text))
    const posted = books.post(moves, texts)
    return posted.map((one, i) => tell(moves[i]!, one, books.textOf))
  } catch (error) {
    return reasonOf(error)
  }
}

const answer = (books: SyncBooks, { name, args }: Query): Answer => {
  try {
    return { value: books.query(name, args) }
  } catch (error) {
    return { why: reasonOf(error) }
  }
}

const port = parentPort!
const say = (reply: Reply) => port.postMessage(reply)

try {
  const books = openBooks((workerData as { path: string }).path, Date.now)
  port.on('message', (ask: Ask) => {
    if (ask.kind === 'work') {
      if (ask.queries.length > 0)
        say({ kind: 'answered', answers: ask.queries.map((one) => answer(books, one)) })
      if (ask.moves.length > 0) say({ kind: 'posted', posted: post(books, ask.moves) })
    } else {
      books.close()
      say({ kind: 'closed' })
      port.close()
    }
  })
  say({ kind: 'open', epoch: books.epoch })
} catch (error) {
  say({ kind: 'failed', why: reasonOf(error) })
}
