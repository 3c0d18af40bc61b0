import type { Hex } from '../assets.ts'
import type { Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'

/** A call or errand whose money is to move and is not proven to have moved. Never changed in place: see `Jobs.change`. */
export type Job = Readonly<{
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
  /** Somebody else's facilitator is asked to settle it. */
  relayed?: Relayed | undefined
}>

/** How far the asking is; times in ms. `hash`: a transaction that the facilitator named. `refused`: why it will not. */
export type Relayed = {
  since: number
  next: number
  tries: number
  busy: boolean
  hash?: Hex
  refused?: string
}

/** A stored transaction on its way into a block; `sentAt` in ms, 0 when it must be sent again at once. `refused`: what a node said of it. */
export type Shipment = { tx: Tx; sentAt: number; refused?: string }

export type Jobs = {
  all: () => Job[]
  size: () => number
  /** Those that need a transaction. */
  waiting: () => Job[]
  /** How many need a transaction. */
  waits: () => number
  /** Adds a job, or replaces the one of the same item. */
  put: (job: Job) => void
  /** Changes a job as it stands now, whatever became of it since it was read; one that has ended stays so. */
  change: (id: string, by: Partial<Job>) => void
  get: (id: string) => Job | undefined
  /** The payment is proven or can never be: its job ends, and those who wait for it go on. */
  end: (id: string) => void
  /** Resolves when there is no job of this item, at once when there is none now, or when `signal` aborts. */
  ended: (id: string, signal: AbortSignal) => Promise<void>
}

/** What is not proven yet, and who waits for it. */
export const createJobs = (): Jobs => {
  const open = new Map<string, Job>()
  // With a long backlog, looking through all of them for those that wait would cost more than the payments.
  const idle = new Set<string>()
  const listeners = new Map<string, Set<() => void>>()

  const put = (job: Job): void => {
    open.set(job.item.id, job)
    if (job.waiting) idle.add(job.item.id)
    else idle.delete(job.item.id)
  }

  return {
    all: () => [...open.values()],
    size: () => open.size,
    waiting: () => [...idle].map((id) => open.get(id)!),
    waits: () => idle.size,
    put,
    change: (id, by) => {
      const job = open.get(id)
      if (job) put({ ...job, ...by })
    },
    get: (id) => open.get(id),
    end: (id) => {
      open.delete(id)
      idle.delete(id)
      for (const done of listeners.get(id) ?? []) done()
      listeners.delete(id)
    },
    ended: (id, signal) => {
      if (!open.has(id) || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const set = listeners.get(id) ?? new Set()
        const done = () => {
          signal.removeEventListener('abort', done)
          set.delete(done)
          resolve()
        }
        listeners.set(id, set.add(done))
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

/** The job of an item that may be on its way already, by these transactions of ours. */
export const jobOf = (item: Payable, txs: readonly Tx[], now: number): Job => ({
  ...dueJob(item, now),
  txs,
  waiting:
    item.settlement.at !== 'included' && isMade(item) && (item.settlement.at === 'due' || txs.length === 0),
})

/** A transaction of ours can bring it about: it was not only seen. */
export const isMade = (item: Payable): boolean => {
  if (item.is === 'call') return item.kind !== 'voucher'
  const { task } = item
  if (task.kind === 'deposit') return task.by.kind !== 'seen'
  return task.kind !== 'observed' && task.kind !== 'withdrawal' && task.kind !== 'sponsor'
}
