import type { Chain, Head } from '../chain/chain.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import type { Call, Tx } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import { createJobs } from './jobs.ts'
import { createOutbox } from './outbox.ts'
import { createWatch } from './watch.ts'

export type Settler = {
  /** Signs the settlement transaction of a call. Nothing is sent: store it in a move, then `submit` what was posted. */
  intend: (call: Call) => Promise<Tx>
  /** Sends a transaction once the move that stores it is posted; when it is not, its nonce is given back and it is never sent. */
  submit: (tx: Tx, posting: Promise<Posted>) => Promise<Posted>
  /** Resolves when the payment of a submitted call is proven or can never be, or `signal` aborts: then as it stands. */
  outcome: (id: string, signal: AbortSignal) => Promise<Call | undefined>
  /** One look at the chain now: what is in blocks, what was taken back, what must be sent again. Also on a timer. */
  tick: () => Promise<void>
  /** The last block seen; the later of its time and ours is "now" for validity. */
  head: () => Head
  /** Jobs whose payment is not proven yet. */
  pending: () => number
  /** Reads what an earlier process left behind and starts the timer. */
  start: () => Promise<void>
  /** Stops the timer and sends what is queued. What is in flight is found again at the next start. */
  stop: () => Promise<void>
}

export type SettlerFacts = {
  ledger: Ledger
  chain: Chain
  account: Account
  clock: Clock
  log: Log
  /** Blocks from the inclusion on, that one included, before a payment counts as settled. */
  confirmations: number
  pollMs: number
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
  /** Named crash points, for the crash matrix; does nothing in a normal process. */
  probe: (point: string) => void
}

/**
 * Moves the money of one chain with one key. Jobs are the payments not proven yet; the outbox brings their transactions
 * into blocks; the watch tells the ledger what the blocks did with them.
 */
export const createSettler = (facts: SettlerFacts): Settler => {
  const { ledger, chain, account, log } = facts
  let head: Head = { number: 0n, hash: '0x', timestamp: 0, baseFee: 0n, tip: 0n }
  let ticking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  const jobs = createJobs()
  const outbox = createOutbox({ ...facts, jobs, head: () => head })
  const watch = createWatch({ ...facts, jobs, outbox })

  const look = async (): Promise<void> => {
    // Asked before the head: what has passed this nonce is then in no later block than the head.
    const early = jobs.size() > 0 ? await chain.nonce(account.address) : undefined
    head = await chain.head()
    await watch.takeBack(head)
    if (jobs.size() === 0) return
    const mined = early ?? (await chain.nonce(account.address))
    await watch.advance(head, mined)
    await outbox.push(mined)
  }

  const tick = (): Promise<void> => {
    ticking ??= look()
      .catch((error) => log.warn('settler_tick_failed', { chain: chain.id, why: reasonOf(error) }))
      .finally(() => {
        ticking = undefined
      })
    return ticking
  }

  const schedule = () => {
    timer = setTimeout(() => void tick().then(() => timer && schedule()), facts.pollMs)
  }

  return {
    intend: outbox.intend,
    submit: outbox.submit,
    outcome: async (id, signal) => {
      await jobs.ended(id, signal)
      return ledger.call(id)
    },
    tick,
    head: () => head,
    pending: jobs.size,
    start: async () => {
      head = await chain.head()
      await outbox.resume()
      await watch.resume(head)
      await tick()
      schedule()
    },
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      await ticking
      await outbox.idle()
    },
  }
}
