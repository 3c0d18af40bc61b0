import { Worker } from 'node:worker_threads'
import { fail } from '../errors.ts'
import type { Ledger, Posted } from './ledger.ts'
import type { Move } from './moves.ts'
import type { QueryName } from './sqlite-books.ts'
import type { Ask, Reply } from './sqlite-worker.ts'

type Waiting = { move: Move; resolve: (posted: Posted<never>) => void; reject: (error: unknown) => void }

/**
 * A ledger in one file, written by a thread of its own. Moves that arrive while the thread is busy go down together in
 * the next transaction, so that concurrency shares one fsync. Rejects when the file cannot be opened.
 */
export const sqliteLedger = async (path: string): Promise<Ledger> => {
  const worker = new Worker(workerFile(), { workerData: { path } })
  let queue: Waiting[] = []
  let flying: Waiting[] = []
  let scheduled = false
  let broken = false
  let asked = 0
  const answers = new Map<number, { resolve: (value: never) => void; reject: (error: unknown) => void }>()
  const ask = (message: Ask) => worker.postMessage(message)

  const flush = () => {
    scheduled = false
    if (flying.length > 0 || queue.length === 0) return
    flying = queue
    queue = []
    ask({ kind: 'post', moves: flying.map((one) => one.move) })
  }
  const schedule = () => {
    if (scheduled || flying.length > 0) return
    scheduled = true
    setImmediate(flush)
  }
  const refuseAll = () => {
    for (const one of [...flying, ...queue]) one.reject(fail('ledger_unavailable'))
    for (const one of answers.values()) one.reject(fail('ledger_unavailable'))
    flying = []
    queue = []
    answers.clear()
  }
  const onReply = (reply: Reply) => {
    if (reply.kind === 'posted') {
      const done = flying
      flying = []
      flush()
      for (let i = 0; i < done.length; i++) done[i]!.resolve(reply.posted[i]!)
    } else if (reply.kind === 'answer') {
      const waiting = answers.get(reply.n)
      answers.delete(reply.n)
      if (reply.why === undefined) waiting?.resolve(reply.value as never)
      else waiting?.reject(fail('ledger_unavailable', { why: reply.why }))
    } else if (reply.kind === 'failed') {
      // Nothing of that transaction was kept; the next one may work again (a full disk that was emptied).
      const done = flying
      flying = []
      for (const one of done) one.reject(fail('ledger_unavailable', { why: reply.why }))
      flush()
    }
  }

  let epoch = await opened(worker)
  worker.on('message', onReply)
  worker.on('error', () => {
    broken = true
    refuseAll()
  })

  const query =
    <K extends QueryName>(name: K) =>
    (...args: Parameters<Ledger[K]>): ReturnType<Ledger[K]> =>
      new Promise((resolve, reject) => {
        if (broken) return reject(fail('ledger_unavailable'))
        const n = ++asked
        answers.set(n, { resolve: resolve as (value: never) => void, reject })
        ask({ kind: 'query', n, name, args: args as never })
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
    transfers: query('transfers'),
    calls: query('calls'),
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
      while (flying.length + queue.length > 0) await new Promise(setImmediate)
      broken = true
      await new Promise<void>((resolve) => {
        worker.on('message', (reply: Reply) => reply.kind === 'closed' && resolve())
        ask({ kind: 'close' })
      })
    },
  }
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
