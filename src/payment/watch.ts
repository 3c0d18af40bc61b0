import type { Chain, Head } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { isSettling } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Job, Jobs } from './jobs.ts'
import type { Outbox } from './outbox.ts'
import { type Finding, isOver, prove } from './prove.ts'
import { createWindow, DEEP } from './window.ts'

/** What the chain did with our payments, told to the ledger. */
export type Watch = {
  /** Takes over the proofs of an earlier process that are not final yet. */
  resume: (head: Head) => Promise<void>
  /** Reverses payments whose block was taken back, and sends them again. */
  takeBack: (head: Head) => Promise<void>
  /** Books what has come into blocks, what is deep enough, and what can never come. */
  advance: (head: Head, mined: number) => Promise<void>
}

export type WatchFacts = {
  ledger: Ledger
  chain: Chain
  clock: Clock
  log: Log
  jobs: Jobs
  outbox: Outbox
  confirmations: number
  probe: (point: string) => void
}

const MAX_BATCH = 100

export const createWatch = (facts: WatchFacts): Watch => {
  const { ledger, chain, clock, log, jobs, outbox, confirmations, probe } = facts
  const window = createWindow(chain)
  const isDeep = (head: Head, block: bigint) => head.number - block + 1n >= BigInt(confirmations)

  /** Takes the call as the ledger has it after a move, or as it was already when the move came too late. */
  const follow = (job: Job, posted: Posted): void => {
    const call = posted.ok || posted.why === 'stale' ? posted.call : undefined
    if (!call) return
    if ('proof' in call.settlement) window.add(call.id, call.settlement.proof)
    if (isSettling(call)) job.call = call
    else jobs.end(call.id)
  }

  const settle = async (job: Job, head: Head): Promise<void> => {
    const { settlement, id } = job.call
    if (settlement.at !== 'included' || !isDeep(head, settlement.proof.block)) return
    follow(job, await ledger.post({ type: 'settled', id, proof: settlement.proof }))
    probe('K8')
  }

  const book = async (job: Job, head: Head, finding: Finding): Promise<void> => {
    const { id } = job.call
    if (finding.kind === 'again') return outbox.again(job)
    if (finding.kind === 'lost') {
      log.error('settlement_lost', { call: id, why: finding.why })
      return follow(job, await ledger.post({ type: 'lose', id, why: finding.why, gas: finding.gas }))
    }
    probe('K7')
    const { proof } = finding
    follow(job, await ledger.post({ type: isDeep(head, proof.block) ? 'settled' : 'include', id, proof }))
    probe('K8')
  }

  const conclude = async (some: readonly Job[], head: Head): Promise<void> => {
    const findings = await prove({ chain, head, confirmations, now: clock.now() }, some)
    // One after the other would wait for one fsync each; together they share it.
    await Promise.all(some.map((job, i) => (findings[i] ? book(job, head, findings[i]) : undefined)))
  }

  const undo = async (id: string): Promise<void> => {
    const txs = await ledger.transactions(id)
    const posted = await ledger.post({ type: 'reorg', id })
    window.remove(id)
    const tx = txs.at(-1)
    if (!posted.ok || !tx) return
    log.warn('settlement_reorged', { call: id })
    jobs.put({ call: posted.call, tx, txs, sentAt: 0 })
  }

  return {
    resume: async (head) => {
      const final = (await chain.finalized()) || head.number - DEEP
      for (const job of jobs.all()) {
        if ('proof' in job.call.settlement) window.add(job.call.id, job.call.settlement.proof)
      }
      const books = new Set((await ledger.balances()).map((row) => row.asset))
      for (const asset of books) {
        if (!asset.startsWith(`${chain.id}/`)) continue
        const booked = await ledger.transfers(asset, final > 0n ? final : 0n, FOREVER)
        for (const row of booked) window.add(row.call, row)
      }
    },
    takeBack: async (head) => {
      for (const id of await window.takenBack(head.number)) await undo(id)
      await window.prune(head.number)
    },
    advance: async (head, mined) => {
      const all = jobs.all()
      const included = all.filter((job) => job.call.settlement.at === 'included')
      await Promise.all(included.map((job) => settle(job, head)))
      const settling = all.filter((job) => job.call.settlement.at === 'settling')
      for (const job of settling) if (job.tx.nonce < mined) job.passedAt ??= clock.now()
      const due = settling.filter((job) => job.tx.nonce < mined || isOver(job.call, head))
      for (let i = 0; i < due.length; i += MAX_BATCH) await conclude(due.slice(i, i + MAX_BATCH), head)
    },
  }
}

/** Beyond every block, and still a number that stores can compare. */
const FOREVER = 2n ** 52n
