/** The thread that owns a file of records, so that no fsync ever blocks a request. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Range, Row, Written } from './records.ts'
import { type FileWrite, openRecordsFile, type RecordsFile } from './records-file.ts'

/** `now`: ms, by the clock of whoever asks. */
export type Question =
  | { kind: 'many'; now: number; table: string; ids: readonly string[] }
  | { kind: 'list'; now: number; table: string; range: Range }
  | { kind: 'revision'; table: string }
  | { kind: 'write'; now: number; writes: readonly FileWrite[] }
  | { kind: 'close' }
export type Ask = { n: number; question: Question }
export type Answer = (Row<string> | undefined)[] | number | Written | undefined
/** `n` is that of the question, 0 when the file was opened; `why`: it failed. */
export type Reply = { n: number; answer?: Answer; why?: string }

// Not the one in log.ts: this thread needs no logger, and starts faster without.
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const port = parentPort!
const say = (reply: Reply) => port.postMessage(reply)

const trying = (n: number, act: () => Answer): void => {
  try {
    say({ n, answer: act() })
  } catch (error) {
    say({ n, why: reasonOf(error) })
  }
}

type Waiting = { n: number; now: number; writes: readonly FileWrite[] }

const serve = (file: RecordsFile): void => {
  let waiting: Waiting[] = []
  // What arrived while the disk was busy goes down together.
  const commit = () => {
    const all = waiting
    waiting = []
    if (all.length === 0) return
    try {
      const writes = all.map((one) => one.writes)
      const written = file.write(Math.max(...all.map((one) => one.now)), writes)
      for (const [i, { n }] of all.entries()) say({ n, answer: written[i] })
    } catch (error) {
      for (const { n } of all) say({ n, why: reasonOf(error) })
    }
  }
  port.on('message', ({ n, question }: Ask) => {
    if (question.kind === 'write') {
      if (waiting.length === 0) setImmediate(commit)
      waiting.push({ n, now: question.now, writes: question.writes })
    } else if (question.kind === 'close') {
      commit()
      file.close()
      say({ n })
      port.close()
    } else if (question.kind === 'revision') trying(n, () => file.revision(question.table))
    else if (question.kind === 'list')
      trying(n, () => file.list(question.now, question.table, question.range))
    else trying(n, () => file.many(question.now, question.table, question.ids))
  })
}

try {
  serve(openRecordsFile((workerData as { path: string }).path))
  say({ n: 0 })
} catch (error) {
  say({ n: 0, why: reasonOf(error) })
}
