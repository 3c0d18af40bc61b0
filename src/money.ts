/** Money is a bigint of micro-dollars. No float ever holds it; sums are exact and rounded once, against us or against them as each function says. */

declare const usdBrand: unique symbol
declare const rateBrand: unique symbol

/** Micro-dollars: 1_000_000n is one US dollar. */
export type Usd = bigint & { readonly [usdBrand]: true }

/** A price per million tokens, in 10^-12 dollars, so that twelve decimals of a published price survive. */
export type Rate = bigint & { readonly [rateBrand]: true }

/** What one token costs times how many there were; the unit that sums of rates are kept in until they are rounded. */
export type Priced = { tokens: number; rate: Rate }

export const NO_MONEY = 0n as Usd

const DECIMAL = /^(0|[1-9]\d{0,17})(?:\.(\d{1,12}))?$/
const AMOUNT = /^(0|[1-9]\d{0,77})$/
const RATE_SCALE = 12
const USD_SCALE = 6

/** Reads dollars such as "0.05"; undefined for signs, exponents, spaces, or more than six decimals. */
export const parseUsd = (text: string): Usd | undefined => parseDecimal(text, USD_SCALE) as Usd | undefined

/** Reads a price per million tokens such as "0.15"; up to twelve decimals. */
export const parseRate = (text: string): Rate | undefined =>
  parseDecimal(text, RATE_SCALE) as Rate | undefined

/** Reads a percentage such as "5" or "2.5" into millionths (5 % is 50_000n); at most four decimals. */
export const parsePercent = (text: string): bigint | undefined => parseDecimal(text, 4)

/** Reads an amount on the wire: decimal digits only, no sign, no leading zero, no hex (BigInt alone accepts all of these). */
export const parseAmount = (text: string): bigint | undefined =>
  AMOUNT.test(text) ? BigInt(text) : undefined

/** Prints dollars without a currency sign and without trailing zeros beyond the sixth decimal: "0.05". */
export const printUsd = (usd: Usd): string => printDecimal(usd, USD_SCALE)

/** Prints a rate as it would be published: "0.15". */
export const printRate = (rate: Rate): string => printDecimal(rate, RATE_SCALE)

/** The price of some tokens with the operator's margin (in millionths), summed exactly and rounded up once to a micro-dollar. */
export const costOf = (parts: readonly Priced[], margin: bigint): Usd => {
  let sum = 0n
  for (const { tokens, rate } of parts) sum += BigInt(tokens) * rate
  return ceilDiv(sum * (1_000_000n + margin), RATE_DIVISOR) as Usd
}

/** The larger number of tokens at `rate` that still costs no more than `budget` after `margin`; 0 when nothing fits. */
export const tokensFor = (budget: Usd, rate: Rate, margin: bigint): number => {
  if (budget <= 0n) return 0
  if (rate === 0n) return Number.MAX_SAFE_INTEGER
  const fit = (budget * RATE_DIVISOR) / (rate * (1_000_000n + margin))
  return fit > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(fit)
}

export const minOf = <T extends bigint>(a: T, b: T): T => (a < b ? a : b)
export const maxOf = <T extends bigint>(a: T, b: T): T => (a > b ? a : b)
export const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b

// tokens × rate is in 10^-12 $ per 10^6 tokens; a micro-dollar is 10^12 of those; the margin adds 10^6.
const RATE_DIVISOR = 10n ** 12n * 1_000_000n

const parseDecimal = (text: string, scale: number): bigint | undefined => {
  const match = DECIMAL.exec(text)
  const fraction = match?.[2] ?? ''
  if (!match || fraction.length > scale) return undefined
  return BigInt(match[1] + fraction.padEnd(scale, '0'))
}

const printDecimal = (value: bigint, scale: number): string => {
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  const fraction = digits.slice(-scale).replace(/0+$/, '')
  return `${sign}${digits.slice(0, -scale)}${fraction && `.${fraction}`}`
}
