import type { Head } from '../chain/chain.ts'
import { payableOf } from '../ledger/payable.ts'
import { reasonOf } from '../log.ts'
import { createSettler, type Settler, type SettlerFacts } from './settler.ts'

/** A settler of one of several instances: it moves money while it leads, and leaves that to who does otherwise. */
export type Elected = Settler & {
  /** Takes over from whoever led before. Rejects when ledger or chain cannot be read. */
  lead: () => Promise<void>
  /** Stops moving money: what is not sent is the next leader's. */
  follow: () => Promise<void>
}

/** How often the ledger is asked what became of a payment that another instance moves, ms. */
const OUTCOME_MS = 150

/**
 * Many instances, one key, one of them using it. The others store that money is due, and the leader finds it in the
 * journal (`adopt`); a receipt then names the authorization, and the transaction is looked up later.
 */
export const createElected = (facts: SettlerFacts): Elected => {
  const { ledger, chain, clock, log, pollMs } = facts
  let leader: Settler | undefined
  let head: Head = { number: 0n, hash: '0x', timestamp: 0, baseFee: 0n, tip: 0n }
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined

  const look = (): Promise<void> => {
    looking ??= chain
      .head()
      .then((now) => {
        head = now
      })
      .catch((error) => log.warn('settler_tick_failed', { chain: chain.id, why: reasonOf(error) }))
      .finally(() => {
        looking = undefined
      })
    return looking
  }
  const schedule = () => {
    timer = setTimeout(
      () => void (leader ? Promise.resolve() : look()).then(() => timer && schedule()),
      pollMs,
    )
  }
  const nonces: Settler['nonces'] = {
    resume: (...args) => leaderNow().nonces.resume(...args),
    take: () => leaderNow().nonces.take(),
    keep: (nonce) => leader?.nonces.keep(nonce),
    giveBack: (nonce) => leader?.nonces.giveBack(nonce),
    atLeast: (mined) => leader?.nonces.atLeast(mined),
    gaps: (...args) => leader?.nonces.gaps(...args) ?? [],
  }
  const leaderNow = (): Settler => {
    if (!leader) throw new Error('this instance does not settle')
    return leader
  }
  return {
    pay: (item, post, when) => (leader ? leader.pay(item, post, when) : post({ due: true })),
    order: (errand) => (leader ? leader.order(errand) : ledger.post({ type: 'order', errand })),
    adopt: async (item) => leader?.adopt(item),
    has: (id) => leader?.has(id) ?? false,
    outcome: async (id, signal) => {
      // Whoever leads when it ends, the ledger knows.
      for (let now = await payableOf(ledger, id); ; now = await payableOf(ledger, id)) {
        if (!now || now.settlement.at === 'settled' || now.settlement.at === 'lost' || signal.aborted)
          return now
        await clock.sleep(OUTCOME_MS)
      }
    },
    tick: () => leader?.tick() ?? look(),
    head: () => leader?.head() ?? head,
    nonces,
    pending: () => leader?.pending() ?? 0,
    start: async () => {
      await look()
      schedule()
    },
    lead: async () => {
      const next = createSettler(facts)
      await next.start()
      leader = next
    },
    follow: async () => {
      const last = leader
      leader = undefined
      if (last) head = last.head()
      await last?.stop()
    },
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      await looking
      const last = leader
      leader = undefined
      await last?.stop()
    },
  }
}
