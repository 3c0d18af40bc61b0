import { type Asset, chainNumber, type Hex, toUnits, V1_NETWORKS } from '../assets.ts'
import { minOf } from '../money.ts'
import type { Requirement, RequirementV1 } from '../wire/payment.ts'
import type { Quote } from './quote.ts'
import type { Sealer, Terms } from './seal.ts'

/** An asset that can be paid in, with the address the money goes to. */
export type Till = { asset: Asset; payTo: Hex }

export type Offer = { terms: Terms; requirement: Requirement }

export type OfferFacts = {
  tills: readonly Till[]
  sealer: Sealer
  epoch: number
  /** Seconds an authorization should be valid for. */
  maxTimeout: number
  /** Who signs receipts. */
  signer: Hex
}

/** A payer who named itself, and its credit by till. */
export type KnownPayer = { payer: Hex; credits: readonly bigint[] }

/** One offer for each asset, sealed; a payer who named itself pays less by its credit. */
export const makeOffers = (facts: OfferFacts, quote: Quote, known?: KnownPayer): Offer[] =>
  facts.tills.map((till, i) =>
    makeOffer(facts, quote, till, known && { payer: known.payer, credit: known.credits[i] ?? 0n }),
  )

const makeOffer = (
  facts: OfferFacts,
  quote: Quote,
  { asset, payTo }: Till,
  known: { payer: Hex; credit: bigint } | undefined,
): Offer => {
  const ceiling = toUnits(quote.ceiling, asset.decimals)
  const credit = known && known.credit > 0n ? minOf(known.credit, ceiling) : 0n
  const terms: Terms = {
    id: quote.id,
    asked: quote.asked,
    routes: quote.routes,
    digest: quote.digest,
    estimated: quote.measured.lowImages + quote.measured.highImages > 0 ? 0 : quote.measured.tokens,
    input: quote.input.expected,
    margin: quote.margin,
    maxOutput: quote.maxOutput,
    choices: quote.choices,
    ceiling,
    amount: ceiling - credit,
    credit,
    payer: credit > 0n ? known?.payer : undefined,
    chain: asset.chain,
    asset: asset.address,
    payTo,
    expires: quote.expires,
    epoch: facts.epoch,
  }
  const requirement: Requirement = {
    scheme: 'exact',
    network: asset.chain,
    amount: terms.amount.toString(),
    asset: asset.address,
    payTo,
    maxTimeoutSeconds: facts.maxTimeout,
    extra: {
      name: asset.name,
      version: asset.version,
      quote: facts.sealer.seal(terms),
      signer: facts.signer,
    },
  }
  return { terms, requirement }
}

/** The same offers for v1 clients, on the chains that v1 has a name for. A v1 payment cannot carry the seal, so it never uses credit. */
export const offersV1 = (offers: readonly Offer[], resource: string): RequirementV1[] =>
  offers.flatMap(({ requirement, terms }) => {
    const network = V1_NETWORKS[chainNumber(terms.chain)]
    if (!network) return []
    const { payTo, asset, maxTimeoutSeconds, extra } = requirement
    return {
      scheme: 'exact',
      network,
      maxAmountRequired: terms.ceiling.toString(),
      resource,
      description: 'One model call',
      mimeType: 'application/json',
      payTo,
      maxTimeoutSeconds,
      asset,
      extra: { name: extra.name, version: extra.version },
    }
  })
