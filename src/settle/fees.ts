import type { Fees } from '../chain/transaction.ts'

/** Fees that never pass `most` wei per gas. */
export const capped = ({ maxFee, tip }: Fees, most: bigint): Fees => {
  const least = smaller(maxFee, most)
  return { maxFee: least, tip: smaller(tip, least) }
}

/**
 * The fees of a replacement, or undefined when the transaction should stand as it is: it pays what blocks ask now, or a
 * dearer one would pass `most`. `wanted`: what a new transaction would pay.
 */
export const dearer = (paid: Fees, baseFee: bigint, wanted: Fees, most: bigint): Fees | undefined => {
  const behind = paid.maxFee < baseFee + paid.tip || paid.tip < wanted.tip
  const least = raised(paid)
  if (!behind || least.maxFee > most) return undefined
  return capped({ maxFee: larger(wanted.maxFee, least.maxFee), tip: larger(wanted.tip, least.tip) }, most)
}

/** An eighth more: nodes take a replacement when both fees rise by a tenth. */
export const raised = ({ maxFee, tip }: Fees): Fees => ({ maxFee: eighthMore(maxFee), tip: eighthMore(tip) })

const eighthMore = (wei: bigint): bigint => (wei * 9n) / 8n + 1n
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
