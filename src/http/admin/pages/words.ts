/** How the pages print what they know: money, counts, times. What is not known is a dash, never a guess. */
import { V1_NETWORKS } from '../../../assets.ts'
import { type Html, tags } from './tags.ts'

const { time } = tags

export const UNKNOWN = '–'

const MONEY = /^(-?)(\d+)(?:\.(\d+))?$/

/** Dollars of a decimal string with a fixed number of decimals, half away from zero: "$1,234.50". */
export const usd = (text: string | undefined, decimals = 2): string => {
  const match = MONEY.exec(text ?? '')
  if (!match) return UNKNOWN
  const [, sign, whole, fraction = ''] = match
  const scaled = BigInt(`${whole}${fraction.padEnd(decimals + 1, '0').slice(0, decimals + 1)}`)
  const digits = ((scaled + 5n) / 10n).toString().padStart(decimals + 1, '0')
  const split = digits.length - decimals
  const body = `$${grouped(digits.slice(0, split))}${decimals > 0 ? `.${digits.slice(split)}` : ''}`
  return sign && /[1-9]/.test(digits) ? `−${body}` : body
}

/** The price of one call: six decimals. */
export const fineUsd = (text: string | undefined): string => usd(text, 6)

/** A sum that may be less than a cent: with two decimals, or with six where two would show nothing of it. */
export const sumUsd = (text: string | undefined): string => {
  const units = micros(text)
  return usd(text, units !== 0n && units > -10_000n && units < 10_000n ? 6 : 2)
}

/** Micro-dollars of a decimal string; 0 for what is none. */
export const micros = (text: string | undefined): bigint => {
  const match = MONEY.exec(text ?? '')
  if (!match) return 0n
  const [, sign, whole, fraction = ''] = match
  const value = BigInt(`${whole}${fraction.padEnd(6, '0').slice(0, 6)}`)
  return sign ? -value : value
}

/** Dollars as a number, for lengths and curves only. */
export const dollars = (text: string | undefined): number => Number(micros(text)) / 1_000_000

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',')

/** "12,345". */
export const count = (value: number | string | undefined): string => {
  if (value === undefined || value === '') return UNKNOWN
  const number = Number(value)
  return Number.isFinite(number) ? number.toLocaleString('en-US', { maximumFractionDigits: 1 }) : UNKNOWN
}

/** "1 call", "2 calls". */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`

/** A share between 0 and 1 as "12.3 %". */
export const percent = (share: number | undefined, decimals = 1): string =>
  share === undefined || !Number.isFinite(share) ? UNKNOWN : `${(share * 100).toFixed(decimals)} %`

/** A share of two sums of money, exact enough to print. */
export const shareOf = (part: string | undefined, whole: string | undefined): number | undefined => {
  const total = micros(whole)
  return total <= 0n ? undefined : Number((micros(part) * 1_000_000n) / total) / 1_000_000
}

const UNITS = [
  ['day', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** A length of time, its two largest units: "3 min 20 s". */
export const duration = (ms: number): string => {
  if (!Number.isFinite(ms)) return UNKNOWN
  if (Math.abs(ms) < 1_000) return `${Math.round(ms)} ms`
  if (Math.abs(ms) < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  let rest = Math.abs(ms)
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const many = Math.floor(rest / size)
    rest -= many * size
    if (many > 0) parts.push(`${many} ${unit === 'day' && many > 1 ? 'days' : unit}`)
    if (parts.length === 2 || (parts.length === 1 && many === 0)) break
  }
  return parts.join(' ')
}

/** "2026-11-21 14:05:09 UTC". */
export const absolute = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`

/** A moment told from now, with the absolute time in its title. */
export const ago = (ms: number | undefined, now: number): Html | string => {
  if (ms === undefined || !Number.isFinite(ms)) return UNKNOWN
  const apart = now - ms
  const text = Math.abs(apart) < 5_000 ? 'now' : apart > 0 ? `${coarse(apart)} ago` : `in ${coarse(-apart)}`
  return time({ datetime: new Date(ms).toISOString(), title: absolute(ms) }, text)
}

const coarse = (ms: number): string => {
  const [unit, size] = UNITS.find(([, one]) => ms >= one) ?? ['s', 1_000]
  const many = Math.floor(ms / size)
  return `${many} ${unit === 'day' && many > 1 ? 'days' : unit}`
}

/** A chain by the name that people know, or its id. */
export const chainName = (chain: string): string =>
  V1_NETWORKS[Number(/^eip155:(\d+)$/.exec(chain)?.[1])] ?? chain

/** A long id or address, its ends. */
export const short = (id: string, head = 10, tail = 4): string =>
  id.length > head + tail + 1 ? `${id.slice(0, head)}…${id.slice(-tail)}` : id
