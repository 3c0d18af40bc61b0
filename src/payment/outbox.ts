import { chainNumber } from '../assets.ts'
import type { Chain, Head } from '../chain/chain.ts'
import {
  type Settler as Account,
  type Fees,
  signTransaction,
  TRANSFER_GAS,
  transferData,
} from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import { type Call, isSettling, type Tx } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { capped, dearer } from './fees.ts'
import { createFiller } from './filler.ts'
import type { Job, Jobs } from './jobs.ts'
import { createNonces } from './nonces.ts'
import { isExpired } from './prove.ts'
import { createSender } from './sender.ts'

/** Stored transactions on their way into a block. */
export type Outbox = {
  /** Signs the settlement transaction of a call. Nothing is sent: store it in a move, then `submit` what was posted. */
  intend: (call: Call) => Promise<Tx>
  /** Sends a transaction once the move that stores it is posted; when it is not, its nonce is given back and it is never sent. */
  submit: (tx: Tx, posting: Promise<Posted>) => Promise<Posted>
  /** Signs and sends another transaction for a payment whose nonce was used up by something else. */
  again: (job: Job) => Promise<void>
  /** Sends again what the mempool forgot, replaces what fees left behind, and fills gaps between nonces. */
  push: (mined: number) => Promise<void>
  /** Takes over what an earlier process stored. */
  resume: () => Promise<void>
  /** Resolves when nothing is on its way to a node any more. */
  idle: () => Promise<void>
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
  probe: (point: string) => void
}

const RESEND_MS = 10_000
const BUMP_MS = 20_000
const LINE = 200

/** An outbox for one chain and one key: whatever is in it was in the ledger before. */
export const createOutbox = (facts: OutboxFacts): Outbox => {
  const { ledger, chain, account, clock, log, jobs, head } = facts
  const nonces = createNonces(clock)
  const sender = createSender(facts)
  const filler = createFiller({ ...facts, nonces })

  const sign = async (call: Call, nonce: number, wanted: Fees): Promise<Tx> => {
    const fees = capped(wanted, facts.maxFee)
    const data = transferData({ ...call, from: call.payer, to: call.payTo, value: call.signed })
    const unsigned = { chainId: chainNumber(chain.id), nonce, to: call.token, data, gas: TRANSFER_GAS, fees }
    const { raw, hash } = await signTransaction(account, unsigned)
    return {
      hash,
      chain: chain.id,
      settler: account.address,
      nonce,
      raw,
      ...fees,
      call: call.id,
      at: clock.now(),
    }
  }

  const intend = async (call: Call): Promise<Tx> => {
    const nonce = nonces.take()
    try {
      return await sign(call, nonce, chain.fees(head()))
    } catch (error) {
      nonces.giveBack(nonce)
      throw error
    }
  }

  /** Sends what the ledger holds now; anything else must never leave. */
  const sendStored = (tx: Tx, posted: Posted): boolean => {
    if (!posted.ok || posted.call.settlement.at !== 'settling' || posted.call.settlement.hash !== tx.hash)
      return false
    const job = { call: posted.call, tx, txs: [...(jobs.get(tx.call)?.txs ?? []), tx], sentAt: 0 }
    jobs.put(job)
    sender.send(job)
    return true
  }

  const submit = async (tx: Tx, posting: Promise<Posted>): Promise<Posted> => {
    let stored = false
    try {
      const posted = await posting
      stored = sendStored(tx, posted)
      return posted
    } finally {
      if (stored) nonces.keep(tx.nonce)
      else nonces.giveBack(tx.nonce)
    }
  }

  const again = async ({ call }: Job): Promise<void> => {
    const tx = await intend(call)
    await submit(tx, ledger.post({ type: 'settle', id: call.id, tx }))
  }

  const isStale = ({ tx, sentAt }: Job): boolean =>
    clock.now() - sentAt >= RESEND_MS || clock.now() - tx.at >= BUMP_MS

  const pushOne = async (job: Job): Promise<void> => {
    const { call, tx, sentAt } = job
    const now = clock.now()
    const wanted = capped(chain.fees(head()), facts.maxFee)
    const fees = now - tx.at >= BUMP_MS ? dearer(tx, head().baseFee, wanted, facts.maxFee) : undefined
    if (fees) {
      log.info('settlement_bumped', { call: call.id, nonce: tx.nonce })
      const better = await sign(call, tx.nonce, fees)
      sendStored(better, await ledger.post({ type: 'settle', id: call.id, tx: better }))
    } else if (now - sentAt >= RESEND_MS) sender.send(job)
  }

  return {
    intend,
    submit,
    again,
    push: async (mined) => {
      nonces.atLeast(mined)
      const alive = jobs.all().filter(({ call, tx }) => {
        return call.settlement.at === 'settling' && tx.nonce >= mined && !isExpired(call, head())
      })
      // Only the first in line can be stuck by themselves; with a long backlog, the others wait behind them.
      const line = alive.toSorted((a, b) => a.tx.nonce - b.tx.nonce).slice(0, LINE)
      for (const job of line) if (isStale(job)) await pushOne(job)
      // What has expired is never sent again: where living payments wait behind it, its nonce is a gap.
      await filler.fill(mined, new Set(alive.map((job) => job.tx.nonce)))
    },
    resume: async () => {
      for (const job of await leftBehind(facts)) jobs.put(job)
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

const leftBehind = async ({ ledger, chain, log }: OutboxFacts): Promise<Job[]> => {
  const found: Job[] = []
  for (const call of await ledger.open()) {
    if (call.chain !== chain.id || !isSettling(call)) continue
    const txs = await ledger.transactions(call.id)
    const tx = txs.at(-1)
    if (tx) found.push({ call, tx, txs, sentAt: 0 })
    else log.error('settlement_without_transaction', { call: call.id })
  }
  return found
}
