import { decodeAbiParameters, toEventSelector } from 'viem'
import type { Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import type { RpcResult } from './rpc.ts'

/** The newest block; `tip` is what the node suggests on top of the base fee, wei per gas, 0 when it suggests nothing. */
export type Head = { number: bigint; hash: Hex; timestamp: number; baseFee: bigint; tip: bigint }

/** A Transfer of an accepted token. */
export type TransferLog = {
  hash: Hex
  block: bigint
  blockHash: Hex
  logIndex: number
  from: Hex
  to: Hex
  amount: bigint
}

/** A transaction in a block; `gas` is what it cost, in wei, `gasUsed` how much it used. */
export type Inclusion = {
  hash: Hex
  block: bigint
  blockHash: Hex
  ok: boolean
  gas: bigint
  gasUsed: bigint
  logs: TokenEvent[]
}

export type TokenEvent =
  | { kind: 'transfer'; token: Hex; from: Hex; to: Hex; amount: bigint; logIndex: number }
  | { kind: 'used'; token: Hex; payer: Hex; nonce: Hex; logIndex: number }

export type RawBlock = { number: Hex; hash: Hex; timestamp: Hex; baseFeePerGas?: Hex }

export type RawLog = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  logIndex: Hex
  data: Hex
  topics: Hex[]
}

type RawReceipt = {
  transactionHash: Hex
  blockNumber: Hex
  blockHash: Hex
  status: Hex
  gasUsed: Hex
  effectiveGasPrice?: Hex
  l1Fee?: Hex
  logs: RawEvent[]
}

type RawEvent = { address: Hex; topics: Hex[]; data: Hex; logIndex: Hex }

/** What a node answered; throws `chain_unavailable` when that was an error. */
export const value = (result: RpcResult | undefined): unknown => {
  if (!result?.ok) throw fail('chain_unavailable', { why: result?.message })
  return result.value
}

/** A quantity or a 32-byte word; throws `chain_unavailable` on anything else, such as the "0x" of a call to no contract. */
export const numberOf = (result: RpcResult | undefined): bigint => {
  const told = value(result)
  if (typeof told !== 'string' || !/^0x[0-9a-fA-F]+$/.test(told))
    throw fail('chain_unavailable', { why: 'no number' })
  return BigInt(told)
}

export const blockOf = (result: RpcResult | undefined): RawBlock | undefined =>
  (value(result) as RawBlock | null) ?? undefined

export const logsOf = (result: RpcResult | undefined): RawLog[] => value(result) as RawLog[]

export const toHead = (block: RawBlock | undefined, tip: bigint): Head => {
  if (!block) throw fail('chain_unavailable', { why: 'no latest block' })
  return {
    number: BigInt(block.number),
    hash: block.hash,
    timestamp: Number(block.timestamp),
    baseFee: BigInt(block.baseFeePerGas ?? 0),
    tip,
  }
}

export const toTransfer = (log: RawLog): TransferLog => ({
  hash: log.transactionHash,
  block: BigInt(log.blockNumber),
  blockHash: log.blockHash,
  logIndex: Number(log.logIndex),
  from: fromTopic(log.topics[1]!),
  to: fromTopic(log.topics[2]!),
  amount: decodeAbiParameters([{ type: 'uint256' }], log.data)[0],
})

/** A receipt as facts; undefined when the transaction is in no block. */
export const toInclusion = (result: RpcResult | undefined): Inclusion | undefined => {
  const raw = value(result) as RawReceipt | null
  if (!raw) return undefined
  return {
    hash: raw.transactionHash,
    block: BigInt(raw.blockNumber),
    blockHash: raw.blockHash,
    ok: raw.status === '0x1',
    gasUsed: BigInt(raw.gasUsed),
    gas: BigInt(raw.gasUsed) * BigInt(raw.effectiveGasPrice ?? 0) + BigInt(raw.l1Fee ?? 0),
    logs: tokenEvents(raw.logs ?? []),
  }
}

// Two events with fixed layouts: decoded by hand, a receipt costs a twentieth of what a general decoder takes.
const tokenEvents = (logs: readonly RawEvent[]): TokenEvent[] =>
  logs.flatMap((log): TokenEvent[] => {
    const [topic, first, second] = log.topics
    if (first === undefined || second === undefined) return []
    const at = { token: lower(log.address), logIndex: Number(log.logIndex) }
    if (topic === TRANSFER && log.topics.length === 3 && log.data.length === WORD) {
      const [from, to] = [fromTopic(lower(first)), fromTopic(lower(second))]
      return [{ ...at, kind: 'transfer', from, to, amount: BigInt(log.data) }]
    }
    if (topic !== USED || log.topics.length !== 3) return []
    return [{ ...at, kind: 'used', payer: fromTopic(lower(first)), nonce: lower(second) }]
  })

export const TRANSFER = toEventSelector('Transfer(address,address,uint256)')
export const USED = toEventSelector('AuthorizationUsed(address,bytes32)')
/** 0x and 32 bytes. */
const WORD = 66

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

/** The address in an indexed log field. */
export const fromTopic = (word: Hex): Hex => `0x${word.slice(26)}`
