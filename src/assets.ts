/** The stablecoins we take, by chain; the only place where dollars become token units and back. */
import { ceilDiv, type Usd } from './money.ts'

export type Hex = `0x${string}`
export type ChainId = `eip155:${number}`
export type TransferMethod = 'eip3009' | 'permit2'

/** A token we accept: its lower-case address, decimals, and the EIP-712 domain its authorizations are signed under. */
export type Asset = {
  chain: ChainId
  address: Hex
  symbol: string
  decimals: number
  name: string
  version: string
  methods: readonly TransferMethod[]
  /** The token takes EIP-2612 permits, signed under the same domain; without it an allowance needs a transaction. */
  eip2612?: boolean
  /** The page that says so. */
  source?: string
}

/** How an asset's book is named in the ledger: `eip155:8453/0x833…`. */
export const assetKey = (asset: { chain: ChainId; address: Hex }): string => `${asset.chain}/${asset.address}`

/** The numeric chain id of a CAIP-2 id: 8453 for `eip155:8453`. */
export const chainNumber = (chain: ChainId): number => Number(chain.slice('eip155:'.length))

/** Token units that buy `usd`, rounded up: what we charge. */
export const toUnits = (usd: Usd, decimals: number): bigint =>
  decimals >= 6 ? usd * 10n ** BigInt(decimals - 6) : ceilDiv(usd, 10n ** BigInt(6 - decimals))

/** Micro-dollars that `units` are worth, rounded down: what we credit. */
export const toUsd = (units: bigint, decimals: number): Usd =>
  (decimals >= 6 ? units / 10n ** BigInt(decimals - 6) : units * 10n ** BigInt(6 - decimals)) as Usd

/** Network names of x402 v1 for the chains that had one; a chain without a name cannot be paid on by a v1 client. Source: x402 v1 specification, `EVM_NETWORK_CHAIN_ID_MAP` of @x402/evm. */
export const V1_NETWORKS: Readonly<Record<number, string>> = {
  8453: 'base',
  84532: 'base-sepolia',
  43114: 'avalanche',
  43113: 'avalanche-fuji',
  137: 'polygon',
  80002: 'polygon-amoy',
  1329: 'sei',
  1328: 'sei-testnet',
  4689: 'iotex',
  2741: 'abstract',
  11124: 'abstract-testnet',
  3338: 'peaq',
  1514: 'story',
  41923: 'educhain',
  324705682: 'skale-base-sepolia',
}
