import { type Asset, chainNumber, type Hex, type TransferMethod, toUnits, V1_NETWORKS } from '../assets.ts'
import { maxOf, minOf, type Usd } from '../money.ts'
import type { Requirement, RequirementV1 } from '../wire/payment.ts'
import type { Quote } from './quote.ts'
import type { Sealer, Terms } from './seal.ts'

/** An asset that can be paid in, with the address the money goes to, and how it can be paid, best first. */
export type Till = { asset: Asset; payTo: Hex; ways: readonly PaymentWay[] }

/** One scheme of x402, and how the token moves by it. */
export type PaymentWay = { scheme: Scheme; method: TransferMethod }
export type Scheme = Requirement['scheme']

export type Offer = { terms: Terms; till: Till; way: PaymentWay; requirement: Requirement }

export type OfferFacts = {
  tills: readonly Till[]
  sealer: Sealer
  epoch: number
  /** Seconds an authorization should be valid for. */
  maxTimeout: number
  /** Who signs receipts and settles. */
  signer: Hex
  /** Seconds that a payer must wait to take its money out of a channel by itself. */
  withdrawDelay: number
  /** Calls up to this are served before they are paid: an `upto` above it is not offered. */
  onTrust: Usd
  /** Units that a payment must at least move to be worth its gas; of an `exact` one, what is not used becomes credit. */
  least: (till: Till, way: PaymentWay) => bigint
  /** What happens to an `exact` offer that is not worth its gas: it is raised, or not made. */
  small: 'fold' | 'refuse'
}

/** A payer who named itself, and its credit by till. */
export type KnownPayer = { payer: Hex; credits: readonly bigint[] }

/** What is offered, best scheme first: of each asset all ways that it can be paid. A payer who named itself pays less by its credit. */
export const makeOffers = (facts: OfferFacts, quote: Quote, known?: KnownPayer): Offer[] => {
  const offers = facts.tills.flatMap((till, i) => {
    const terms = makeTerms(
      facts,
      quote,
      till,
      known && { payer: known.payer, credit: known.credits[i] ?? 0n },
    )
    const token = facts.sealer.seal(terms)
    const ways = till.ways.filter((way) => isWorthIt(facts, quote, terms, till, way))
    return ways.map((way): Offer => {
      return { terms, till, way, requirement: requirementOf(facts, terms, till, way, token) }
    })
  })
  return SCHEMES.flatMap((scheme) => offers.filter((offer) => offer.way.scheme === scheme))
}

/** What is used of an `upto` is all that moves, so it is offered where what is expected pays for its gas. */
const isWorthIt = (facts: OfferFacts, quote: Quote, terms: Terms, till: Till, way: PaymentWay): boolean => {
  const open = terms.ceiling - terms.credit
  if (way.scheme === 'upto')
    return (
      quote.ceiling <= facts.onTrust && toUnits(quote.expected, till.asset.decimals) >= facts.least(till, way)
    )
  return way.scheme !== 'exact' || facts.small === 'fold' || open === 0n || open >= facts.least(till, way)
}

/** The order of offers: clients take the first one that they can pay. */
const SCHEMES: readonly Scheme[] = ['batch-settlement', 'upto', 'exact']

/** Units that are signed for: the ceiling less the credit used, and for `exact` no less than is worth its gas. */
export const amountOf = (terms: Terms, scheme: Scheme): bigint =>
  scheme === 'exact' ? terms.amount : terms.ceiling - terms.credit

/** The promises of a quote for one till: what its seal covers. */
export const makeTerms = (
  facts: OfferFacts,
  quote: Quote,
  till: Till,
  known?: { payer: Hex; credit: bigint } | undefined,
): Terms => {
  const { asset, payTo } = till
  const ceiling = toUnits(quote.ceiling, asset.decimals)
  const credit = known && known.credit > 0n ? minOf(known.credit, ceiling) : 0n
  const open = ceiling - credit
  const least = leastOf(facts, till)
  return {
    id: quote.id,
    asked: quote.asked,
    strategy: quote.strategy,
    why: quote.why,
    routes: quote.routes,
    digest: quote.digest,
    estimated: quote.measured.lowImages + quote.measured.highImages > 0 ? 0 : quote.measured.tokens,
    input: quote.input.expected,
    margin: quote.margin,
    maxOutput: quote.maxOutput,
    choices: quote.choices,
    ceiling,
    amount: open > 0n && open < least ? least : open,
    credit,
    payer: credit > 0n ? known?.payer : undefined,
    chain: asset.chain,
    asset: asset.address,
    payTo,
    expires: quote.expires,
    epoch: facts.epoch,
  }
}

/** The dearest of the ways that move a whole amount, since a quote has one amount for them. */
const leastOf = (facts: OfferFacts, till: Till): bigint => {
  const exact = till.ways.filter(({ scheme }) => scheme === 'exact')
  return exact.reduce((most, way) => maxOf(most, facts.least(till, way)), 0n)
}

/** Seconds that an `upto` should be valid for: a long stream ends before its payment does. */
const UPTO_TIMEOUT = 900

const requirementOf = (
  facts: OfferFacts,
  terms: Terms,
  { asset, payTo }: Till,
  { scheme, method }: PaymentWay,
  quote: string,
): Requirement => ({
  scheme,
  network: asset.chain,
  amount: amountOf(terms, scheme).toString(),
  asset: asset.address,
  payTo,
  maxTimeoutSeconds: scheme === 'upto' ? UPTO_TIMEOUT : facts.maxTimeout,
  extra: {
    ...((method === 'eip3009' || asset.eip2612) && { name: asset.name, version: asset.version }),
    ...(method === 'permit2' && { assetTransferMethod: 'permit2' as const }),
    ...(scheme === 'upto' && { facilitatorAddress: facts.signer }),
    ...(scheme === 'batch-settlement' && {
      receiverAuthorizer: facts.signer,
      withdrawDelay: facts.withdrawDelay,
      ...minDeposit(facts, terms, { asset, payTo, ways: [] }),
    }),
    quote,
    signer: facts.signer,
  },
})

/** Units that a deposit must have to be worth its gas, which is about that of a payment by Permit2. */
export const leastDeposit = (facts: Pick<OfferFacts, 'least'>, till: Till): bigint =>
  facts.least(till, { scheme: 'exact', method: 'permit2' })

/** Announced only where there is a least: clients then deposit just that, and five times the amount otherwise. */
const minDeposit = (facts: OfferFacts, terms: Terms, till: Till): { minDeposit?: string } => {
  const least = leastDeposit(facts, till)
  if (least === 0n) return {}
  return { minDeposit: maxOf(least, amountOf(terms, 'batch-settlement') * 5n).toString() }
}

/** The same offers for v1 clients, on the chains that v1 has a name for. A v1 payment cannot carry the seal, so it never uses credit. */
export const offersV1 = (offers: readonly Offer[], resource: string): RequirementV1[] =>
  offers.flatMap(({ requirement, terms, way, till }) => {
    const network = V1_NETWORKS[chainNumber(terms.chain)]
    if (!network || way.scheme !== 'exact' || way.method !== 'eip3009') return []
    const { payTo, asset, maxTimeoutSeconds } = requirement
    const { name, version } = till.asset
    return {
      scheme: 'exact',
      network,
      maxAmountRequired: maxOf(terms.ceiling, terms.amount).toString(),
      resource,
      description: 'One model call',
      mimeType: 'application/json',
      payTo,
      maxTimeoutSeconds,
      asset,
      extra: { name, version },
    }
  })
