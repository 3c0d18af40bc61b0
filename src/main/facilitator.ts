import { assetKey, type ChainId, toUsd } from '../assets.ts'
import type { Deps } from '../call/deps.ts'
import type { Chain } from '../chain/chain.ts'
import type { Config } from '../config.ts'
import { facilitatorResources } from '../http/facilitator.ts'
import type { Resource } from '../http/resources.ts'
import type { Call } from '../ledger/call.ts'
import type { Log } from '../log.ts'
import type { Usd } from '../money.ts'
import { createFacilitator } from '../payment/facilitate.ts'
import { createAgreement } from '../settle/agreement.ts'
import { openCoinbase } from '../settle/coinbase.ts'
import { createRelay, type Relay } from '../settle/relay.ts'
import type { SettlerFacts } from '../settle/settler.ts'

/** The facilitator that settles for us, if one is configured. Throws when its package or keys are missing. */
export const openRelay = async (config: Config): Promise<Relay | undefined> => {
  const { url, coinbase, timeoutMs } = config.facilitator
  const { id, secret, key } = config.secrets.facilitator
  const bearer = async (): Promise<Record<string, string>> =>
    key === undefined ? {} : { authorization: `Bearer ${key}` }
  const to = coinbase ? await openCoinbase({ id, secret }) : url !== undefined && { url, headers: bearer }
  if (!to) return undefined
  const assets = new Map(config.assets.map((one) => [assetKey(one), one]))
  const assetOf = (call: { chain: ChainId; token: `0x${string}` }) =>
    assets.get(assetKey({ chain: call.chain, address: call.token }))
  return createRelay({ ...to, timeoutMs, assetOf })
}

/** What a settler needs beside its chain and key: who relays for it, and when two nodes must agree. */
export const settlerExtras = (
  config: Config,
  chain: Chain,
  relay: Relay | undefined,
  log: Log,
): Pick<SettlerFacts, 'relay' | 'agreement'> => {
  const { fallback, fallbackAfterMs } = config.facilitator
  const ownAfterMs = fallback === 'own' ? fallbackAfterMs : undefined
  const agreement = createAgreement({ chain, above: agreeAbove(config, chain.id), log })
  return { agreement, ...(relay && { relay: { to: relay, ownAfterMs } }) }
}

/** Whether two nodes must agree on what the payer of a call holds. */
export const needsTwo = (config: Config, call: Call): boolean => {
  const above = agreeAbove(config, call.chain)
  return above !== undefined && toUsd(call.signed, call.decimals) > above
}

// Undefined where there is only one node.
const agreeAbove = (config: Config, id: ChainId): Usd | undefined => {
  const chain = config.chains.find((one) => one.id === id)!
  return new Set(chain.rpc).size < 2 ? undefined : chain.agreeAboveUsd
}

/** The doors of the facilitator that we are to others: none unless it is switched on. */
export const facilitatorDoors = (
  config: Config,
  deps: Deps,
  chains: ReadonlyMap<ChainId, Chain>,
): Resource[] => {
  const { enabled, maxOpen, timeoutMs } = config.facilitator.serve
  if (!enabled) return []
  const facilitator = createFacilitator({
    ledger: deps.ledger,
    tills: deps.offers.tills,
    chainOf: (id) => chains.get(id)!,
    settlerOf: deps.settler,
    checkSignature: deps.checkSignature,
    contracts: config.payers.contracts === 'settle-first',
    settler: deps.account.address,
    clock: deps.clock,
    maxOpen,
    timeoutMs,
  })
  return facilitatorResources({ facilitator, keys: config.secrets.facilitator.keys })
}
