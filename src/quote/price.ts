/** quote/: what a call may cost. One function prices both ends: the worst case for the quote, the fact for the bill. */
import type { Prices } from '../catalog/catalog.ts'
import { costOf, type Usd } from '../money.ts'

/** Tokens of one call; `cached` are those of `input` that the provider read from its prompt cache. */
export type Tokens = { input: number; cached: number; output: number }

/** What `tokens` cost at `prices` with the operator's margin (millionths), rounded up once to a micro-dollar. */
export const price = (tokens: Tokens, prices: Prices, margin: bigint): Usd =>
  costOf(
    [
      { tokens: tokens.input - tokens.cached, rate: prices.input },
      { tokens: tokens.cached, rate: prices.cachedInput },
      { tokens: tokens.output, rate: prices.output },
    ],
    margin,
  )
