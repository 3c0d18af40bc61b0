import type { Asset, ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Log } from '../log.ts'
import type { PaymentWay, Till } from '../quote/offers.ts'
import {
  BATCH_SETTLEMENT,
  ERC3009_COLLECTOR,
  EXACT_PROXY,
  PERMIT2,
  PERMIT2_COLLECTOR,
  UPTO_PROXY,
} from '../wire/contracts.ts'

export type PaidAsset = Asset & { payTo: Hex }

/**
 * The assets that can be paid with, each with the ways that its chain has the contracts for. An asset that is not what
 * the configuration says is switched off, with the reason in the log; the others go on.
 */
export const openTills = async (
  assets: readonly PaidAsset[],
  chains: ReadonlyMap<ChainId, Chain>,
  log: Log,
): Promise<Till[]> => {
  const tills: Till[] = []
  for (const { payTo, ...asset } of assets) {
    const chain = chains.get(asset.chain)!
    const wrong = await chain.checkAsset(asset)
    const ways = wrong === undefined ? await waysOf(chain, asset) : []
    if (ways.length > 0) tills.push({ asset, payTo, ways })
    else {
      const why = wrong ?? 'its chain lacks the contracts that its methods need'
      log.error('asset_disabled', { chain: asset.chain, symbol: asset.symbol, address: asset.address, why })
    }
  }
  if (tills.length === 0) throw new Error('No asset can be paid with: see asset_disabled above.')
  return tills
}

/** What a way of payment needs on the chain beside the token. */
const NEEDS: readonly (PaymentWay & { contracts: readonly Hex[] })[] = [
  { scheme: 'batch-settlement', method: 'eip3009', contracts: [BATCH_SETTLEMENT, ERC3009_COLLECTOR] },
  {
    scheme: 'batch-settlement',
    method: 'permit2',
    contracts: [BATCH_SETTLEMENT, PERMIT2_COLLECTOR, PERMIT2],
  },
  { scheme: 'upto', method: 'permit2', contracts: [UPTO_PROXY, PERMIT2] },
  { scheme: 'exact', method: 'eip3009', contracts: [] },
  { scheme: 'exact', method: 'permit2', contracts: [EXACT_PROXY, PERMIT2] },
]

const waysOf = async (chain: Chain, asset: Asset): Promise<PaymentWay[]> => {
  const ways: PaymentWay[] = []
  for (const { scheme, method, contracts } of NEEDS) {
    if (!asset.methods.includes(method)) continue
    // One channel offer for a token is enough: its own authorizations need no allowance.
    if (scheme === 'batch-settlement' && ways.some((way) => way.scheme === scheme)) continue
    const codes = await Promise.all(contracts.map((one) => chain.code(one)))
    if (codes.every((code) => code !== 'none')) ways.push({ scheme, method })
  }
  return ways
}
