import { type ChainId, type Hex, toUnits, toUsd } from '../assets.ts'
import { parseUsd, type Usd } from '../money.ts'
import type { Described } from './demand.ts'
import { KNOWN_ASSETS, type PayAsset } from './known-assets.ts'
import { WAYS, type Way } from './offer.ts'

/** What may be paid, where and to whom's price. Dollars are decimal strings such as "0.05". */
export type Policy = {
  /** Most for one call; default "0.10". */
  maxPerCall?: string
  /** Most within any 60 minutes; default no limit but the total. */
  maxPerHour?: string
  /** Most in all, as long as this spending lives; default "5". */
  maxTotal?: string
  /** The only hosts that are paid: `host` (its scheme's own port) or `host:port`, over http too. Default: any over https, loopback over http. */
  hosts?: readonly string[]
  /** The only chains that are paid on, as CAIP-2 ids; default every chain of an allowed asset. */
  chains?: readonly string[]
  /** Dollar tokens beside USDC on the main chains: a local test token is allowed here, by address. */
  assets?: readonly { chain: string; address: string; decimals: number; symbol?: string }[]
  /** The only tokens to pay with, by the symbol that we know them by ("USDT"); default all that are allowed. */
  symbols?: readonly string[]
  /**
   * The ways to pay, best first; what is not named is not used. Default: `channel` where the client was given channels,
   * `exact` (by EIP-3009), `upto`, `permit2` (exact by Permit2). With `rpc`, a way that lacks its allowance is passed over.
   */
  schemes?: readonly Way[]
  /** Who may settle an `upto` or claim from a channel, beside the one who signs the offer's receipts. */
  facilitators?: readonly string[]
  /** The last word on an offer that all else allows; false refuses it. */
  inspect?: (quote: Quote) => boolean | Promise<boolean>
  /** `report` (default): a receipt that is missing or wrong is told by event and `lastReceipt`. `require`: the answer is withheld. */
  receipt?: 'report' | 'require'
  /**
   * Receipt signers by origin; one that is not named is pinned at the first paid call. Only of a named one is it believed
   * how little of an `upto` was used: else the most that was signed for is counted.
   */
  signers?: Readonly<Record<string, string>>
}

/** An offer as the wallet sees it: `usd` is the most that leaves the wallet for the call, rounded up to a micro-dollar. */
export type Quote = {
  url: string
  way: Way
  usd: Usd
  amount: bigint
  asset: PayAsset
  payTo: Hex
  described: Described | undefined
}

/** A policy, read. */
export type Rules = {
  maxPerCall: Usd
  maxPerHour: Usd | undefined
  maxTotal: Usd
  hosts: ReadonlySet<string> | undefined
  chains: ReadonlySet<string> | undefined
  assets: readonly PayAsset[]
  symbols: ReadonlySet<string> | undefined
  schemes: readonly Way[]
  facilitators: ReadonlySet<Hex>
  inspect: Policy['inspect']
  receipt: 'report' | 'require'
  /** The signers that the policy names. */
  signers: ReadonlyMap<string, Hex>
}

/** Reads a policy; throws a TypeError that names the first field that is not what it should be. */
export const readPolicy = (policy: Policy = {}): Rules => ({
  maxPerCall: dollars('maxPerCall', policy.maxPerCall ?? '0.10'),
  maxPerHour: policy.maxPerHour === undefined ? undefined : dollars('maxPerHour', policy.maxPerHour),
  maxTotal: dollars('maxTotal', policy.maxTotal ?? '5'),
  hosts: policy.hosts && new Set(policy.hosts.map(hostOf)),
  chains: policy.chains && new Set(policy.chains.map((id) => chainOf('chains', id))),
  assets: [...(policy.assets ?? []).map(assetOf), ...KNOWN_ASSETS],
  symbols: policy.symbols && new Set(policy.symbols),
  schemes: policy.schemes?.map(wayOf) ?? WAYS,
  facilitators: new Set((policy.facilitators ?? []).map((one) => addressOf('facilitators', one))),
  inspect: policy.inspect,
  receipt: policy.receipt ?? 'report',
  signers: new Map(
    Object.entries(policy.signers ?? {}).map(([origin, signer]) => [
      originOf(origin),
      addressOf('signers', signer),
    ]),
  ),
})

/** May anything at this URL be paid at all? */
export const allowsUrl = ({ hosts }: Rules, url: URL): boolean => {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return false
  if (hosts) return hosts.has(url.host)
  return url.protocol === 'https:' || LOOPBACK.test(url.hostname)
}

/** Micro-dollars that `units` are worth, rounded up: what a spending limit counts. */
export const usdUp = (units: bigint, decimals: number): Usd => {
  const down = toUsd(units, decimals)
  return (toUnits(down, decimals) < units ? down + 1n : down) as Usd
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** Reads dollars; throws a TypeError that names `field`. */
export const readDollars = (field: string, text: string): Usd => {
  const usd = parseUsd(text)
  if (usd === undefined) throw new TypeError(`${field} must be dollars as a decimal string, such as "0.05".`)
  return usd
}

const dollars = (field: string, text: string): Usd => readDollars(`policy.${field}`, text)

const wayOf = (text: string): Way => {
  const way = WAYS.find((one) => one === text)
  if (way) return way
  throw new TypeError(`policy.schemes: "${text}" is none of ${WAYS.join(', ')}.`)
}

const hostOf = (text: string): string => {
  const host = text.toLowerCase()
  if (/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/.test(host)) return host
  throw new TypeError(`policy.hosts: "${text}" is not a host or host:port.`)
}

const chainOf = (field: string, text: string): ChainId => {
  if (!/^eip155:[1-9]\d{0,14}$/.test(text))
    throw new TypeError(`policy.${field}: "${text}" is not a CAIP-2 id such as eip155:8453.`)
  return text as ChainId
}

const addressOf = (field: string, text: string): Hex => {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) throw new TypeError(`policy.${field}: "${text}" is not an address.`)
  return text.toLowerCase() as Hex
}

const originOf = (text: string): string => {
  if (!URL.canParse(text))
    throw new TypeError(`policy.signers: "${text}" is not an origin such as https://host.`)
  return new URL(text).origin
}

const assetOf = ({ chain, address, decimals, symbol }: NonNullable<Policy['assets']>[number]): PayAsset => {
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > 36)
    throw new TypeError('policy.assets: decimals must be 0 to 36.')
  return {
    chain: chainOf('assets', chain),
    address: addressOf('assets', address),
    decimals,
    symbol: symbol ?? 'token',
  }
}
