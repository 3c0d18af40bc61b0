import { chainNumber } from '../assets.ts'
import type { Chain, Head } from '../chain/chain.ts'
import { type Settler as Account, type Fees, signTransaction } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import { isSettling, type Tx } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Payable } from '../ledger/moves.ts'
import type { Log } from '../log.ts'
import { type Action, actionOf, together } from './action.ts'
import { type BatchPolicy, type Group, groups } from './batch.ts'
import { capped, dearer } from './fees.ts'
import { createFiller } from './filler.ts'
import { dueJob, type Job, type Jobs, type Shipment } from './jobs.ts'
import { createNonces } from './nonces.ts'
import { isExpired } from './prove.ts'
import { createSender } from './sender.ts'

/** How the money of a call is about to move: by this transaction, or by one that is made later. */
export type Way = { tx: Tx } | { due: true }

/** Stored transactions on their way into a block. */
export type Outbox = {
  /**
   * Moves the money of an item once `post` has stored that it is to be moved. Alone it gets a transaction at once, that
   * `post` stores with it; in company, and always when `later` is said, it waits for the next batch.
   */
  pay: <S extends Payable>(
    item: Payable,
    post: (way: Way) => Promise<Posted<S>>,
    when?: 'now' | 'later',
  ) => Promise<Posted<S>>
  /** Stores an errand and makes its transaction with the next flush. */
  order: (errand: Errand) => Promise<Posted<Errand>>
  /** Makes transactions for what has waited long enough. */
  flush: () => Promise<void>
  /** Items that wait for a transaction. */
  waiting: () => number
  /** Sends again what the mempool forgot, replaces what fees left behind, and fills gaps between nonces. */
  push: (mined: number) => Promise<void>
  /** Takes over what an earlier process stored. */
  resume: () => Promise<void>
  /** Resolves when nothing is on its way to a node any more. */
  idle: () => Promise<void>
  /** A nonce for a transaction of the settler itself, which is used at once. */
  nonces: ReturnType<typeof createNonces>
}

export type OutboxFacts = {
  ledger: Ledger
  chain: Chain
  account: Account
  clock: Clock
  log: Log
  jobs: Jobs
  head: () => Head
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
  batch: BatchPolicy
  /** Calls that are being served on this chain now. */
  serving: () => number
  /** The settler's account can send many items as itself. */
  delegated: () => boolean
  probe: (point: string) => void
}

const RESEND_MS = 10_000
const BUMP_MS = 20_000
const LINE = 200

