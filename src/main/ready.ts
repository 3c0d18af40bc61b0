import type { ChainId } from '../assets.ts'
import type { Config } from '../config.ts'
import type { ReadinessFacts } from '../http/ready-facts.ts'
import type { Store } from '../store/store.ts'
import type { Base } from './base.ts'

/** What /readyz looks at. */
export const readinessFacts = (config: Config, base: Base, leaving: () => boolean): ReadinessFacts => {
  const { url, coinbase } = config.facilitator
  const { store } = base.fleet
  return {
    ledger: base.ledger,
    ...(store && { storeNow: () => timeOf(store) }),
    settler: base.account.address,
    clock: base.clock,
    leaving,
    chains: config.chains.map(({ id, rpc, maxFeeGwei, maxHeadAgeSeconds }) => ({
      id: id as ChainId,
      rpc,
      maxFee: BigInt(Math.round(maxFeeGwei * 1e9)),
      maxAgeSeconds: maxHeadAgeSeconds,
      relayed: coinbase || url !== undefined,
    })),
  }
}

/** What the store's own clock says, ms. */
const timeOf = async (store: Store): Promise<number> => {
  const [seconds, micros] = (await store.read('TIME')) as [string, string]
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}
