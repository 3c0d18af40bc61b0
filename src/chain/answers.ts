import { decodeAbiParameters, type Log, parseEventLogs } from 'viem'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
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

/** A transaction in a block; `gas` is what it cost, in wei. */
export type Inclusion = {
  hash: Hex
  block: bigint
  blockHash: Hex
  ok: boolean
  gas: bigint
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
  logs: Log[]
}

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
    gas: BigInt(raw.gasUsed) * BigInt(raw.effectiveGasPrice ?? 0) + BigInt(raw.l1Fee ?? 0),
    logs: tokenEvents(raw.logs ?? []),
  }
}

const tokenEvents = (logs: Log[]): TokenEvent[] =>
  parseEventLogs({ abi: eip3009Abi, logs, eventName: ['Transfer', 'AuthorizationUsed'] }).map(
    (log): TokenEvent => {
      const at = { token: lower(log.address), logIndex: Number(log.logIndex) }
      return log.eventName === 'Transfer'
        ? {
            ...at,
            kind: 'transfer',
            from: lower(log.args.from),
            to: lower(log.args.to),
            amount: log.args.value,
          }
        : { ...at, kind: 'used', payer: lower(log.args.authorizer), nonce: lower(log.args.nonce) }
    },
  )

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

/** The address in an indexed log field. */
export const fromTopic = (word: Hex): Hex => `0x${word.slice(26)}`
