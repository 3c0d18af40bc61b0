import type { Head } from '../chain/chain.ts'
import type { Payable } from '../ledger/moves.ts'

/** Chain time after its end when an authorization is surely over: a reorganisation could bring back an earlier block. */
const GRACE_S = 60n

type Timed = Pick<Payable, 'validBefore'>

/** No block on top of this head can take it any more. What has no end never expires. */
export const isExpired = (item: Timed, head: Head): boolean => isPast(item, head, 0n)

/** It expired so long ago that no reorganisation will let it in either. */
export const isOver = (item: Timed, head: Head): boolean => isPast(item, head, GRACE_S)

/** It ended `by` seconds of chain time ago, or earlier. */
export const isPast = ({ validBefore }: Timed, head: Head, by: bigint): boolean =>
  validBefore > 0n && BigInt(head.timestamp) >= validBefore + by
