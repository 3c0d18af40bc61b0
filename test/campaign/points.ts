/** How a call is paid. `batch`: three at once, in one transaction. */
export const WAYS = ['exact-3009', 'exact-permit2', 'upto', 'deposit', 'voucher', 'batch'] as const
export type Way = (typeof WAYS)[number]

/** What a router does when it is killed: serve a call of some way, look at the chain, or pay credit out. */
export type Work = Way | 'reconcile' | 'payout'
export type Mode = 'json' | 'sse'
export type Case = { work: Work; point: string; mode: Mode }

/**
 * Where a router can be told to die. K0 before the claim, K1 claimed, K2 about to ask the provider, K3 that is stored, K4
 * the bill or the stream is stored, K13 a transaction is signed with a new nonce, K9 it is stored together with the move
 * that owes it, K5 about to send it, K6 sent, K7 seen in a block, K12 the same of several, K8 booked. K11 a page of the
 * chain is booked and its cursor is not; K14 a payout is ordered. D1–D3 a deposit is judged, ordered, proven; C1–C2 a
 * claim of vouchers is judged, ordered.
 */
export const POINTS: Readonly<Record<Work, readonly string[]>> = {
  'exact-3009': ['K0', 'K1', 'K2', 'K3', 'K4', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
  'exact-permit2': ['K0', 'K1', 'K2', 'K3', 'K4', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
  upto: ['K0', 'K1', 'K2', 'K3', 'K4', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
  deposit: ['D1', 'D2', 'D3', 'K0', 'K1', 'K2', 'K3', 'K4', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
  voucher: ['K0', 'K1', 'K2', 'K3', 'K4', 'C1', 'C2', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
  batch: ['K13', 'K9', 'K5', 'K6', 'K7', 'K12', 'K8'],
  reconcile: ['K11'],
  payout: ['K14', 'K13', 'K9', 'K5', 'K6', 'K7', 'K8'],
}

/** Points of the plan for which nothing is built yet. */
export const ABSENT = {
  K10: 'webhooks do not exist yet',
  K15: 'Redis does not exist yet: a ledger belongs to one process',
} as const

/** Before these, no provider has been asked. */
export const BEFORE_DISPATCH: ReadonlySet<string> = new Set(['K0', 'K1', 'K2', 'K3', 'D1', 'D2', 'D3'])

/** Every point of every work, JSON and SSE in turn; `both`: each in both. */
export const cases = (both = false): Case[] =>
  (Object.keys(POINTS) as Work[]).flatMap((work, row) =>
    POINTS[work].flatMap((point, column): Case[] => {
      const modes: Mode[] = (row + column) % 2 === 0 ? ['json', 'sse'] : ['sse', 'json']
      return (both ? modes : modes.slice(0, 1)).map((mode) => ({ work, point, mode }))
    }),
  )