/** An outbox for one chain and one key: whatever is in it was in the ledger before. */
export const createOutbox = (facts: OutboxFacts): Outbox => {
  const { ledger, chain, account, clock, log, jobs, head, batch } = facts
  const nonces = createNonces(clock)
  const sender = createSender(facts)
  const filler = createFiller({ ...facts, nonces })
  const shipments = new Map<string, Shipment>()
  const signing = new Set<string>()

  const sign = async (items: readonly Payable[], nonce: number, wanted: Fees): Promise<Tx> => {
    const fees = capped(wanted, facts.maxFee)
    const actions = items.map((item) => actionOf(item, account.address))
    const action: Action = actions.length === 1 ? actions[0]! : together(actions, account.address)
    const { to, data, gas } = action
    const unsigned = { chainId: chainNumber(chain.id), nonce, to, data, gas, fees }
    const { raw, hash } = await signTransaction(account, unsigned)
    const ids = items.map((item) => item.id)
    return { hash, chain: chain.id, settler: account.address, nonce, raw, ...fees, items: ids, at: clock.now() }
  }

  const signNext = async (items: readonly Payable[]): Promise<Tx> => {
    const nonce = nonces.take()
    try {
      return await sign(items, nonce, chain.fees(head()))
    } catch (error) {
      nonces.giveBack(nonce)
      throw error
    }
  }

  /** Sends what the ledger holds now; anything else must never leave. */
  const sendStored = (tx: Tx, items: readonly Payable[]): boolean => {
    const stored = items.filter(({ settlement }) => settlement.at === 'settling' && settlement.hash === tx.hash)
    if (stored.length === 0) return false
    for (const item of stored) {
      const before = jobs.get(item.id)
      const txs = [...(before?.txs ?? []), tx]
      jobs.put({ item, txs, waiting: false, since: before?.since ?? clock.now(), alone: before?.alone ?? false })
    }
    const shipment = { tx, sentAt: 0 }
    for (const [hash, old] of shipments) if (old.tx.nonce === tx.nonce) shipments.delete(hash)
    shipments.set(tx.hash, shipment)
    sender.send(shipment)
    return true
  }

  /** Signs, stores and sends a transaction, or gives its nonce back when it was not stored. */
  const ship = async <S extends Payable>(
    tx: Tx,
    posting: Promise<Posted<S>>,
  ): Promise<Posted<S>> => {
    let stored = false
    try {
      const posted = await posting
      stored = posted.ok && sendStored(tx, posted.calls)
      return posted
    } finally {
      if (stored) nonces.keep(tx.nonce)
      else nonces.giveBack(tx.nonce)
    }
  }

  const waiting = () => jobs.all().filter((job) => job.waiting && !signing.has(job.item.id))

  const shipGroup = async ({ jobs: some }: Group): Promise<void> => {
    for (const { item } of some) signing.add(item.id)
    try {
      const tx = await signNext(some.map((job) => job.item))
      const posted = await ship(tx, ledger.post({ type: 'settle', ids: tx.items, tx }))
      if (!posted.ok) await refresh(some)
    } finally {
      for (const { item } of some) signing.delete(item.id)
    }
  }

  /** Looks again at items of which one could not be settled: that one is left out next time. */
  const refresh = async (some: readonly Job[]): Promise<void> => {
    for (const job of some) {
      const { id } = job.item
      const item = (await ledger.call(id)) ?? (await ledger.errand(id))
      if (item && isSettling(item)) jobs.put({ ...job, item })
      else jobs.end(id)
    }
  }

  const pushOne = async (shipment: Shipment, alive: readonly Job[]): Promise<void> => {
    const { tx, sentAt } = shipment
    const now = clock.now()
    const wanted = capped(chain.fees(head()), facts.maxFee)
    const fees = now - tx.at >= BUMP_MS ? dearer(tx, head().baseFee, wanted, facts.maxFee) : undefined
    if (fees) {
      log.info('settlement_bumped', { hash: tx.hash, nonce: tx.nonce, items: alive.length })
      const better = await sign(alive.map((job) => job.item), tx.nonce, fees)
      const posted = await ledger.post({ type: 'settle', ids: better.items, tx: better })
      if (posted.ok) sendStored(better, posted.calls)
    } else if (now - sentAt >= RESEND_MS) sender.send(shipment)
  }

  const isStale = ({ tx, sentAt }: Shipment): boolean =>
    clock.now() - sentAt >= RESEND_MS || clock.now() - tx.at >= BUMP_MS

  return {
    nonces,
    pay: async (item, post, when) => {
      const inCompany = facts.serving() > 1 || waiting().length > 0 || batch.min > 1
      if (when !== 'later' && (when === 'now' || !inCompany)) {
        const tx = await signNext([item])
        return ship(tx, post({ tx }))
      }
      const posted = await post({ due: true })
      const due = posted.ok ? posted.calls.filter((one) => one.settlement.at === 'due') : []
      for (const one of due) jobs.put(dueJob(one, clock.now()))
      return posted
    },
    order: async (errand) => {
      const posted = await ledger.post({ type: 'order', errand })
      if (posted.ok && isSettling(posted.call))
        jobs.put({ ...dueJob(posted.call, clock.now()), alone: errand.task.kind !== 'payout' })
      return posted
    },
    waiting: () => waiting().length,
    flush: async () => {
      const ready = groups(batch, {
        waiting: waiting(),
        senderOf: ({ item }) => actionOf(item, account.address).sender,
        serving: facts.serving(),
        delegated: facts.delegated(),
        now: clock.now(),
      })
      for (const group of ready) await shipGroup(group)
    },
    push: async (mined) => {
      nonces.atLeast(mined)
      const alive = new Map<string, Job[]>()
      for (const job of jobs.all()) {
        const tx = job.txs.at(-1)
        if (!tx || job.waiting || job.item.settlement.at !== 'settling') continue
        if (tx.nonce < mined || isExpired(job.item, head())) continue
        alive.set(tx.hash, [...(alive.get(tx.hash) ?? []), job])
      }
      for (const hash of shipments.keys()) if (!alive.has(hash)) shipments.delete(hash)
      // After a reorganisation, what was done is on its way again.
      for (const [hash, [job]] of alive)
        if (!shipments.has(hash)) shipments.set(hash, { tx: job!.txs.at(-1)!, sentAt: 0 })
      // Only the first in line can be stuck by themselves; with a long backlog, the others wait behind them.
      const line = [...shipments.values()].toSorted((a, b) => a.tx.nonce - b.tx.nonce).slice(0, LINE)
      for (const one of line) if (isStale(one)) await pushOne(one, alive.get(one.tx.hash)!)
      // What has expired is never sent again: where living payments wait behind it, its nonce is a gap.
      await filler.fill(mined, new Set([...shipments.values()].map(({ tx }) => tx.nonce)))
    },
    resume: async () => {
      for (const job of await leftBehind(facts)) {
        jobs.put(job)
        const tx = job.txs.at(-1)
        if (tx && !job.waiting) shipments.set(tx.hash, { tx, sentAt: 0 })
      }
      const owned = new Set(jobs.all().flatMap((job) => job.txs.map((tx) => tx.nonce)))
      const mined = await chain.nonce(account.address)
      const next = Math.max(mined, (await ledger.lastNonce(chain.id, account.address)) + 1)
      const between = Array.from({ length: next - mined }, (_, i) => mined + i)
      nonces.resume(
        next,
        between.filter((nonce) => !owned.has(nonce)),
      )
    },
    idle: sender.idle,
  }
}

const leftBehind = async ({ ledger, chain, clock, log }: OutboxFacts): Promise<Job[]> => {
  const items: Payable[] = [...(await ledger.open()), ...(await ledger.openErrands())]
  const found: Job[] = []
  for (const item of items) {
    if (item.chain !== chain.id || !isSettling(item)) continue
    const txs = await ledger.transactions(item.id)
    const waiting = item.settlement.at === 'due'
    if (waiting || txs.length > 0) found.push({ item, txs, waiting, since: clock.now(), alone: false })
    else log.error('settlement_without_transaction', { item: item.id })
  }
  return found
}
