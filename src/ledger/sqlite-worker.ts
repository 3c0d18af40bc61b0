/** The thread that owns the ledger file, so that no fsync ever blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Ledger, Posted } from './ledger.ts'
import type { Move } from './moves.ts'
import { openBooks, type QueryName } from './sqlite-books.ts'

export type Ask =
  | { kind: 'post'; moves: Move[] }
  | { kind: 'query'; n: number; name: QueryName; args: Parameters<Ledger[QueryName]> }
  | { kind: 'close' }
export type Reply =
  | { kind: 'open'; epoch: number }
  | { kind: 'posted'; posted: Posted<never>[] }
  | { kind: 'failed'; why: string }
  | { kind: 'answer'; n: number; value?: unknown; why?: string }
  | { kind: 'closed' }

// Not the one in log.ts: this thread needs no logger, and starts faster without.
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const port = parentPort!
const say = (reply: Reply) => port.postMessage(reply)

try {
  const books = openBooks((workerData as { path: string }).path, Date.now)
  port.on('message', (ask: Ask) => {
    if (ask.kind === 'post') {
      try {
        say({ kind: 'posted', posted: books.post(ask.moves) })
      } catch (error) {
        say({ kind: 'failed', why: reasonOf(error) })
      }
    } else if (ask.kind === 'query') {
      try {
        say({ kind: 'answer', n: ask.n, value: books.query(ask.name, ask.args) })
      } catch (error) {
        say({ kind: 'answer', n: ask.n, why: reasonOf(error) })
      }
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
