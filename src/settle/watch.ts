import type { Chain, Head, Inclusion } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { isSettling, type Proof, type Tx } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Payable } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import type { Log } from '../log.ts'
import type { Agreement } from './agreement.ts'
import type { Appetite } from './appetite.ts'
import { isOver } from './expiry.ts'
import { isMade, type Job, type Jobs, jobOf } from './jobs.ts'
import { type Finding, prove } from './prove.ts'
import type { Relaying } from './relaying.ts'
import { createTaken } from './taken.ts'
import { createWindow, DEEP } from './window.ts'

/** What the chain did with our payments, told to the ledger. */
export type Watch = {
  /** Takes over the proofs of an earlier process that are not final yet. */
  resume: (head: Head) => Promise<void>
  /** Reverses payments whose block was taken back, and sends them again. */
  takeBack: (head: Head) => Promise<void>
  /** Books what has come into blocks, what is deep enough, and what can never come. */
  advance: (head: Head, mined: number) => Promise<void>
  /** Watches the proof of something that came to the ledger with it. */
  keep: (item: Payable) => void
}

export type WatchFacts = {
  ledger: Ledger
  chain: Chain
  clock: Clock
  log: Log
  jobs: Jobs
  appetite: Appetite
  confirmations: number
  probe: (point: string) => void
  relaying?: Pick<Relaying, 'jobOf'>
  agreement?: Agreement
}

const MAX_BATCH = 100

export const createWatch = (facts: WatchFacts): Watch => {
  const { ledger, chain, clock, log, jobs, appetite, confirmations, probe } = facts
  const window = createWindow(chain)
  const takenIn = createTaken({ ledger, jobs })
  const holds = async (item: Payable, proof: Proof) =>
    facts.agreement === undefined || facts.agreement.holds(item, proof)
  const isDeep = (head: Head, block: bigint) => head.number - block + 1n >= BigInt(confirmations)

  /** Takes the item as the ledger has it after a move, or as it was already when the move came too late. */
  const follow = (posted: Posted<Payable>): void => {
    const item = posted.ok || posted.why === 'stale' ? posted.call : undefined
    if (!item) return
    keep(item)
    if (isSettling(item)) jobs.change(item.id, { item })
    else jobs.end(item.id)
  }

  const keep = ({ id, settlement }: Payable): void => {
    if ('proof' in settlement) window.add(id, settlement.proof)
  }

  const settle = async (job: Job, head: Head): Promise<void> => {
    const { settlement, id } = job.item
    if (settlement.at !== 'included' || !isDeep(head, settlement.proof.block)) return
    if (!(await holds(job.item, settlement.proof))) return
    follow(await ledger.post({ type: 'settled', id, proof: settlement.proof }))
    probe('K8')
  }

  const book = async (job: Job, head: Head, finding: Finding): Promise<void> => {
    const { id } = job.item
    if (finding.kind === 'again') {
      log.info('settlement_again', { item: id, alone: finding.alone })
      return jobs.change(id, { waiting: true, alone: job.alone || finding.alone })
    }
    if (finding.kind === 'lost') {
      log.error('settlement_lost', { item: id, why: finding.why })
      return follow(await ledger.post({ type: 'lose', id, why: finding.why, gas: finding.gas }))
    }
    probe('K7')
    const { proof, moved } = finding
    if (!(await holds(job.item, proof))) return
    // How much an errand moved is known with its proof only, so it is booked at once and taken back if need be.
    const settled = isDeep(head, proof.block) || (moved !== undefined && job.item.is === 'errand')
    const posted = settled
      ? ledger.post({ type: 'settled', id, proof, ...(moved !== undefined && { moved }) })
      : ledger.post({ type: 'include', id, proof })
    follow(await posted)
    probe('K8')
  }

  const itemsOf = async ({ items }: Tx): Promise<Payable[]> => {
    const found = items.map(async (id) => jobs.get(id)?.item ?? (await payableOf(ledger, id)))
    return (await Promise.all(found)).filter((one) => one !== undefined)
  }

  const met = (tx: Tx, inclusion: Inclusion): void => {
    const items = tx.items.map((id) => jobs.get(id)?.item).filter((one) => one !== undefined)
    if (items.length === tx.items.length) appetite.learn(tx, inclusion, items)
  }

  const conclude = async (some: readonly Job[], head: Head): Promise<void> => {
    const now = clock.now()
    const findings = await prove({ chain, head, confirmations, now, itemsOf, takenIn, met }, some)
    if (some.length > 1) probe('K12')
    // One after the other would wait for one fsync each; together they share it.
    await Promise.all(some.map((job, i) => (findings[i] ? book(job, head, findings[i]) : undefined)))
  }

  const undo = async (id: string): Promise<void> => {
    const txs = await ledger.transactions(id)
    const posted = await ledger.post({ type: 'reorg', id })
    window.remove(id)
    if (!posted.ok) return
    log.warn('settlement_reorged', { item: id })
    // What was only ever seen is not sent again: it is booked anew where it is seen again.
    if (id.startsWith('seen:')) {
      await ledger.post({ type: 'lose', id, why: 'its block was taken back', gas: 0n })
      return
    }
    const relayed = txs.length === 0 && isMade(posted.call) ? facts.relaying?.jobOf(posted.call) : undefined
    jobs.put(relayed ?? jobOf(posted.call, txs, clock.now()))
  }

  return {
    keep,
    resume: async (head) => {
      const final = (await chain.finalized()) || head.number - DEEP
      for (const job of jobs.all()) {
        if ('proof' in job.item.settlement) window.add(job.item.id, job.item.settlement.proof)
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
      const included = all.filter((job) => job.item.settlement.at === 'included')
      await Promise.all(included.map((job) => settle(job, head)))
      const settling = all.filter((job) => job.item.settlement.at !== 'included')
      for (const job of settling)
        if (job.passedAt === undefined && hasPassed(job, mined))
          jobs.change(job.item.id, { passedAt: clock.now() })
      const due = settling
        .flatMap(({ item: { id } }) => jobs.get(id) ?? [])
        .filter((job) => isToProve(job, mined, head))
      for (let i = 0; i < due.length; i += MAX_BATCH) await conclude(due.slice(i, i + MAX_BATCH), head)
    },
  }
}

/** Its last transaction can be in a block; of what is not ours to send, anything can. */
const hasPassed = ({ item, txs, waiting }: Job, mined: number): boolean =>
  !waiting && (isMade(item) ? (txs.at(-1)?.nonce ?? mined) < mined : true)

const isToProve = (job: Job, mined: number, head: Head): boolean =>
  hasPassed(job, mined) || job.relayed !== undefined || isOver(job.item, head)

/** Beyond every block, and still a number that stores can compare. */
const FOREVER = 2n ** 52n
