import { setTimeout as sleep } from 'node:timers/promises'
import type { Hex } from 'viem'
import { rpc } from '../../src/cli/demo/localnet.ts'
import { PAY_TO } from '../support/world.ts'
import type { Moved } from './oracle.ts'

type Place = { url: string; token: Hex; since: number }

type Log = { topics: Hex[]; data: Hex; transactionHash: Hex; blockNumber: Hex; logIndex: Hex }

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
const TILL = `0x${PAY_TO.slice(2).padStart(64, '0')}`
const EVERY_MS = 20
const OVERLAP = 4

/** Looks at the chain all the time, and remembers when each payment was first in a block. */
export const watchTill = ({ url, token, since }: Place) => {
  const first = new Map<string, number>()
  let from = since + 1
  let stopped = false
  let before = Date.now()
  const look = async () => {
    const began = Date.now()
    const head = Number(await rpc<Hex>(url, 'eth_blockNumber'))
    const logs = await logsOf({ url, token, since: from - 1 })
    // The last look did not show it, so it came after that one began.
    for (const one of paymentsIn(logs)) if (!first.has(keyOf(one))) first.set(keyOf(one), before)
    before = began
    from = Math.max(since + 1, head - OVERLAP)
  }
  const running = (async () => {
    while (!stopped) {
      await look().catch(() => {})
      await sleep(EVERY_MS)
    }
  })()
  return {
    /** What the chain says now, each with when it was seen first. */
    moved: async (): Promise<Moved[]> => {
      if (Number(await rpc<Hex>(url, 'eth_blockNumber')) <= since) return []
      const all = paymentsIn(await logsOf({ url, token, since }))
      const made = await timesOf(
        url,
        all.map((one) => one.block),
      )
      // Never later than it was made: who looks at the chain more often than we do knew it then.
      return all.map(({ block, ...one }) => ({
        ...one,
        at: Math.min(first.get(keyOf(one)) ?? Number.POSITIVE_INFINITY, made.get(block)!),
      }))
    },
    stop: async () => {
      stopped = true
      await running
    },
  }
}

const timesOf = async (url: string, blocks: readonly Hex[]): Promise<Map<Hex, number>> => {
  const times = new Map<Hex, number>()
  for (const block of new Set(blocks)) {
    const { timestamp } = await rpc<{ timestamp: Hex }>(url, 'eth_getBlockByNumber', [block, false])
    times.set(block, Number(timestamp) * 1000)
  }
  return times
}

type Seen = Omit<Moved, 'at'> & { block: Hex }

const keyOf = ({ payer, nonce }: Omit<Moved, 'at'>): string => `${payer} ${nonce ?? ''}`

const logsOf = ({ url, token, since }: Place): Promise<Log[]> => {
  const fromBlock = `0x${(since + 1).toString(16)}`
  return rpc<Log[]>(url, 'eth_getLogs', [
    { address: token, fromBlock, toBlock: 'latest', topics: [[TRANSFER, USED]] },
  ])
}

/** The transfers to the till; the token says which nonce was used right before it moves the money. */
const paymentsIn = (logs: readonly Log[]): Seen[] => {
  const found: Seen[] = []
  const used = new Map<string, Hex[]>()
  for (const { topics, data, transactionHash, blockNumber } of logs) {
    const payer = `0x${topics[1]!.slice(26)}`
    const key = `${transactionHash} ${payer}`
    if (topics[0] === USED) {
      used.set(key, [...(used.get(key) ?? []), topics[2]!])
    } else if (topics[2] === TILL) {
      const nonce = used.get(key)?.shift()
      found.push({ payer, units: BigInt(data), block: blockNumber, ...(nonce !== undefined && { nonce }) })
    }
  }
  return found
}

/** Transactions that an account has in blocks, and the nonces that they used. */
export const noncesOf = async ({ url, since }: Omit<Place, 'token'>, account: Hex): Promise<number[]> => {
  const head = Number(await rpc<Hex>(url, 'eth_blockNumber'))
  const nonces: number[] = []
  for (let block = since + 1; block <= head; block++) {
    const { transactions } = await rpc<{ transactions: { from: Hex; nonce: Hex }[] }>(
      url,
      'eth_getBlockByNumber',
      [`0x${block.toString(16)}`, true],
    )
    for (const { from, nonce } of transactions)
      if (from.toLowerCase() === account.toLowerCase()) nonces.push(Number(nonce))
  }
  return nonces
}
