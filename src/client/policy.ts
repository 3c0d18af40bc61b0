import { type ChainId, type Hex, toUnits, toUsd } from '../assets.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import type { Demand, Described, Offer } from './demand.ts'
import type { RefusedCode } from './errors.ts'
import { KNOWN_ASSETS, type PayAsset } from './known-assets.ts'

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
  /** The last word on an offer that all else allows; false refuses it. */
  inspect?: (quote: Quote) => boolean | Promise<boolean>
  /** `report` (default): a receipt that is missing or wrong is told by event and `lastReceipt`. `require`: the answer is withheld. */
  receipt?: 'report' | 'require'
  /** Receipt signers by origin; one that is not named is pinned at the first paid call. */
  signers?: Readonly<Record<string, string>>
}

/** An offer as the wallet sees it: `usd` is what leaves the wallet, rounded up to a micro-dollar. */
export type Quote = {
  url: string
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
  inspect: Policy['inspect']
  receipt: 'report' | 'require'
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

/** An offer that may be paid, or the reason of the one that came closest. */
export type Judged =
  | { ok: true; offer: Offer; quote: Quote }
  | { ok: false; code: RefusedCode; limit: string; hint: string }

/** Picks the first offer that the rules allow. Limits per hour and in total are not judged here: they depend on what else is open. */
export const judge = (rules: Rules, url: string, demand: Demand): Judged => {
  let closest: Extract<Judged, { ok: false }> = {
    ok: false,
    code: 'no_payable_offer',
    limit: 'exact payments by EIP-3009',
    hint: `None of the ${demand.others} other offers can be paid by this client.`,
  }
  for (const offer of demand.offers) {
    const found = judgeOne(rules, url, demand, offer)
    if (found.ok) return found
    if (NEARNESS.indexOf(found.code) > NEARNESS.indexOf(closest.code)) closest = found
  }
  return closest
}

/** Micro-dollars that `units` are worth, rounded up: what a spending limit counts. */
export const usdUp = (units: bigint, decimals: number): Usd => {
  const down = toUsd(units, decimals)
  return (toUnits(down, decimals) < units ? down + 1n : down) as Usd
}

const NEARNESS: readonly RefusedCode[] = [
  'no_payable_offer',
  'chain_not_allowed',
  'asset_not_allowed',
  'above_call_limit',
]
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

const judgeOne = (rules: Rules, url: string, { described }: Demand, offer: Offer): Judged => {
  const { chain, asset: address, amount, payTo } = offer
  if (rules.chains && !rules.chains.has(chain)) {
    return {
      ok: false,
      code: 'chain_not_allowed',
      limit: [...rules.chains].join(', '),
      hint: `Add ${chain} to policy.chains to pay there.`,
    }
  }
  const asset = rules.assets.find((one) => one.chain === chain && one.address === address)
  if (!asset) {
    const hint = `Add { chain: '${chain}', address: '${address}', decimals } to policy.assets if you trust this token.`
    return { ok: false, code: 'asset_not_allowed', limit: 'the assets of the policy', hint }
  }
  const usd = usdUp(amount, asset.decimals)
  if (usd > rules.maxPerCall) {
    const hint = `The call asks for $${printUsd(usd)}. ${fitting(described, rules.maxPerCall)}Raise policy.maxPerCall to allow it.`
    return { ok: false, code: 'above_call_limit', limit: printUsd(rules.maxPerCall), hint }
  }
  return { ok: true, offer, quote: { url, usd, amount, asset, payTo, described } }
}

// The router lists which max_tokens fit some round budgets; the largest one within the limit is worth telling.
const fitting = (described: Described | undefined, limit: Usd): string => {
  const fits = Object.entries(described?.max_tokens_that_fit ?? {})
    .map(([budget, tokens]) => ({ budget: parseUsd(budget), tokens }))
    .filter(({ budget, tokens }) => budget !== undefined && budget <= limit && tokens > 0)
    .toSorted((a, b) => b.tokens - a.tokens)[0]
  return fits ? `With max_tokens ${fits.tokens} it stays within $${printUsd(fits.budget!)}. ` : ''
}

const dollars = (field: string, text: string): Usd => {
  const usd = parseUsd(text)
  if (usd === undefined)
    throw new TypeError(`policy.${field} must be dollars as a decimal string, such as "0.05".`)
  return usd
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
