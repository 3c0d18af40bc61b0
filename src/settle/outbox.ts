import type { Chain, Head } from '../chain/chain.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import { isSettling, type Tx } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Payable } from '../ledger/moves.ts'
import type { Log } from '../log.ts'
import { mostGasOf, senderOf, sortOf, staysAlone } from './action.ts'
import type { Appetite } from './appetite.ts'
import { type BatchPolicy, type Sender as Company, type Group, groups } from './batch.ts'
import { isExpired } from './expiry.ts'
import { createFiller } from './filler.ts'
import { isMade, type Job, type Jobs, jobOf } from './jobs.ts'
import { createNonces, type Nonces } from './nonces.ts'
import type { Relaying } from './relaying.ts'
import { createSender } from './sender.ts'
import { createShipments } from './shipments.ts'
import { createSigner } from './signer.ts'

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
  /** Takes over what another instance stored, unless it is known already. */
  adopt: (item: Payable) => Promise<void>
  /** Makes transactions for what has waited long enough, or for all that waits. */
  flush: (all?: boolean) => Promise<void>
  /** Sends again what the mempool forgot, replaces what fees left behind, and fills gaps between nonces. */
  push: (mined: number) => Promise<void>
  /** Takes over what an earlier process stored. */
  resume: () => Promise<void>
  /** Resolves when nothing is on its way to a node any more. */
  idle: () => Promise<void>
  /** A nonce for a transaction of the settler itself, which is used at once. */
  nonces: Nonces
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
  appetite: Appetite
  /** Calls that are being served on this chain now. */
  serving: () => number
  /** The settler's account can send many items as itself. */
  delegated: () => boolean
  /** The chain has Multicall3. */
  multicall: () => boolean
  /** Somebody else's facilitator, for what goes that way. */
  relaying?: Pick<Relaying, 'takes' | 'jobOf'>
  probe: (point: string) => void
}

/** What ends this soon waits for nobody, seconds. */
const HURRY_S = 90n

