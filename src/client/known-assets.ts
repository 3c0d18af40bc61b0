import { knownAssets } from '../assets/known.ts'
import type { ChainId, Hex } from '../assets.ts'

/** A dollar token that a policy lets us pay with; `address` in lower case. One whole token counts as one dollar. */
export type PayAsset = { chain: ChainId; address: Hex; decimals: number; symbol: string }

/** USDC and USDT on the main chains and their test nets: what a policy allows before it names anything. */
export const KNOWN_ASSETS: readonly PayAsset[] = knownAssets.map(({ chain, address, decimals, symbol }) => ({
  chain,
  address,
  decimals,
  symbol,
}))
