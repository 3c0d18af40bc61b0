import { toUsd } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Proof } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import type { Log } from '../log.ts'
import type { Usd } from '../money.ts'
import { expected } from './proof.ts'

/** Whether two nodes of a chain say that a proof holds. */
export type Agreement = {
  /** True for sums that one node's word is enough for. For larger ones false means "not known yet, look again". */
  holds: (item: Payable, proof: Proof) => Promise<boolean>
}

export type AgreementFacts = {
  chain: Chain
  /** Sums above this need two nodes, in micro-dollars; undefined where there is only one. */
  above: Usd | undefined
  log: Log
}

const TRIES = 4
const BETWEEN_MS = 400

/** Reads what two nodes must agree on: one that is a block behind is given a moment. Throws the last refusal. */
export const patiently = async <T>(clock: Pick<Clock, 'sleep'>, read: () => Promise<T>): Promise<T> => {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await read()
    } catch (error) {
      if (left === 0 || !(error instanceof Refusal)) throw error
      await clock.sleep(BETWEEN_MS)
    }
  }
}

/** The receipt, its block's place in the chain and the transfer in it must be the same at two nodes. */
export const createAgreement = ({ chain, above, log }: AgreementFacts): Agreement => ({
  holds: async (item, proof) => {
    if (above === undefined || toUsd(expected(item).amount, item.decimals) <= above) return true
    try {
      const [[inclusion], [canonical]] = await Promise.all([
        chain.inclusions([proof.hash], { agreed: true }),
        chain.blockHashes([proof.block], { agreed: true }),
      ])
      if (!inclusion?.ok || inclusion.block !== proof.block) return false
      if (inclusion.blockHash !== proof.blockHash || canonical !== proof.blockHash) return false
      return isClaim(item) || inclusion.logs.some((log) => isMoveAt(log, item, proof))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      log.warn('proof_not_agreed', { item: item.id, hash: proof.hash, why: String(error.details['why']) })
      return false
    }
  },
})

// What a claim moves is known with its proof only, and may be nothing.
const isClaim = (item: Payable): boolean => item.is === 'errand' && item.task.kind === 'claim'

const isMoveAt = (log: Event, item: Payable, { logIndex }: Proof): boolean => {
  const { payTo, amount } = expected(item)
  if (log.kind !== 'transfer' || log.logIndex !== logIndex || log.token !== item.token) return false
  return log.to === payTo && log.amount === amount
}

type Event = NonNullable<Awaited<ReturnType<Chain['inclusions']>>[number]>['logs'][number]
