import { Worker } from 'node:worker_threads'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import { checkWrites, type Records, type Row, type Write, type Written } from './records.ts'
import type { FileWrite } from './records-file.ts'
import type { Answer, Ask, Question, Reply } from './records-worker.ts'

type Waiting = { resolve: (answer: Answer) => void; reject: (error: unknown) => void }

/**
 * Records in one file, written by a thread of its own; other processes may read and write the same file meanwhile.
 * Rejects when the file cannot be opened.
 */
export const sqliteRecords = async ({ path, clock }: { path: string; clock: Clock }): Promise<Records> => {
  const worker = new Worker(workerFile(), { workerData: { path } })
  await opened(worker)
  const waiting = new Map<number, Waiting>()
  let last = 0
  let over = false

  const end = () => {
    over = true
    for (const one of waiting.values()) one.reject(fail('ledger_unavailable'))
    waiting.clear()
  }
  worker.on('error', end)
  worker.on('exit', end)
  worker.on('message', ({ n, answer, why }: Reply) => {
    const one = waiting.get(n)
    waiting.delete(n)
    if (why === undefined) one?.resolve(answer)
    // Nothing of it was kept; the next one may work again (a full disk that was emptied).
    else one?.reject(fail('ledger_unavailable', { why }))
  })
  const ask = <A extends Answer>(question: Question): Promise<A> =>
    new Promise((resolve, reject) => {
      if (over) return reject(fail('ledger_unavailable'))
      last++
      waiting.set(last, { resolve: resolve as Waiting['resolve'], reject })
      worker.postMessage({ n: last, question } satisfies Ask)
    })
  const many = async <T>(table: string, ids: readonly string[]): Promise<(Row<T> | undefined)[]> => {
    const rows = await ask<(Row<string> | undefined)[]>({ kind: 'many', now: clock.now(), table, ids })
    return rows.map((row) => row && rowOf<T>(row))
  }

  return {
    get: async (table, id) => (await many<never>(table, [id]))[0],
    many,
    list: async (table, range) => {
      const rows = await ask<Row<string>[]>({ kind: 'list', now: clock.now(), table, range })
      return rows.map((row) => rowOf(row))
    },
    write: async (writes) => {
      checkWrites(writes)
      if (writes.length === 0) return { ok: true }
      return ask<Written>({ kind: 'write', now: clock.now(), writes: writes.map(written) })
    },
    revision: (table) => ask<number>({ kind: 'revision', table }),
    close: async () => {
      if (over) return
      const closed = ask({ kind: 'close' })
      over = true
      // A thread that died has closed it too.
      await closed.catch(() => {})
    },
  }
}

const written = (one: Write): FileWrite => {
  if ('drop' in one) return one
  const { value, ...rest } = one
  return { ...rest, text: JSON.stringify(value) }
}

const rowOf = <T>({ id, value, version }: Row<string>): Row<T> => ({ id, value: JSON.parse(value), version })

const opened = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', ({ why }: Reply) => {
      worker.removeAllListeners('error')
      if (why === undefined) resolve()
      else reject(new Error(`the records cannot be opened: ${why}`))
    })
  })

// Built, the worker is a .js file beside this one; in the repo it is the .ts file itself.
const workerFile = (): URL =>
  new URL(`./records-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
