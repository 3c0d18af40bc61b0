import { createPublicClient, http, type PublicClient, parseAbi } from 'viem'
import type { ChainId, Hex } from '../assets.ts'
import { BATCH_SETTLEMENT, PERMIT2 } from '../wire/contracts.ts'

/** What a client may ask a chain; each rejects when the chain cannot be asked. */
export type ChainReads = {
  /** Units of a token that Permit2 may move for an owner. */
  allowance: (token: Hex, owner: Hex) => Promise<bigint>
  /** The next EIP-2612 nonce of an owner. */
  permitNonce: (token: Hex, owner: Hex) => Promise<bigint>
  /** The next transaction of an account, and what one costs now, in wei per gas. */
  transaction: (from: Hex) => Promise<{ nonce: number; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }>
  /** What a channel holds and what was claimed of it, in token units since it was opened. */
  channel: (id: Hex) => Promise<{ balance: bigint; totalClaimed: bigint }>
}

const ABI = parseAbi([
  'function allowance(address owner, address spender) view returns (uint256)',
  'function nonces(address owner) view returns (uint256)',
  'function channels(bytes32 id) view returns (uint128 balance, uint128 totalClaimed)',
])
const TIMEOUT_MS = 10_000
/** What a transfer of fees is estimated at where the chain names none. */
const GWEI = 1_000_000_000n

/** Reads of the chains that an RPC URL is given for; undefined for any other. */
export const openReads = (
  urls: Readonly<Record<string, string>> = {},
): ((chain: ChainId) => ChainReads | undefined) => {
  const open = new Map<string, ChainReads>()
  return (chain) => {
    const url = urls[chain]
    if (url === undefined) return undefined
    const known = open.get(chain)
    if (known) return known
    const transport = http(url, { timeout: TIMEOUT_MS, retryCount: 1 })
    const made = readsOf(createPublicClient({ transport }))
    open.set(chain, made)
    return made
  }
}

const readsOf = (client: PublicClient): ChainReads => ({
  allowance: (address, owner) =>
    client.readContract({ address, abi: ABI, functionName: 'allowance', args: [owner, PERMIT2] }),
  permitNonce: (address, owner) =>
    client.readContract({ address, abi: ABI, functionName: 'nonces', args: [owner] }),
  transaction: async (address) => {
    const [nonce, fees] = await Promise.all([
      client.getTransactionCount({ address, blockTag: 'pending' }),
      client.estimateFeesPerGas().catch(() => ({ maxFeePerGas: GWEI, maxPriorityFeePerGas: GWEI / 10n })),
    ])
    return { nonce, ...fees }
  },
  channel: async (id) => {
    const [balance, totalClaimed] = await client.readContract({
      address: BATCH_SETTLEMENT,
      abi: ABI,
      functionName: 'channels',
      args: [id],
    })
    return { balance, totalClaimed }
  },
})
