import type { Call, Tx } from '../ledger/call.ts'

/** A call whose money is being moved: its newest transaction, and all that were ever stored for it. */
export type Job = {
  call: Call
  tx: Tx
  txs: readonly Tx[]
  /** When it was last sent, ms; 0 when it must be sent again at once. */
  sentAt: number
  /** Since when the chain is past its nonce, ms. */
  passedAt?: number
}

export type Jobs = {
  all: () => Job[]
  size: () => number
  /** Adds a job, or replaces the one of the same call. */
  put: (job: Job) => void
  get: (call: string) => Job | undefined
  /** The payment is proven or can never be: its job ends, and those who wait for it go on. */
  end: (call: string) => void
  /** Resolves when there is no job of this call, at once when there is none now, or when `signal` aborts. */
  ended: (call: string, signal: AbortSignal) => Promise<void>
}

/** The calls whose payments are not proven yet, and who waits for them. */
export const createJobs = (): Jobs => {
  const open = new Map<string, Job>()
  const waiting = new Map<string, Set<() => void>>()

  return {
    all: () => [...open.values()],
    size: () => open.size,
    put: (job) => void open.set(job.call.id, job),
    get: (call) => open.get(call),
    end: (call) => {
      open.delete(call)
      for (const done of waiting.get(call) ?? []) done()
      waiting.delete(call)
    },
    ended: (call, signal) => {
      if (!open.has(call) || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const set = waiting.get(call) ?? new Set()
        const done = () => {
          signal.removeEventListener('abort', done)
          set.delete(done)
          resolve()
        }
        waiting.set(call, set.add(done))
        signal.addEventListener('abort', done, { once: true })
      })
    },
  }
}
