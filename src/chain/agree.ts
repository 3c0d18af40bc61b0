import type { RpcResult } from './rpc.ts'

/**
 * Whether two nodes say the same of the same calls. Hex is compared without regard to case. Of blocks, transactions,
 * receipts and logs only the fields that matter to a payment count: nodes of other makes add fields of their own. Two refusals are the same,
 * whatever their words.
 */
export const agree = (ones: readonly RpcResult[], others: readonly RpcResult[]): boolean =>
  ones.length === others.length &&
  ones.every((one, i) => {
    const other = others[i]!
    return one.ok && other.ok ? same(one.value, other.value) : one.ok === other.ok
  })

const READ: ReadonlySet<string> = new Set([
  'address',
  'baseFeePerGas',
  'blockHash',
  'blockNumber',
  'data',
  'effectiveGasPrice',
  'from',
  'gasUsed',
  'hash',
  'input',
  'l1Fee',
  'logIndex',
  'logs',
  'number',
  'status',
  'timestamp',
  'to',
  'topics',
  'transactionHash',
  'value',
])

const same = (one: unknown, other: unknown): boolean => {
  if (typeof one === 'string' && typeof other === 'string') return one.toLowerCase() === other.toLowerCase()
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((item, i) => same(item, other[i]))
  if (!isObject(one) || !isObject(other)) return one === other
  const all = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  const read = all.filter((key) => READ.has(key))
  return (read.length > 0 ? read : all).every((key) => same(one[key], other[key]))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
