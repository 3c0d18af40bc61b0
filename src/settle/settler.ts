/**
 * settle/: money that moves on a chain. What is due becomes a transaction of its own or a part of one (batch.ts decides),
 * is stored before it is sent (outbox.ts), and counts once the logs of a canonical block prove it (prove.ts, proof.ts).
 */

import type { Chain, Head } from '../chain/chain.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Payable } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import { type Log, reasonOf } from '../log.ts'
import { MULTICALL3 } from '../wire/contracts.ts'
import type { Agreement } from './agreement.ts'
import { createAppetite } from './appetite.ts'
import type { BatchPolicy } from './batch.ts'
import { createDelegating } from './delegate.ts'
import { createJobs } from './jobs.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import type { Relay } from './relay.ts'
import { createRelaying } from './relaying.ts'
import { createWatch } from './watch.ts'

export type Settler = {
  /** Moves the money of a call once `post` has stored that it is to be moved: see `Outbox.pay`. */
  pay: Outbox['pay']
  /** Stores something to be done on the chain, and does it. */
  order: Outbox['order']
  /** Takes over an item that somebody else stored: an instance that does not settle. */
  adopt: (item: Payable) => Promise<void>
  /** It is at work on this item. */
  has: (id: string) => boolean
  /** Resolves when a payment is proven or can never be, or `signal` aborts: then as it stands. */
  outcome: (id: string, signal: AbortSignal) => Promise<Payable | undefined>
  /** One look at the chain now: what is in blocks, what was taken back, what must be sent again. Also on a timer. */
  tick: () => Promise<void>
  /** The last block seen; the later of its time and ours is "now" for validity. */
  head: () => Head
  /** For a transaction of the settler itself, which is sent at once. */
  nonces: Outbox['nonces']
  /** Jobs whose payment is not proven yet. */
  pending: () => number
  /** Reads what an earlier process left behind and starts the timer. */
  start: () => Promise<void>
  /** Stops the timer and sends what is queued. What is in flight is found again at the next start. */
  stop: () => Promise<void>
}

/** How often what waits for company is looked at, ms. */
const RIPENING_MS = 50
/** The same when the last look failed, ms. */
const AGAIN_MS = 1_000

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
  batch: BatchPolicy
  /** The settler's account may be delegated to the batch executor (EIP-7702), asked at the start. */
  delegate?: () => boolean
  /** Calls that are being served on this chain now: while there are others, a settlement waits for their company. */
  serving: () => number
  /** Somebody else's facilitator for `exact`; `ownAfterMs` as of `createRelaying`. */
  relay?: { to: Relay; ownAfterMs: number | undefined }
  /** For sums that one node's word is not enough for. */
  agreement?: Agreement
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
  const relaying =
    facts.relay &&
    createRelaying({
      ...facts,
      relay: facts.relay.to,
      ownAfterMs: facts.relay.ownAfterMs,
      jobs,
      head: () => head,
      wake: () => void flush(),
    })
  const relayed = relaying && { relaying }
  const appetite = createAppetite()
  let multicall = false
  const outbox = createOutbox({
    ...facts,
    ...relayed,
    jobs,
    appetite,
    head: () => head,
    delegated: () => delegating.done(),
    multicall: () => multicall,
  })
  const watch = createWatch({ ...facts, ...relayed, jobs, appetite })
  const delegating = createDelegating({ ...facts, nonces: outbox.nonces, head: () => head })
  const stopping = new AbortController()
  let delegated: Promise<void> | undefined
  let flushing: Promise<void> | undefined
  let ripening: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    // Asked before the head: what has passed this nonce is then in no later block than the head.
    const early = jobs.size() > 0 ? await chain.nonce(account.address) : undefined
    head = await chain.head()
    await watch.takeBack(head)
    if (jobs.size() === 0) return
    const mined = early ?? (await chain.nonce(account.address))
    await watch.advance(head, mined)
    relaying?.push()
    await flush()
    await outbox.push(mined)
  }

  const flush = (all = false): Promise<void> => {
    flushing ??= outbox
      .flush(all)
      .then(() => ripen(RIPENING_MS))
      .catch((error) => {
        log.warn('settlement_not_made', { chain: chain.id, why: reasonOf(error) })
        ripen(AGAIN_MS)
      })
      .finally(() => {
        flushing = undefined
      })
    return flushing
  }

  const ripen = (ms: number) => {
    if (ripening || timer === undefined || jobs.waits() === 0) return
    ripening = setTimeout(() => {
      ripening = undefined
      void flush()
    }, ms)
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
    pay: async (item, post, when) => {
      const posted = await outbox.pay(item, post, when)
      relaying?.push()
      ripen(RIPENING_MS)
      return posted
    },
    order: async (errand) => {
      const posted = await outbox.order(errand)
      if (posted.ok) {
        watch.keep(posted.call)
        void flush()
      }
      return posted
    },
    adopt: async (item) => {
      watch.keep(item)
      await outbox.adopt(item)
      ripen(RIPENING_MS)
    },
    has: (id) => jobs.get(id) !== undefined,
    outcome: async (id, signal) => {
      await jobs.ended(id, signal)
      return payableOf(ledger, id)
    },
    tick,
    head: () => head,
    nonces: outbox.nonces,
    pending: jobs.size,
    start: async () => {
      head = await chain.head()
      multicall = (await chain.code(MULTICALL3)) !== 'none'
      await outbox.resume()
      await watch.resume(head)
      await tick()
      schedule()
      if (facts.delegate?.()) delegated = delegating.run(stopping.signal)
    },
    stop: async () => {
      clearTimeout(timer)
      clearTimeout(ripening)
      timer = undefined
      ripening = undefined
      stopping.abort()
      await Promise.all([ticking, delegated])
      await relaying?.idle()
      while (flushing) await flushing
      // What still waits for company goes out now.
      await flush(true)
      await outbox.idle()
    },
  }
}
