import { chainNumber } from '../assets.ts'
import type { Chain, Head } from '../chain/chain.ts'
import { type Settler as Account, type Fees, signTransaction } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { capped, raised } from './fees.ts'
import type { Nonces } from './nonces.ts'

export type FillerFacts = {
  chain: Chain
  account: Account
  clock: Clock
  log: Log
  nonces: Nonces
  head: () => Head
  maxFee: bigint
}

export type Filler = {
  /** Fills the gaps that transactions with the nonces in `waiting` are stuck behind; `mined` is the next nonce of the chain. */
  fill: (mined: number, waiting: ReadonlySet<number>) => Promise<void>
}

const RETRY_MS = 10_000
/** 21,000 for a plain account; one that is delegated also runs its code. What is not used is not paid for. */
const SELF_TRANSFER_GAS = 60_000n

/** Uses up a nonce that later ones wait behind, by paying nothing to ourselves. Nothing is stored: a gap is found again. */
export const createFiller = ({ chain, account, clock, log, nonces, head, maxFee }: FillerFacts): Filler => {
  const sent = new Map<number, { fees: Fees; at: number }>()

  const nothing = async (nonce: number) => {
    // Each try pays more than the last: a payment that was given up may still hold the nonce in some mempool.
    const fees = capped(raised(sent.get(nonce)?.fees ?? chain.fees(head())), maxFee)
    sent.set(nonce, { fees, at: clock.now() })
    log.warn('nonce_filled', { chain: chain.id, nonce })
    const chainId = chainNumber(chain.id)
    const unsigned = {
      chainId,
      nonce,
      to: account.address,
      data: '0x',
      gas: SELF_TRANSFER_GAS,
      fees,
    } as const
    return (await signTransaction(account, unsigned)).raw
  }

  return {
    fill: async (mined, waiting) => {
      for (const nonce of sent.keys()) if (nonce < mined) sent.delete(nonce)
      const gaps = nonces.gaps(mined, waiting)
      const due = gaps.filter((nonce) => clock.now() - (sent.get(nonce)?.at ?? 0) >= RETRY_MS)
      for (const why of await chain.send(await Promise.all(due.map(nothing)))) {
        if (why !== undefined) log.warn('nonce_not_filled', { chain: chain.id, why })
      }
    },
  }
}
