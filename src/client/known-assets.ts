import type { ChainId, Hex } from '../assets.ts'

/** A dollar token that a policy lets us pay with; `address` in lower case. One whole token counts as one dollar. */
export type PayAsset = { chain: ChainId; address: Hex; decimals: number; symbol: string }

/** USDC as Circle issues it, all with EIP-3009. Source: developers.circle.com, "USDC contract addresses". */
export const KNOWN_ASSETS: readonly PayAsset[] = (
  [
    ['eip155:8453', '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913'],
    ['eip155:84532', '0x036cbd53842c5426634e7929541ec2318f3dcf7e'],
    ['eip155:1', '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'],
    ['eip155:42161', '0xaf88d065e77c8cc2239327c5edb3a432268e5831'],
    ['eip155:10', '0x0b2c639c533813f4aa9d7837caf62653d097ff85'],
    ['eip155:137', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359'],
    ['eip155:43114', '0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e'],
  ] as const satisfies readonly (readonly [ChainId, Hex])[]
).map(([chain, address]) => ({ chain, address, decimals: 6, symbol: 'USDC' }))
