/** What a payment must at least be worth for its gas, from figures alone. Gas in units of gas, fees in wei per gas. */
import { type Asset, toUnits } from '../assets.ts'
import type { Head } from '../chain/chain.ts'
import { EXACT_PERMIT2_GAS, UPTO_GAS } from '../chain/gas.ts'
import { TRANSFER_GAS } from '../chain/transaction.ts'
import { ceilDiv, NO_MONEY, type Usd } from '../money.ts'
import type { PaymentWay } from '../quote/offers.ts'

/** What an operator said of its chain and of gas; without `nativeUsd` any payment is worth its gas. */
export type GasPolicy = {
  /** What the chain's coin is worth. */
  nativeUsd: Usd | undefined
  /** Most of a payment that its gas may cost, millionths. */
  share: bigint
}

const WEI = 10n ** 18n
const ALL = 1_000_000n

/** What gas costs in dollars, rounded up. */
export const usdOfGas = (wei: bigint, nativeUsd: Usd): Usd => ceilDiv(wei * nativeUsd, WEI) as Usd

/** The least payment whose gas, in a transaction of its own and at the fees of `head`, stays within its share; 0 when nobody said what gas is worth. */
export const leastWorth = (policy: GasPolicy, way: PaymentWay, head: Pick<Head, 'baseFee' | 'tip'>): Usd => {
  const { nativeUsd, share } = policy
  if (nativeUsd === undefined || share === 0n) return NO_MONEY
  const cost = usdOfGas(gasOf(way) * (head.baseFee + head.tip), nativeUsd)
  return ceilDiv(cost * ALL, share) as Usd
}

/** The same in token units. */
export const leastUnits = (
  policy: GasPolicy,
  way: PaymentWay,
  head: Pick<Head, 'baseFee' | 'tip'>,
  asset: Pick<Asset, 'decimals'>,
): bigint => toUnits(leastWorth(policy, way, head), asset.decimals)

// A voucher costs no gas of its own: its channel is claimed when it is worth it.
const gasOf = ({ scheme, method }: PaymentWay): bigint => {
  if (scheme === 'batch-settlement') return 0n
  if (scheme === 'upto') return UPTO_GAS
  return method === 'permit2' ? EXACT_PERMIT2_GAS : TRANSFER_GAS
}
