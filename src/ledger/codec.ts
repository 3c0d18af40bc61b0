/** Ledger values as JSON: bigints of known fields become strings and come back as bigints. */

const BIG = new Set([
  'signed', 'credit', 'ceiling', 'exposed', 'pending', 'validAfter', 'validBefore', 'charged',
  'block', 'gas', 'maxFee', 'tip', 'perPayer', 'total', 'amount',
])

export const encode = (value: unknown): string => JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? inner.toString() : inner))

export const decode = <T>(text: string): T =>
  JSON.parse(text, (key, inner) => (typeof inner === 'string' && BIG.has(key) ? BigInt(inner) : inner))
