import type { Chain, Head } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { type Log, reasonOf } from '../log.ts'
import { dueJob, type Job, type Jobs, type Relayed } from './jobs.ts'
import { nonceOf } from './proof.ts'
import type { Relay } from './relay.ts'

/** Payments on their way through somebody else's facilitator. Their proof is looked for like any other: on the chain. */
export type Relaying = {
  /** Whether an item goes that way: an `exact` payment whose gas nobody has to lend. */
  takes: (item: Payable) => item is Call
  /** The job of an item whose money is to move: relayed, or waiting for a transaction of ours. */
  jobOf: (item: Payable) => Job
  /** Asks for what has not been asked for, or not for long, and takes over what the facilitator will not settle. Nobody waits. */
  push: () => void
  /** Resolves when no question is open. */
  idle: () => Promise<void>
}

export type RelayingFacts = {
  relay: Relay
  chain: Chain
  jobs: Jobs
  head: () => Head
  clock: Clock
  log: Log
  /** Settles what the facilitator refused, or was asked for this long, by a transaction of our own, ms; undefined: never. */
  ownAfterMs: number | undefined
  /** Called when something waits for a transaction of ours. */
  wake: () => void
}

const AT_ONCE = 16
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000
/** Seconds before an authorization ends at which we no longer leave it to somebody else. */
const LAST_CALL_S = 60

/** Drives the relay for one chain: each payment is asked for until the chain shows it, less and less often. */
export const createRelaying = (facts: RelayingFacts): Relaying => {
  const { relay, chain, jobs, head, clock, log, ownAfterMs } = facts
  const asking = new Set<Promise<void>>()

  const takes = (item: Payable): item is Call =>
    item.is === 'call' && (item.kind === 'eip3009' || item.kind === 'permit2') && item.sponsored === undefined

  const ask = async (job: Job, state: Relayed): Promise<void> => {
    const hint = await relay.settle(job.item as Call)
    if (hint.kind === 'refused') state.refused = hint.why
    else if (hint.hash) state.hash = hint.hash
    state.tries++
    const answer = hint.kind === 'pending' ? 'pending' : 'refused'
    log.info('relayed', { item: job.item.id, answer, why: hint.why, hash: state.hash })
    if (state.refused !== undefined) await takeOver(job)
  }

  /** What is used already only needs to be found: a transaction of ours could but fail. */
  const takeOver = async ({ item }: Job): Promise<void> => {
    const nonce = nonceOf(item)
    if (ownAfterMs === undefined || !nonce) return
    if (await chain.isUsed({ ...nonce, token: item.token, payer: item.payer })) return
    const job = jobs.get(item.id)
    if (!job?.relayed || job.item.settlement.at === 'included') return
    log.warn('relay_taken_over', {
      item: item.id,
      why: job.relayed.refused ?? 'no answer that the chain bears out',
    })
    jobs.change(item.id, { waiting: true, since: clock.now(), relayed: undefined })
    facts.wake()
  }

  const isLate = (job: Job, state: Relayed): boolean => {
    const now = Math.max(head().timestamp, Math.floor(clock.now() / 1000))
    const ends = Number(job.item.validBefore)
    return clock.now() - state.since >= (ownAfterMs ?? Number.POSITIVE_INFINITY) || ends - now <= LAST_CALL_S
  }

  const step = async (job: Job, state: Relayed): Promise<void> => {
    const wait = Math.min(FIRST_WAIT_MS * 2 ** state.tries, LONGEST_WAIT_MS)
    // Never past the moment at which it becomes ours.
    const ours = ownAfterMs === undefined ? 0 : state.since + ownAfterMs - clock.now()
    state.next = clock.now() + (ours > 0 ? Math.min(wait, ours) : wait)
    state.busy = true
    try {
      if (ownAfterMs !== undefined && (state.refused !== undefined || isLate(job, state))) await takeOver(job)
      else if (state.refused === undefined) await ask(job, state)
    } catch (error) {
      log.warn('relay_failed', { item: job.item.id, why: reasonOf(error) })
    } finally {
      state.busy = false
    }
  }

  return {
    takes,
    jobOf: (item) => {
      const job = dueJob(item, clock.now())
      if (!takes(item)) return job
      const now = clock.now()
      return { ...job, waiting: false, relayed: { since: now, next: now, tries: 0, busy: false } }
    },
    push: () => {
      for (const job of jobs.all()) {
        const state = job.relayed
        if (!state || state.busy || job.item.settlement.at === 'included') continue
        if (state.next > clock.now() || asking.size >= AT_ONCE) continue
        const running = step(job, state).finally(() => asking.delete(running))
        asking.add(running)
      }
    },
    idle: async () => void (await Promise.all(asking)),
  }
}
