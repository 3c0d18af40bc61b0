/** quote/: what a call may cost. One function prices both ends: the worst case for the quote, the fact for the bill. */
import { type Prices, type Rates, ratesFor } from '../catalog/catalog.ts'
import { costOf, maxOf, tokensFor, type Usd } from '../money.ts'

/** Tokens of one call; `cached` are those of `input` that the provider read from its prompt cache, `written` those it wrote to it. */
export type Tokens = { input: number; cached: number; written?: number; output: number }

/** What `tokens` cost at `prices` with the operator's margin (millionths), rounded up once to a micro-dollar. */
export const price = (tokens: Tokens, prices: Prices, margin: bigint): Usd =>
  cost(tokens, ratesFor(tokens.input, prices), margin)

/** The most that this much input and output can cost: however much is read from a cache, and `writes` when it may be written to one. */
export const most = (input: number, output: number, prices: Prices, writes: boolean, margin: bigint): Usd =>
  tiersUpTo(input, prices)
    .map((rates) => cost(worst(rates, input, output, writes), rates, margin))
    .reduce(maxOf)

/** Output tokens that a budget has room for beside this input, whatever `most` thinks of; 0 or less when there is none. */
export const outputWithin = (
  budget: Usd,
  input: number,
  prices: Prices,
  writes: boolean,
  margin: bigint,
): number => {
  const left = (budget - most(input, 0, prices, writes, margin)) as Usd
  return Math.min(...tiersUpTo(input, prices).map(({ output }) => tokensFor(left, output, margin)))
}

const cost = ({ input, cached, written = 0, output }: Tokens, rates: Rates, margin: bigint): Usd =>
  costOf(
    [
      { tokens: input - cached - written, rate: rates.input },
      { tokens: cached, rate: rates.cachedInput },
      { tokens: written, rate: rates.cacheWrite },
      { tokens: output, rate: rates.output },
    ],
    margin,
  )

// The input is an estimate from above, so a lower tier may turn out to apply; it seldom is the dearer one.
const tiersUpTo = (input: number, prices: Prices): Rates[] => [
  prices,
  ...(prices.tiers ?? []).filter(({ over }) => input > over),
]

const worst = (rates: Rates, input: number, output: number, writes: boolean): Tokens => {
  if (writes && rates.cacheWrite > rates.input && rates.cacheWrite >= rates.cachedInput)
    return { input, cached: 0, written: input, output }
  return { input, cached: rates.cachedInput > rates.input ? input : 0, output }
}