/** An outbox for one chain and one key: whatever is in it was in the ledger before. */
export const createOutbox = (facts: OutboxFacts): Outbox => {
  const { ledger, chain, account, clock, jobs, head, batch, appetite } = facts
  const nonces = createNonces(clock)
  const sender = createSender(facts)
  const filler = createFiller({ ...facts, nonces })
  const signer = createSigner({ ...facts, nonces })
  const shipments = createShipments({ ...facts, signer, sender })
  const signing = new Set<string>()

  const companyOf = (item: Payable, alone: boolean): Company | undefined => {
    if (alone || staysAlone(item)) return undefined
    if (facts.delegated()) return 'settler'
    return senderOf(item) === 'anyone' && facts.multicall() ? 'anyone' : undefined
  }

  /** Nothing more can go before what is on its way has come into a block. */
  const isHeldUp = (): boolean =>
    sender.oneAtATime() &&
    jobs
      .all()
      .some(({ item, waiting, txs }) => !waiting && txs.length > 0 && item.settlement.at === 'settling')

  /** Another settlement will come soon that this one can share a transaction with. */
  const hasCompany = (item: Payable): boolean => {
    if (companyOf(item, false) === undefined || batch.max < 2) return false
    const ends = item.validBefore
    if (ends > 0n && ends - BigInt(Math.floor(clock.now() / 1000)) < HURRY_S) return false
    return facts.serving() > 1 || jobs.waits() > 0 || batch.min > 1 || isHeldUp()
  }

  /** Stores a signed transaction and sends it, or gives its nonce back when it was not stored. */
  const ship = async <S extends Payable>(tx: Tx, posting: Promise<Posted<S>>): Promise<Posted<S>> => {
    let stored = false
    try {
      const posted = await posting
      facts.probe('K9')
      stored = posted.ok && shipments.send(tx, posted.calls)
      return posted
    } finally {
      if (stored) nonces.keep(tx.nonce)
      else nonces.giveBack(tx.nonce)
    }
  }

  const shipGroup = async (group: Group): Promise<void> => {
    for (const { item } of group) signing.add(item.id)
    try {
      const tx = await signer.signNext(group.map((job) => job.item))
      facts.probe('K13')
      const posted = await ship(tx, ledger.post({ type: 'settle', ids: tx.items, tx }))
      // One of them is past it: that one is left out next time.
      if (!posted.ok) await shipments.refresh(group)
    } finally {
      for (const { item } of group) signing.delete(item.id)
    }
  }

  const isDue = (job: Job): boolean => !signing.has(job.item.id) && !isExpired(job.item, head())

  return {
    nonces,
    pay: async (item, post, when) => {
      const relayed = facts.relaying?.takes(item)
      if (!relayed && when !== 'later' && (when === 'now' || !hasCompany(item))) {
        const tx = await signer.signNext([item])
        facts.probe('K13')
        return ship(tx, post({ tx }))
      }
      const posted = await post({ due: true })
      const due = posted.ok ? posted.calls.filter((one) => one.settlement.at === 'due') : []
      for (const one of due) jobs.put(first(facts, one, []))
      return posted
    },
    order: async (errand) => {
      const posted = await ledger.post({ type: 'order', errand })
      if (errand.task.kind === 'payout') facts.probe('K14')
      if (posted.ok && isSettling(posted.call)) jobs.put(jobOf(posted.call, [], clock.now()))
      return posted
    },
    adopt: async (item) => {
      if (item.chain !== chain.id || !isSettling(item) || jobs.get(item.id) || signing.has(item.id)) return
      const job = first(facts, item, await ledger.transactions(item.id))
      if (!jobs.get(item.id)) jobs.put(job)
    },
    flush: async (all = false) => {
      if (!all && isHeldUp()) return
      const ready = groups(batch, {
        waiting: jobs.waiting().filter(isDue),
        companyOf: ({ item, alone }) => companyOf(item, alone),
        gasOf: ({ item }) => appetite.allow(sortOf(item), mostGasOf(item)),
        serving: facts.serving(),
        now: clock.now(),
        all,
      })
      // What is wrong with one must not hold up the others.
      let wrong: unknown
      const most = sender.oneAtATime() && !all ? 1 : ready.length
      for (const group of ready.slice(0, most)) await shipGroup(group).catch((error) => (wrong ??= error))
      if (wrong !== undefined) throw wrong
    },
    push: async (mined) => {
      nonces.atLeast(mined)
      const onTheirWay = await shipments.push(mined)
      // What has expired is never sent again: where living payments wait behind it, its nonce is a gap.
      await filler.fill(mined, onTheirWay)
    },
    resume: async () => {
      for (const job of await leftBehind(facts)) jobs.put(job)
      const owned = new Set(jobs.all().flatMap((job) => job.txs.map((tx) => tx.nonce)))
      const mined = await chain.nonce(account.address)
      const next = Math.max(mined, (await ledger.lastNonce(chain.id, account.address)) + 1)
      const between = Array.from({ length: next - mined }, (_, i) => mined + i)
      const orphans = between.filter((nonce) => !owned.has(nonce))
      nonces.resume(next, orphans)
    },
    idle: sender.idle,
  }
}

/** The job of an item that this process has none for yet. */
const first = ({ relaying, clock }: OutboxFacts, item: Payable, txs: readonly Tx[]): Job =>
  txs.length === 0 && item.settlement.at === 'due' && relaying?.takes(item)
    ? relaying.jobOf(item)
    : jobOf(item, txs, clock.now())

const leftBehind = async (facts: OutboxFacts): Promise<Job[]> => {
  const { ledger, chain, log } = facts
  const items: Payable[] = [...(await ledger.open()), ...(await ledger.openErrands())]
  const found: Job[] = []
  for (const item of items) {
    if (item.chain !== chain.id || !isSettling(item)) continue
    const job = first(facts, item, await ledger.transactions(item.id))
    if (item.settlement.at === 'settling' && isMade(item) && job.txs.length === 0)
      log.error('settlement_without_transaction', { item: item.id })
    found.push(job)
  }
  return found
}
