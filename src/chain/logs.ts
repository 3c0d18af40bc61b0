import type { Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import { blockOf, logsOf, numberOf, type RawLog } from './answers.ts'
import type { Rpc, RpcCall } from './rpc.ts'

/** `null` is any value, a list any of its values. */
export type LogFilter = { address: Hex; topics: (Hex | readonly Hex[] | null)[] }

export type LogReader = {
  /** Every matching log of the blocks `from` to `to`, oldest first. */
  all: (filter: LogFilter, from: bigint, to: bigint) => Promise<RawLog[]>
  /**
   * A matching log of block `to` or an older one, searched back until blocks are older than `since` (unix seconds).
   * Undefined means that there is none: a node that has not seen block `to` yet is not believed, `chain_unavailable`.
   */
  newest: (filter: LogFilter, since: number, to: bigint) => Promise<RawLog | undefined>
  /** All that `newest` would look at, newest range first. */
  since: (filter: LogFilter, since: number, to: bigint) => Promise<RawLog[]>
}

const WIDEST = 2_000n
const NARROWEST = 10n

/** Reads logs in ranges as wide as the node answers: each refusal narrows them, down to ten blocks. */
export const createLogReader = (rpc: Rpc): LogReader => {
  let range = WIDEST

  const narrower = (): boolean => {
    if (range === NARROWEST) return false
    range = range / 4n > NARROWEST ? range / 4n : NARROWEST
    return true
  }

  const back = async (filter: LogFilter, since: number, to: bigint, one: boolean): Promise<RawLog[]> => {
    const found: RawLog[] = []
    for (let end = to; ; ) {
      const start = end >= range ? end - range + 1n : 0n
      const calls = [{ method: 'eth_blockNumber', params: [] }, getLogs(filter, start, end), getBlock(start)]
      const [tip, logs, oldest] = await rpc.batch(calls)
      if (numberOf(tip) < end) throw fail('chain_unavailable', { why: 'the node is behind' })
      if (!logs?.ok && narrower()) continue
      found.push(...logsOf(logs))
      if (one && found.length > 0) return found
      const block = blockOf(oldest)
      if (!block) throw fail('chain_unavailable', { why: 'the node lacks a block' })
      if (start === 0n || Number(block.timestamp) < since) return found
      end = start - 1n
    }
  }

  return {
    all: async (filter, from, to) => {
      const found: RawLog[] = []
      for (let start = from; start <= to; ) {
        const end = start + range - 1n < to ? start + range - 1n : to
        const [logs] = await rpc.batch([getLogs(filter, start, end)])
        if (!logs?.ok && narrower()) continue
        found.push(...logsOf(logs))
        start = end + 1n
      }
      return found
    },
    newest: async (filter, since, to) => (await back(filter, since, to, true))[0],
    since: (filter, since, to) => back(filter, since, to, false),
  }
}

const getLogs = ({ address, topics }: LogFilter, from: bigint, to: bigint): RpcCall => ({
  method: 'eth_getLogs',
  params: [{ address, topics, fromBlock: quantity(from), toBlock: quantity(to) }],
})

const getBlock = (block: bigint): RpcCall => ({
  method: 'eth_getBlockByNumber',
  params: [quantity(block), false],
})

/** A number as JSON-RPC wants it. */
export const quantity = (block: bigint): Hex => `0x${block.toString(16)}`
