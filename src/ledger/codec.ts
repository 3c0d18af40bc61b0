/** Ledger values as JSON: bigints of known fields become strings and come back as bigints. */

const BIG = new Set([
  'signed',
  'credit',
  'ceiling',
  'exposed',
  'pending',
  'validAfter',
  'validBefore',
  'charged',
  'block',
  'gas',
  'maxFee',
  'tip',
  'perPayer',
  'total',
  'amount',
  'cumulative',
  'permitted',
  'deadline',
  'refunded',
  'balance',
  'claimed',
  'max',
  'refundNonce',
  'moved',
  'value',
  'from',
  'over',
  'limit',
  'cost',
  'flagship',
])

/** Its fields are named by callers: all of them are text. */
const THEIRS = 'tags'

const UNITS = /^-?\d+$/

// Walked by hand: a replacer or a reviver makes JSON several times slower, and every move passes here four times.
export const encode = (value: unknown): string => JSON.stringify(pack(value))

/** Reads back what `encode` wrote. A posting's `credit` names an account and stays text; a call's `credit` is units. */
export const decode = <T>(text: string): T => unpack(JSON.parse(text)) as T

const pack = (value: unknown): unknown => {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(pack)
  const packed: Record<string, unknown> = {}
  for (const key in value) packed[key] = pack((value as Record<string, unknown>)[key])
  return packed
}

const unpack = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = unpack(value[i])
    return value
  }
  const object = value as Record<string, unknown>
  for (const key in object) {
    const inner = object[key]
    if (key === THEIRS) continue
    if (typeof inner === 'object') unpack(inner)
    else if (typeof inner === 'string' && BIG.has(key) && UNITS.test(inner)) object[key] = BigInt(inner)
  }
  return object
}
