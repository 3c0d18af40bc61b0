import type { ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Readiness } from './resources.ts'

/** Whether paid calls can be taken now: the ledger answers, every chain answers, and the settler has gas on each. */
export const readiness = async (
  ledger: Ledger,
  chains: ReadonlyMap<ChainId, Chain>,
  settler: Hex,
): Promise<Readiness> => {
  const problems: string[] = []
  await ledger.lastNonce('', settler).catch(() => problems.push('the ledger does not answer'))
  for (const chain of chains.values()) {
    const gas = await chain.gasBalance(settler).catch(() => undefined)
    if (gas === undefined) problems.push(`${chain.id} does not answer`)
    else if (gas === 0n) problems.push(`the settler ${settler} has no gas on ${chain.id}`)
  }
  return { ready: problems.length === 0, problems }
}
