/** USDC and USDT on the main chains and their test nets, so that an operator names a token and the table knows the rest. */
import { type Asset, type ChainId, chainNumber } from '../assets.ts'

/** A row of the table, with the public page that its address comes from. */
export type KnownAsset = Asset & { eip2612: boolean; source: string }

/** The chains of the table, by number. Source: chainid.network. */
// biome-ignore format: a row is a line.
export const CHAIN_NAMES: Readonly<Record<number, { name: string; testnet: boolean }>> = {
  1: { name: 'Ethereum', testnet: false },
  10: { name: 'OP Mainnet', testnet: false },
  56: { name: 'BNB Smart Chain', testnet: false },
  97: { name: 'BNB Smart Chain Testnet', testnet: true },
  137: { name: 'Polygon', testnet: false },
  8453: { name: 'Base', testnet: false },
  42161: { name: 'Arbitrum One', testnet: false },
  42220: { name: 'Celo', testnet: false },
  43113: { name: 'Avalanche Fuji', testnet: true },
  43114: { name: 'Avalanche', testnet: false },
  80002: { name: 'Polygon Amoy', testnet: true },
  84532: { name: 'Base Sepolia', testnet: true },
  421614: { name: 'Arbitrum Sepolia', testnet: true },
  11142220: { name: 'Celo Sepolia', testnet: true },
  11155111: { name: 'Sepolia', testnet: true },
  11155420: { name: 'OP Sepolia', testnet: true },
}

const CIRCLE = 'https://developers.circle.com/stablecoins/usdc-contract-addresses'
const TETHER = 'https://tether.to/en/supported-protocols'
const USDT0 = 'https://docs.usdt0.to/technical-documentation/deployments'
const SUPERCHAIN =
  'https://github.com/ethereum-optimism/ethereum-optimism.github.io/blob/master/data/USDT/data.json'
const BASESCAN = 'https://basescan.org/token/0xfde4c96c8593536e31f229ea8f37b2ada2699bb2'
const BSCSCAN = 'https://bscscan.com/token/'

const BOTH = ['eip3009', 'permit2'] as const
const EIP3009 = ['eip3009'] as const
const PERMIT2 = ['permit2'] as const

// Circle's FiatTokenV2: its domain is not named alike everywhere, so the name stands in the row.
const USDC = { symbol: 'USDC', decimals: 6, version: '2', eip2612: true, source: CIRCLE } as const
// A Tether token that takes signatures by itself; `name` is that of its domain.
const SIGNING = { decimals: 6, version: '1', eip2612: true } as const
// A token without a domain that x402 can name: paid through Permit2 after one approval.
const PLAIN = { version: '', methods: PERMIT2, eip2612: false } as const

/**
 * The table. On BNB Smart Chain neither token comes from its issuer: both are Binance-Peg, of 18 decimals. USDT on Base
 * and OP Mainnet came over the standard bridge. Where a test net is not known to have Permit2, only EIP-3009 is listed.
 * Rows without a domain have version ''. Domains: @x402/evm DEFAULT_ASSETS, and the DOMAIN_SEPARATORs in the test.
 */
