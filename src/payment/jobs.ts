import type { Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'

/** A call or errand whose money is to move and is not proven to have moved. */
export type Job = {
  item: Payable
  /** All transactions that were ever stored for it, oldest first. */
  txs: readonly Tx[]
  /** It needs a transaction: none was made yet, or the last one did not do it. */
  waiting: boolean
  /** Since when it waits, ms. */
  since: number
  /** It gets a transaction of its own: in a batch it failed. */
  alone: boolean
  /** Since when the chain is past the nonce of its last transaction, ms. */
  passedAt?: number
}

/** A stored transaction on its way into a block; `sentAt` in ms, 0 when it must be sent again at once. */
export type Shipment = { tx: Tx; sentAt: number }

export type Jobs = {
  all: () => Job[]
  size: () => number
  /** Adds a job, or replaces the one of the same item. */
  put: (job: Job) => void
  get: (id: string) => Job | undefined
  /** The payment is proven or can never be: its job ends, and those who wait for it go on. */
  end: (id: string) => void
  /** Resolves when there is no job of this item, at once when there is none now, or when `signal` aborts. */
  ended: (id: string, signal: AbortSignal) => Promise<void>
}

/** What is not proven yet, and who waits for it. */
export const createJobs = (): Jobs => {
  const open = new Map<string, Job>()
  const waiting = new Map<string, Set<() => void>>()

  return {
    all: () => [...open.values()],
    size: () => open.size,
    put: (job) => void open.set(job.item.id, job),
    get: (id) => open.get(id),
    end: (id) => {
      open.delete(id)
      for (const done of waiting.get(id) ?? []) done()
      waiting.delete(id)
    },
    ended: (id, signal) => {
      if (!open.has(id) || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const set = waiting.get(id) ?? new Set()
        const done = () => {
          signal.removeEventListener('abort', done)
          set.delete(done)
          resolve()
        }
        waiting.set(id, set.add(done))
        signal.addEventListener('abort', done, { once: true })
      })
    },
  }
}

/** A job that waits for its first transaction. */
export const dueJob = (item: Payable, now: number): Job => ({
  item,
  txs: [],
  waiting: true,
  since: now,
  alone: false,
})
