/** How a call is paid. `batch`: three at once, in one transaction. */
export const WAYS = ['exact-3009', 'exact-permit2', 'upto', 'deposit', 'voucher', 'batch'] as const
export type Way = (typeof WAYS)[number]

/** What a router does when it is killed: serve a call of some way, look at the chain, or pay credit out. */
export type Work = Way | 'reconcile' | 'payout'
export type Mode = 'json' | 'sse'

/**
 * Where a router can be told to die. K0 before the claim, K1 claimed, K2 about to ask the provider, K3 past the last thing that is stored before it is asked, K4
 * the bill or the stream is stored, K13 a transaction is signed with a new nonce, K9 it is stored together with the move
 * that owes it, K5 about to send it, K6 sent, K7 seen in a block, K12 the same of several, K8 booked. K11 a page of the
 * chain is booked and its cursor is not; K14 a payout is ordered. D1–D3 a deposit is judged, ordered, proven; C1–C2 a
 * claim of vouchers is judged, ordered. Latest first, so that no router dies of what the one before it left.
 */
export const POINTS: Readonly<Record<Work, readonly string[]>> = {
  'exact-3009': ['K8', 'K7', 'K6', 'K5', 'K9', 'K13', 'K4', 'K3', 'K2', 'K1', 'K0'],
  'exact-permit2': ['K8', 'K7', 'K6', 'K5', 'K9', 'K13', 'K4', 'K3', 'K2', 'K1', 'K0'],
  upto: ['K8', 'K7', 'K6', 'K5', 'K9', 'K13', 'K4', 'K3', 'K2', 'K1', 'K0'],
  deposit: ['K8', 'K7', 'K6', 'K5', 'K9', 'K13', 'K4', 'K3', 'K2', 'K1', 'K0', 'D3', 'D2', 'D1'],
  voucher: ['K8', 'K7', 'K6', 'K5', 'K9', 'K13', 'C2', 'C1', 'K4', 'K3', 'K2', 'K1', 'K0'],
  batch: ['K8', 'K12', 'K7', 'K6', 'K5', 'K9', 'K13'],
  reconcile: ['K11'],
  // One payout, and each router comes one step further with it.
  payout: ['K14', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
}

/** Points of the plan for which nothing is built yet. */
export const ABSENT = {
  K10: 'webhooks do not exist yet',
} as const

/** Before these, no provider has been asked. */
export const BEFORE_DISPATCH: ReadonlySet<string> = new Set(['K0', 'K1', 'K2', 'K3', 'D1', 'D2', 'D3'])

/** The points of a work with JSON and SSE in turn; which of them comes first, `turn` says. */
export const deathsOf = (work: Work, turn: number): { point: string; mode: Mode }[] =>
  POINTS[work].map((point, i) => ({ point, mode: (turn + i) % 2 === 0 ? 'json' : 'sse' }))
