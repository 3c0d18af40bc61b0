import { type Headers, inTurns, presign } from '../payments.ts'
import type { Cast } from './cast.ts'
import { PAID, payments, WAYS } from './paid.ts'

/** What a caller may send Farebox: no payment, a payment of 0 that its credit covers, or money by one of the schemes. */
export const KINDS = ['402', 'credit', ...WAYS] as const
export type Kind = (typeof KINDS)[number]

/** The rows of each. */
export const ROWS: Readonly<Record<Kind, string>> = {
  '402': 'Farebox 402',
  credit: 'Farebox on credit',
  ...PAID,
}

/** The status that such a call is answered with. */
export const asked = (kind: Kind): 200 | 402 => (kind === '402' ? 402 : 200)

/** The headers of so many calls of a kind, signed. */
export const requestsOf = async (
  cast: Cast,
  kind: Kind,
  { url, body, calls }: { url: string; body: string; calls: number },
): Promise<Headers[]> => {
  if (kind === '402') return Array.from({ length: calls }, () => ({}))
  if (kind === 'credit')
    return presign(cast.world, { url, body, payers: inTurns(cast.payers, calls), named: true })
  return payments(cast, { url, body, calls, way: kind })
}
