/**
 * payment/: who pays, and with what. terms.ts judges a payment against its quote (pure); check.ts asks the curve and the
 * chain; sponsor.ts takes the allowances that come along; payout.ts gives credit back; receipt.ts signs for it all.
 */
import type { Hex } from '../assets.ts'
import { chainNumber, V1_NETWORKS } from '../assets.ts'
import { fail } from '../errors.ts'
import { amountOf, type Scheme, type Till } from '../quote/offers.ts'
import type { Terms } from '../quote/seal.ts'
import type { Accepted, Authorization, PaymentV1, PaymentV2 } from '../wire/payment.ts'

export type TermsFacts = {
  tills: readonly Till[]
  open: (token: string) => Terms | undefined
  /** Digest of the request that came with the payment. */
  digest: Hex
  /** Unix seconds: the later of our clock and the chain's, which judges the authorization. */
  now: number
  /** Unix seconds by our clock, which stamped the quote. */
  ours: number
  epoch: number
  /** Who settles: an `upto` must be signed for it. */
  settler: Hex
  /** Terms of a fresh quote for the same request: what a v1 payment, which carries no seal, is measured by. */
  fresh: () => readonly Terms[]
}

/** Agreed terms, and the till they are for. */
export type Agreed = { terms: Terms; till: Till; authorization: Authorization }

/** An authorization must have this many seconds left to be used at all. */
const LEAST_LEFT = 6
/** Longer authorizations are refused: the payer would be bound for no reason. */
const LONGEST_VALID = 86_400

/** Judges a payment against the quote it names: the terms, or a refusal that says which of them is not met. May return several for v1, whose payload does not name its asset. */
export const agree = (payment: PaymentV2 | PaymentV1, facts: TermsFacts): Agreed[] => {
  checkTime(payment.authorization, facts.now)
  return payment.version === 2 ? [agreeV2(payment, facts)] : agreeV1(payment, facts)
}

/** The quote that an offer was accepted by, and the till it is for: refuses unless all of it is as it was sealed. */
export const agreeOffer = (accepted: Accepted, facts: TermsFacts): { terms: Terms; till: Till } => {
  const onChain = facts.tills.filter((till) => till.asset.chain === accepted.network)
  if (onChain.length === 0) throw fail('payment_network_mismatch')
  const till = onChain.find((one) => one.asset.address === accepted.asset.toLowerCase())
  if (!till) throw fail('payment_asset_mismatch')
  if (accepted.payTo.toLowerCase() !== till.payTo) throw fail('payment_recipient_mismatch')
  if (accepted.quote === undefined) throw fail('quote_missing')
  const terms = facts.open(accepted.quote)
  if (!terms) throw fail('quote_invalid')
  if (terms.expires < facts.ours || terms.epoch < facts.epoch) throw fail('quote_expired')
  if (terms.digest !== facts.digest) throw fail('quote_body_mismatch')
  if (terms.chain !== accepted.network) throw fail('payment_network_mismatch')
  if (terms.asset !== till.asset.address) throw fail('payment_asset_mismatch')
  if (terms.payTo !== till.payTo) throw fail('payment_recipient_mismatch')
  const quoted = amountOf(terms, accepted.scheme as Scheme)
  if (accepted.amount !== quoted.toString()) throw amountMismatch(accepted.amount, quoted)
  return { terms, till }
}

const agreeV2 = ({ accepted, authorization }: PaymentV2, facts: TermsFacts): Agreed => {
  const { terms, till } = agreeOffer(accepted, facts)
  const method = authorization.kind === 'eip3009' ? 'eip3009' : 'permit2'
  const offered = till.ways.some((way) => way.scheme === accepted.scheme && way.method === method)
  const fits = (accepted.scheme === 'upto') === (authorization.kind === 'upto')
  if (!offered || !fits) throw fail('payment_scheme_unsupported')
  if (terms.payer !== undefined && terms.payer !== authorization.from) throw fail('quote_payer_mismatch')
  if (authorization.to !== terms.payTo) throw fail('payment_recipient_mismatch')
  if (authorization.token !== undefined && authorization.token !== terms.asset)
    throw fail('payment_asset_mismatch')
  if (authorization.kind === 'upto' && authorization.facilitator !== facts.settler)
    throw fail('facilitator_mismatch', { settler: facts.settler })
  const quoted = amountOf(terms, accepted.scheme as Scheme)
  if (authorization.value !== quoted) throw amountMismatch(authorization.value, quoted)
  return { terms, till, authorization }
}

const agreeV1 = ({ network, authorization }: PaymentV1, facts: TermsFacts): Agreed[] => {
  const fresh = facts.fresh().filter((terms) => V1_NETWORKS[chainNumber(terms.chain)] === network)
  if (fresh.length === 0) throw fail('payment_network_mismatch')
  const tillOf = (terms: Terms) =>
    facts.tills.find((one) => one.asset.chain === terms.chain && one.asset.address === terms.asset)
  const payable = fresh.filter((terms) => tillOf(terms)?.ways.some((way) => way.method === 'eip3009'))
  const mine = payable.filter((terms) => terms.payTo === authorization.to)
  if (mine.length === 0) throw fail('payment_recipient_mismatch')
  const enough = mine.filter((terms) => authorization.value >= terms.amount)
  if (enough.length === 0) throw amountMismatch(authorization.value, mine[0]!.amount)
  return enough.map((terms) => ({
    terms: { ...terms, amount: authorization.value, credit: 0n, payer: undefined },
    till: tillOf(terms)!,
    authorization,
  }))
}

/** Refuses an authorization that is not valid now, or for too long. */
export const checkTime = (
  { validAfter, validBefore }: Pick<Authorization, 'validAfter' | 'validBefore'>,
  now: number,
): void => {
  if (validBefore <= BigInt(now + LEAST_LEFT)) throw fail('payment_expired')
  if (validAfter >= BigInt(now)) throw fail('payment_not_yet_valid')
  if (validBefore > BigInt(now + LONGEST_VALID))
    throw fail('payment_validity_too_long', { limit: LONGEST_VALID })
}

const amountMismatch = (signed: bigint | string, quoted: bigint) =>
  fail('payment_amount_mismatch', { signed: signed.toString(), quoted })
