import type { ChainId, Hex } from '../assets.ts'
import { blockOf, type Head, numberOf, toHead } from './answers.ts'
import { createRpc, type RpcCall } from './rpc.ts'

/** What one node says of its chain now: which one it is, its newest block, and what an account holds there, wei. */
export type NodeView = { chain: ChainId; head: Head; gas: bigint }

export type Node = {
  /** Rejects with `chain_unavailable` when it says nothing of use, within about six seconds. */
  look: (account: Hex) => Promise<NodeView>
  close: () => Promise<void>
}

const CALLS: readonly RpcCall[] = [
  { method: 'eth_chainId', params: [] },
  { method: 'eth_getBlockByNumber', params: ['latest', false] },
  { method: 'eth_maxPriorityFeePerGas', params: [] },
]

/** Looks at a single node, in one request. Unlike `createChain` it believes a node of another chain, so that it can be told. */
export const createNode = (url: string): Node => {
  const rpc = createRpc([url])
  return {
    look: async (account) => {
      const balance = { method: 'eth_getBalance', params: [account, 'latest'] }
      const [id, block, tip, gas] = await rpc.batch([...CALLS, balance])
      const chain: ChainId = `eip155:${Number(numberOf(id))}`
      return { chain, head: toHead(blockOf(block), tip?.ok ? numberOf(tip) : 0n), gas: numberOf(gas) }
    },
    close: rpc.close,
  }
}
