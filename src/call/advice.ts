import { toUsd } from '../assets.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import { amountOf, type Offer } from '../quote/offers.ts'
import type { Quote } from '../quote/quote.ts'

/** What official x402 clients pay at most unless they are told otherwise. */
const USUAL_CAP = parseUsd('1') as Usd

/** What a caller should know about the price of a quote, in sentences; nothing when it is as usual. `fits`: the `max_tokens` within a budget. */
export const adviceOf = (
  quote: Quote,
  offers: readonly Offer[],
  fits: (quote: Quote, budget: Usd) => number,
): { advice?: string } => {
  const sentences = [...raised(offers), ...aboveCap(quote, fits)]
  return sentences.length === 0 ? {} : { advice: sentences.join(' ') }
}

const raised = (offers: readonly Offer[]): string[] => {
  const one = offers.find(
    ({ terms, way }) => way.scheme === 'exact' && terms.amount > amountOf(terms, 'upto'),
  )
  if (!one) return []
  const amount = printUsd(toUsd(one.terms.amount, one.till.asset.decimals))
  return [
    `An exact payment is raised to $${amount} so that it is worth its gas: the rest is credit for next calls.`,
  ]
}

const aboveCap = (quote: Quote, fits: (quote: Quote, budget: Usd) => number): string[] => {
  const most = quote.ceiling > USUAL_CAP ? fits(quote, USUAL_CAP) : 0
  return most > 0
    ? [`Official x402 clients pay at most $1 unless told otherwise: a max_tokens of ${most} stays within $1.`]
    : []
}
