import type { Asset, ChainId, Hex, TransferMethod } from '../assets.ts'
import { chainName, type KnownAsset, knownAsset, knownAssets, sameToken } from './known.ts'

/** An asset as an operator writes it: for a token of the table its symbol is enough. */
export type PartialAsset = {
  symbol: string
  /** In lower case. */
  address?: Hex | undefined
  decimals?: number | undefined
  name?: string | undefined
  version?: string | undefined
  methods?: readonly TransferMethod[] | undefined
  eip2612?: boolean | undefined
}

/** Fills in what the table knows; what the operator says goes first. A string tells what is missing, and what to do. */
export const completeAsset = (chain: ChainId, partial: PartialAsset): Asset | string => {
  const { symbol, address } = partial
  const known = address
    ? knownAssets.find((row) => row.chain === chain && row.address === address)
    : knownAsset(chain, symbol)
  if (known) return overKnown(known, partial)
  if (address) return unknownToken(chain, { ...partial, address })
  const here = knownAssets.filter((row) => row.chain === chain).map((row) => row.symbol)
  const names = here.length > 0 ? `only ${here.join(', ')}` : 'no token'
  return `of ${chainName(chain)}, Farebox knows ${names}: for ${symbol}, set address, decimals, name, version and methods`
}

const overKnown = (known: KnownAsset, partial: PartialAsset): Asset | string => {
  const where = `on ${chainName(known.chain)}`
  if (!sameToken(partial.symbol, known.symbol))
    return `${known.address} is ${known.symbol} ${where}, not ${partial.symbol}: correct symbol or address`
  const impossible = partial.methods?.find(
    (method) => method === 'eip3009' && !known.methods.includes(method),
  )
  if (impossible)
    return `${known.symbol} ${where} does not take eip3009: set methods: [${known.methods.join(', ')}]`
  const { symbol: _, address: __, ...said } = partial
  const told = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
  return { ...known, ...told }
}

// What a token of USDC's own kind is without a word; the boot check asks the contract.
const LIKE_USDC = { decimals: 6, name: 'USD Coin', version: '2', methods: ['eip3009'] } as const

const unknownToken = (chain: ChainId, partial: PartialAsset & { address: Hex }): Asset | string => {
  const { symbol, address, eip2612 = false } = partial
  const assumed: Partial<Asset> = symbol === 'USDC' ? LIKE_USDC : {}
  const { decimals = assumed.decimals, methods = assumed.methods } = partial
  const { name = assumed.name, version = assumed.version } = partial
  const signs = eip2612 || (methods?.includes('eip3009') ?? false)
  const missing = [
    decimals === undefined && 'decimals',
    methods === undefined && 'methods',
    signs && name === undefined && 'name',
    signs && version === undefined && 'version',
  ].filter((field) => field !== false)
  if (decimals === undefined || methods === undefined || missing.length > 0)
    return `${symbol} at ${address} is not a token that Farebox knows on ${chainName(chain)}: set ${missing.join(', ')}`
  return { chain, symbol, address, decimals, name: name ?? symbol, version: version ?? '', methods, eip2612 }
}
