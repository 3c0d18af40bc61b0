import { Worker } from 'node:worker_threads'
import { fail } from '../errors.ts'
import { encode } from './codec.ts'
import type { Ledger, Posted } from './ledger.ts'
import type { Move } from './moves.ts'
import type { QueryName } from './sqlite-books.ts'
import { hear, type Told } from './sqlite-wire.ts'
import type { Answer, Ask, Query, Reply } from './sqlite-worker.ts'

type Waiting = { move: Move; resolve: (posted: Posted<never>) => void; reject: (error: unknown) => void }
type Asking = { query: Query; resolve: (value: never) => void; reject: (error: unknown) => void }

/**
 * A ledger in one file, written by a thread of its own. Moves that arrive while the thread is busy go down together in
 * the next transaction, so that concurrency shares one fsync. Rejects when the file cannot be opened.
 */
export const sqliteLedger = async (path: string): Promise<Ledger> => {
  const worker = new Worker(workerFile(), { workerData: { path } })
  let queue: Waiting[] = []
  let asked: Asking[] = []
  let flying: { moves: Waiting[]; queries: Asking[] } | undefined
  let scheduled = false
  let broken = false
  const ask = (message: Ask) => worker.postMessage(message)

  const flush = () => {
    scheduled = false
    if (flying || queue.length + asked.length === 0) return
    flying = { moves: queue, queries: asked }
    queue = []
    asked = []
    const moves = flying.moves.map((one) => encode(one.move))
    ask({ kind: 'work', moves, queries: flying.queries.map((one) => one.query) })
  }
  const schedule = () => {
    if (scheduled || flying) return
    scheduled = true
    setImmediate(flush)
  }
  const refuseAll = () => {
    const waiting = [...(flying?.moves ?? []), ...queue, ...(flying?.queries ?? []), ...asked]
    for (const one of waiting) one.reject(fail('ledger_unavailable'))
    flying = undefined
    queue = []
    asked = []
  }
  const onReply = (reply: Reply) => {
    const { moves = [], queries = [] } = flying ?? {}
    if (reply.kind === 'answered') {
      flying = moves.length > 0 ? { moves, queries: [] } : undefined
      if (!flying) flush()
      for (const [i, one] of queries.entries()) inform(one, reply.answers[i]!)
    } else if (reply.kind === 'posted') {
      flying = undefined
      flush()
      for (const [i, one] of moves.entries()) settle(one, reply.posted, i)
    }
  }

  let epoch = await opened(worker)
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const end = () => {
    broken = true
    refuseAll()
  }
  worker.on('message', onReply)
  worker.on('error', end)
  worker.on('exit', end)

  const query =
    <K extends QueryName>(name: K) =>
    (...args: Parameters<Ledger[K]>): ReturnType<Ledger[K]> =>
      new Promise((resolve, reject) => {
        if (broken) return reject(fail('ledger_unavailable'))
        asked.push({ query: { name, args: args as never }, resolve: resolve as Asking['resolve'], reject })
        schedule()
      }) as ReturnType<Ledger[K]>

  return {
    post: (move) =>
      new Promise((resolve, reject) => {
        if (broken) return reject(fail('ledger_unavailable'))
        queue.push({ move, resolve: resolve as Waiting['resolve'], reject })
        schedule()
      }),
    call: query('call'),
    errand: query('errand'),
    channel: query('channel'),
    claimant: query('claimant'),
    callByClaim: query('callByClaim'),
    callByKey: query('callByKey'),
    open: query('open'),
    openErrands: query('openErrands'),
    openChannels: query('openChannels'),
    transactions: query('transactions'),
    lastNonce: query('lastNonce'),
    balance: query('balance'),
    balances: query('balances'),
    counter: query('counter'),
    counters: query('counters'),
    countersOf: query('countersOf'),
    transfers: query('transfers'),
    calls: query('calls'),
    recent: query('recent'),
    subjects: query('subjects'),
    bookedBlocks: query('bookedBlocks'),
    sent: query('sent'),
    cursor: query('cursor'),
    moveCursor: query('moveCursor'),
    journal: query('journal'),
    lines: query('lines'),
    get epoch() {
      return epoch
    },
    raiseEpoch: async (to) => {
      epoch = await query('raiseEpoch')(to)
      return epoch
    },
    close: async () => {
      if (broken) return
      while (flying || queue.length + asked.length > 0) await new Promise(setImmediate)
      broken = true
      const closed = new Promise<void>((resolve) => {
        worker.on('message', (reply: Reply) => reply.kind === 'closed' && resolve())
      })
      ask({ kind: 'close' })
      // A thread that died says nothing.
      await Promise.race([closed, gone])
    },
  }
}

/** Nothing of a failed transaction was kept; the next one may work again (a full disk that was emptied). */
const settle = ({ move, resolve, reject }: Waiting, posted: Told[] | string, i: number): void => {
  if (typeof posted === 'string') reject(fail('ledger_unavailable', { why: posted }))
  else resolve(hear(move, posted[i]!) as Posted<never>)
}

const inform = ({ resolve, reject }: Asking, { value, why }: Answer): void => {
  if (why === undefined) resolve(value as never)
  else reject(fail('ledger_unavailable', { why }))
}

const opened = (worker: Worker): Promise<number> =>
  new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (reply: Reply) => {
      worker.removeAllListeners('error')
      if (reply.kind === 'open') resolve(reply.epoch)
      else reject(new Error(reply.kind === 'failed' ? reply.why : 'the ledger thread did not open'))
    })
  })

// Built, the worker is a .js file beside this one; in the repo it is the .ts file itself.
const workerFile = (): URL =>
  new URL(`./sqlite-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