// biome-ignore format: a row is a line.
export const knownAssets: readonly KnownAsset[] = [
  { ...USDC, chain: 'eip155:8453', address: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:1', address: '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:42161', address: '0xaf88d065e77c8cc2239327c5edb3a432268e5831', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:10', address: '0x0b2c639c533813f4aa9d7837caf62653d097ff85', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:137', address: '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:43114', address: '0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e', name: 'USD Coin', methods: BOTH },
  { ...USDC, chain: 'eip155:42220', address: '0xceba9300f2b948710d2653dd7b07f33a8b32118c', name: 'USDC', methods: BOTH },
  { ...USDC, chain: 'eip155:84532', address: '0x036cbd53842c5426634e7929541ec2318f3dcf7e', name: 'USDC', methods: BOTH },
  { ...USDC, chain: 'eip155:11155111', address: '0x1c7d4b196cb0c7b01d743fbc6116a902379c7238', name: 'USDC', methods: BOTH },
  { ...USDC, chain: 'eip155:421614', address: '0x75faf114eafb1bdbe2f0316df893fd58ce46aa4d', name: 'USD Coin', methods: EIP3009 },
  { ...USDC, chain: 'eip155:11155420', address: '0x5fd84259d66cd46123540766be93dfe6d43130d7', name: 'USDC', methods: EIP3009 },
  { ...USDC, chain: 'eip155:80002', address: '0x41e94eb019c0762f9bfcf9fb1e58725bfb0e7582', name: 'USDC', methods: EIP3009 },
  { ...USDC, chain: 'eip155:43113', address: '0x5425890298aed601595a70ab815c96711a31bc65', name: 'USD Coin', methods: EIP3009 },
  { ...USDC, chain: 'eip155:11142220', address: '0x01c5c0122039549ad1493b8220cabedd739bc44e', name: 'USDC', methods: EIP3009 },
  { ...PLAIN, chain: 'eip155:56', symbol: 'USDC', address: '0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d', decimals: 18, name: 'USD Coin', source: `${BSCSCAN}0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d` },

  { ...PLAIN, chain: 'eip155:1', symbol: 'USDT', address: '0xdac17f958d2ee523a2206206994597c13d831ec7', decimals: 6, name: 'Tether USD', source: TETHER },
  { ...SIGNING, chain: 'eip155:43114', symbol: 'USDT', address: '0x9702230a8ea53601f5cd2dc00fdbc13d4df4a8c7', name: 'TetherToken', methods: PERMIT2, source: TETHER },
  { ...SIGNING, chain: 'eip155:42220', symbol: 'USDT', address: '0x48065fbbe25f71c9282ddf5e1cd6d6a887483d5e', name: 'Tether USD', methods: BOTH, source: TETHER },
  { ...SIGNING, chain: 'eip155:42161', symbol: 'USDT0', address: '0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9', name: 'USD₮0', methods: BOTH, source: USDT0 },
  { ...SIGNING, chain: 'eip155:10', symbol: 'USDT0', address: '0x01bff41798a0bcf287b996046ca68b395dbc1071', name: 'USD₮0', methods: BOTH, source: USDT0 },
  // Its permits are signed under a domain with a salt and no chain id, which no x402 client builds.
  { ...PLAIN, chain: 'eip155:137', symbol: 'USDT0', address: '0xc2132d05d31c914a87c6611c10748aeb04b58e8f', decimals: 6, name: 'USDT0', source: USDT0 },
  { ...PLAIN, chain: 'eip155:8453', symbol: 'USDT', address: '0xfde4c96c8593536e31f229ea8f37b2ada2699bb2', decimals: 6, name: 'Tether USD', source: BASESCAN },
  { ...PLAIN, chain: 'eip155:10', symbol: 'USDT', address: '0x94b008aa00579c1307b0ef2c499ad98a8ce58e58', decimals: 6, name: 'Tether USD', source: SUPERCHAIN },
  { ...PLAIN, chain: 'eip155:56', symbol: 'USDT', address: '0x55d398326f99059ff775485246999027b3197955', decimals: 18, name: 'Tether USD', source: `${BSCSCAN}0x55d398326f99059ff775485246999027b3197955` },
]

/** The token of that name on a chain. USDT finds USDT0 where Tether has no other token, and the other way round. */
export const knownAsset = (chain: ChainId, symbol: string): KnownAsset | undefined => {
  const here = knownAssets.filter((row) => row.chain === chain)
  return (
    here.find((row) => row.symbol === plainSymbol(symbol)) ??
    here.find((row) => sameToken(symbol, row.symbol))
  )
}

/** Whether a token that calls itself `told` may be configured as `symbol`: Tether's two names are one, USD₮ is USDT, and a bridged USDC.e may call itself USDC. */
export const sameToken = (symbol: string, told: string): boolean => {
  const [ours, theirs] = [plainSymbol(symbol), plainSymbol(told)]
  return ours === theirs || ALIASES[ours] === theirs
}

const ALIASES: Readonly<Record<string, string>> = { USDT: 'USDT0', USDT0: 'USDT', 'USDC.E': 'USDC' }

const plainSymbol = (symbol: string): string => symbol.trim().replaceAll('₮', 'T').toUpperCase()

/** How a chain is called in messages: its name, else its CAIP-2 id. */
export const chainName = (chain: ChainId): string => CHAIN_NAMES[chainNumber(chain)]?.name ?? chain
