import type { Chain, Head } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import type { Tx } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Payable } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import type { Log } from '../log.ts'
import { isExpired } from './expiry.ts'
import { capped, dearer } from './fees.ts'
import { type Job, type Jobs, jobOf, type Shipment } from './jobs.ts'
import type { Sender } from './sender.ts'
import type { Signer } from './signer.ts'

/** Stored transactions that are not in a block yet: one for a nonce. */
export type Shipments = {
  /** Sends a transaction that the ledger holds now, as it stands after the move that stored it; false when it does not. */
  send: (tx: Tx, items: readonly Payable[]) => boolean
  /** Sends again what the mempool forgot, and replaces what fees left behind. Returns the nonces that are on their way. */
  push: (mined: number) => Promise<Set<number>>
  /** Looks at items again whose move the ledger refused: which of them still are to be settled. */
  refresh: (jobs: readonly Job[]) => Promise<void>
}

export type ShipmentFacts = {
  ledger: Ledger
  chain: Chain
  clock: Clock
  log: Log
  jobs: Jobs
  signer: Signer
  sender: Sender
  head: () => Head
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
}

const RESEND_MS = 10_000
const BUMP_MS = 20_000
const LINE = 200

export const createShipments = (facts: ShipmentFacts): Shipments => {
  const { ledger, chain, clock, log, jobs, signer, sender, head } = facts
  const byNonce = new Map<number, Shipment>()

  // Anything but what the ledger holds must never leave.
  const send: Shipments['send'] = (tx, items) => {
    const stored = items.filter(
      ({ settlement }) => settlement.at === 'settling' && settlement.hash === tx.hash,
    )
    if (stored.length === 0) return false
    for (const item of stored) {
      const { passedAt: _, ...before } = jobs.get(item.id) ?? jobOf(item, [], clock.now())
      jobs.put({ ...before, item, txs: [...before.txs, tx], waiting: false })
    }
    const shipment = { tx, sentAt: 0 }
    byNonce.set(tx.nonce, shipment)
    sender.send(shipment)
    return true
  }

  const refresh: Shipments['refresh'] = async (some) => {
    for (const { item } of some) {
      const now = await payableOf(ledger, item.id)
      const { at } = now?.settlement ?? { at: 'none' }
      if (now && (at === 'due' || at === 'settling')) jobs.change(item.id, { item: now })
      else if (now && at === 'included') jobs.change(item.id, { item: now, waiting: false })
      else jobs.end(item.id)
    }
  }

  const bump = async ({ tx }: Shipment, alive: readonly Job[]): Promise<boolean> => {
    const wanted = capped(chain.fees(head()), facts.maxFee)
    const fees = dearer(tx, head().baseFee, wanted, facts.maxFee)
    if (!fees) return false
    log.info('settlement_bumped', { hash: tx.hash, nonce: tx.nonce, items: alive.length })
    const items = alive.map((job) => job.item)
    const better = await signer.sign(items, tx.nonce, fees)
    const posted = await ledger.post({ type: 'settle', ids: better.items, tx: better })
    if (posted.ok) send(better, posted.calls)
    else await refresh(alive)
    return true
  }

  const pushOne = async (shipment: Shipment, alive: readonly Job[]): Promise<void> => {
    const now = clock.now()
    if (now - shipment.tx.at >= BUMP_MS && (await bump(shipment, alive))) return
    if (now - shipment.sentAt >= RESEND_MS) sender.send(shipment)
  }

  const isStale = ({ tx, sentAt }: Shipment): boolean =>
    clock.now() - sentAt >= RESEND_MS || clock.now() - tx.at >= BUMP_MS

  return {
    send,
    refresh,
    push: async (mined) => {
      const alive = inLine(jobs, mined, head())
      for (const nonce of byNonce.keys()) if (!alive.has(nonce)) byNonce.delete(nonce)
      for (const [nonce, { tx }] of alive) {
        // After a restart or a reorganisation, what was stored is on its way again.
        if (byNonce.get(nonce)?.tx.hash !== tx.hash) byNonce.set(nonce, { tx, sentAt: 0 })
      }
      // Only the first in line can be stuck by themselves; with a long backlog, the others wait behind them.
      const line = [...byNonce.values()].toSorted((a, b) => a.tx.nonce - b.tx.nonce).slice(0, LINE)
      for (const one of line) if (isStale(one)) await pushOne(one, alive.get(one.tx.nonce)!.jobs)
      return new Set(byNonce.keys())
    },
  }
}

type Alive = { tx: Tx; jobs: Job[] }

/** The newest transaction of each nonce that somebody living waits for. What has expired is never sent again for its own sake. */
const inLine = (jobs: Jobs, mined: number, head: Head): Map<number, Alive> => {
  const alive = new Map<number, Alive>()
  for (const job of jobs.all()) {
    const tx = job.txs.at(-1)
    if (!tx || job.waiting || job.item.settlement.at !== 'settling') continue
    if (tx.nonce < mined || isExpired(job.item, head)) continue
    const found = alive.get(tx.nonce)
    if (found?.tx.hash === tx.hash) found.jobs.push(job)
    else if (!found || found.tx.at < tx.at) alive.set(tx.nonce, { tx, jobs: [job] })
  }
  return alive
}
