import type { ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Till } from './compare.ts'
import { createReconciler } from './worker.ts'

export type StartFacts = {
  ledger: Ledger
  clock: Clock
  log: Log
  probe: (point: string) => void
  tills: readonly Till[]
  settler: Hex
  chains: ReadonlyMap<ChainId, Chain>
  confirmations: (chain: ChainId) => number
  everySeconds: number
  overlapBlocks: number
  from?: number | undefined
}

/** Keeps looking at every chain until it is stopped; `stop` resolves when no look is under way any more. */
export const startReconcilers = (facts: StartFacts): { stop: () => Promise<void> } => {
  const ending = new AbortController()
  const from = facts.from === undefined ? undefined : BigInt(facts.from)
  const runs = [...facts.chains.values()].map((chain) =>
    createReconciler({ ...facts, chain, from, confirmations: facts.confirmations(chain.id) }).run(
      ending.signal,
    ),
  )
  return {
    stop: async () => {
      ending.abort()
      await Promise.all(runs)
    },
  }
}
