import type { Caller } from '../accounts/caller.ts'
import { assetKey } from '../assets.ts'
import { type Code, type Details, errorBody, REFUSALS, type Refused } from '../errors.ts'
import { ACCOUNT } from '../ledger/moves.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import { type KnownPayer, makeOffers, makeTerms, type Offer, offersV1 } from '../quote/offers.ts'
import type { Quote } from '../quote/quote.ts'
import type { Terms } from '../quote/seal.ts'
import type { Order } from '../wire/order.ts'
import { HEADER, type PaymentRequired } from '../wire/payment.ts'
import { adviceOf } from './advice.ts'
import { aboutChannel } from './channel-demand.ts'
import { declare, NETWORK_HEADER } from './declare.ts'
import type { Deps } from './deps.ts'
import { allowedBy, screen } from './permit.ts'
import { JSON_TYPE, NO_STORE, type Reply } from './reply.ts'
import type { Visit } from './run.ts'

/** Answers 402: the price of exactly this request, sealed into offers, and why we ask (again). */
export const demand = async (
  deps: Deps,
  visit: Pick<Visit, 'order' | 'payer' | 'network' | 'signed' | 'asker'> & { caller: Caller },
  code: Code,
  details: Details = {},
): Promise<Reply> => {
  const { order, caller, asker } = visit
  const quote = deps.quoter.quote(order, allowedBy(caller))
  if (code === 'payment_required') await screen(deps, caller, { ...asker, order }, quote)
  const url = `${deps.publicUrl}${visit.order.door.path}`
  const offers = await offersFor(deps, quote, visit)
  const facts = { ceiling: printUsd(quote.ceiling), expected: printUsd(quote.expected), ...details }
  const required: PaymentRequired = {
    x402Version: 2,
    error: String(details['x402'] ?? (REFUSALS[code] as Refused).x402 ?? code),
    resource: { url, description: 'One model call', mimeType: 'application/json' },
    accepts: await aboutChannel(
      deps,
      code,
      details,
      offers.map((offer) => offer.requirement),
    ),
    extensions: deps.sponsor.declarations,
  }
  const { header, extensions, leftOut } = await declare(deps, required, {
    model: quote.asked,
    validUntil: quote.expires,
    signed: visit.signed === true,
  })
  const body = {
    x402Version: 1,
    ...errorBody(code, facts),
    accepts: offersV1(offers, url),
    quote: describe(deps, quote, offers),
    ...(leftOut.length > 0 && {
      left_out: {
        why: `PAYMENT-REQUIRED has no room for all offers; ask for those of one network with ${NETWORK_HEADER}`,
        offers: leftOut.map(({ scheme, network, asset, amount }) => ({ scheme, network, asset, amount })),
      },
    }),
  }
  return {
    status: 402,
    code,
    headers: {
      'content-type': JSON_TYPE,
      'cache-control': NO_STORE,
      'x-should-retry': 'false',
      [HEADER.required]: header,
      ...(typeof details['id'] === 'string' && { [HEADER.call]: details['id'] }),
    },
    // The extensions are JSON already.
    body: `${JSON.stringify(body).slice(0, -1)},"extensions":${extensions}}`,
  }
}

/** A quote as people and agents read it; amounts in dollars. */
export const describe = (deps: Deps, quote: Quote, offers: readonly Offer[]) => ({
  id: quote.id,
  model: quote.asked,
  why: quote.why,
  routes: quote.routes.map(({ model, provider }) => ({ model, provider })),
  expected_usd: printUsd(quote.expected),
  ceiling_usd: printUsd(quote.ceiling),
  input_tokens: quote.input.expected,
  max_output_tokens: quote.maxOutput,
  max_tokens_that_fit: Object.fromEntries(
    ladder(quote).map((budget) => [printUsd(budget), deps.quoter.fits(quote, budget)]),
  ),
  expires_at: new Date(quote.expires * 1000).toISOString(),
  unused: 'credited to the payer and used by its next quotes',
  ...adviceOf(quote, offers, deps.quoter.fits),
  offers: offers.map(({ terms, till, way, requirement }) => ({
    scheme: way.scheme,
    method: way.method,
    network: terms.chain,
    asset: terms.asset,
    symbol: till.asset.symbol,
    amount: requirement.amount,
    least: deps.offers.least(till, way).toString(),
    credit_used: terms.credit.toString(),
    pay_to: terms.payTo,
  })),
})

/** A fresh quote and its offers, for `POST /v1/quote` and for payments that carry no seal. */
export const quoteFor = async (
  deps: Deps,
  visit: Pick<Visit, 'order' | 'payer' | 'network'> & { caller: Caller },
) => {
  const quote = deps.quoter.quote(visit.order, allowedBy(visit.caller))
  const offers = await offersFor(deps, quote, visit)
  return { quote: describe(deps, quote, offers), accepts: offers.map((offer) => offer.requirement) }
}

export const freshTerms = ({ quoter, formerQuotes, offers }: Deps, order: Order, caller: Caller): Terms[] => {
  const quotes = [quoter.quote(order, allowedBy(caller)), ...formerQuotes(order)]
  return quotes.flatMap((quote) => offers.tills.map((till) => makeTerms(offers, quote, till)))
}

/** The offers of a quote, those of one network where only they are wanted. */
const offersFor = async (
  deps: Deps,
  quote: Quote,
  { payer, network }: Pick<Visit, 'payer' | 'network'>,
): Promise<Offer[]> => {
  const offers = makeOffers(deps.offers, quote, await known(deps, payer))
  return network === undefined ? offers : offers.filter(({ terms }) => terms.chain === network)
}

const known = async (deps: Deps, payer: Visit['payer']): Promise<KnownPayer | undefined> => {
  if (payer === undefined) return undefined
  const credits = deps.offers.tills.map(({ asset }) =>
    deps.ledger.balance(assetKey(asset), ACCOUNT.credit(payer)),
  )
  return { payer, credits: await Promise.all(credits) }
}

// Budgets that an agent may think in, below this quote's ceiling.
const LADDER = ['0.0001', '0.001', '0.01', '0.1', '1'].map((text) => parseUsd(text) as Usd)
const ladder = (quote: Quote): Usd[] => LADDER.filter((budget) => budget < quote.ceiling)
