import { toUnits } from '../assets.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import type { Demand, Described } from './demand.ts'
import type { RefusedCode } from './errors.ts'
import type { Offer } from './offer.ts'
import { type Quote, type Rules, usdUp } from './policy.ts'

/** What beside the rules decides between offers. */
export type Facts = {
  /** Dollars of one deposit; undefined for a client without channels. */
  deposit: Usd | undefined
  /** What this call has tried in vain, and why. */
  tried: readonly Tried[]
  /** Does the wallet lack funds or an allowance for this offer, as far as we know? Such an offer comes last. */
  isShort: (offer: Offer) => boolean
}

/** `poor`: the wallet lacks the token, by whatever way it is to be paid. */
export type Tried = { offer: Offer; poor: boolean }

export type Candidate = { offer: Offer; quote: Quote }
export type No = { ok: false; code: RefusedCode; limit: string; hint: string }

/**
 * The offers that the rules allow, best first: by the rules' order of ways, then as the router lists them; or the reason of
 * the one that came closest. Limits per hour and in total are not judged here: they depend on what else is open.
 */
export const rank = (
  rules: Rules,
  url: string,
  demand: Demand,
  facts: Facts,
): { ok: true; candidates: readonly Candidate[] } | No => {
  const { tried } = facts
  const left = demand.offers.filter((offer) => !tried.some((one) => excludes(one, offer)))
  // A wallet whose token was taken on all counts but the way pays with the same one.
  const isOther = (offer: Offer) =>
    tried.some((one) => !one.poor) && !tried.some((one) => isSameToken(one.offer, offer))
  const judged = left.map((offer) => judgeOne(rules, url, demand, offer, facts))
  const order = ({ offer }: Candidate) =>
    rules.schemes.indexOf(offer.way) + (facts.isShort(offer) || isOther(offer) ? rules.schemes.length : 0)
  const candidates = judged.filter((one) => 'offer' in one).toSorted((a, b) => order(a) - order(b))
  if (candidates.length > 0) return { ok: true, candidates }
  return judged.filter((one) => 'code' in one).reduce(closer, none(demand))
}

const excludes = ({ offer, poor }: Tried, other: Offer): boolean =>
  isSameToken(offer, other) && (poor || (offer.way === other.way && offer.method === other.method))

const isSameToken = (a: Offer, b: Offer): boolean => a.chain === b.chain && a.asset === b.asset

const none = ({ others }: Demand): No => ({
  ok: false,
  code: 'no_payable_offer',
  limit: 'exact, upto and channels on EVM chains',
  hint: `None of the ${others} other offers can be paid by this client.`,
})

const NEARNESS: readonly RefusedCode[] = [
  'no_payable_offer',
  'scheme_not_allowed',
  'chain_not_allowed',
  'asset_not_allowed',
  'facilitator_not_allowed',
  'channel_terms_refused',
  'above_call_limit',
]
const closer = (a: No, b: No): No => (NEARNESS.indexOf(b.code) > NEARNESS.indexOf(a.code) ? b : a)
const no = (code: RefusedCode, limit: string, hint: string): No => ({ ok: false, code, limit, hint })

/** A router may not tie a deposit up for longer than this. */
const LONGEST_DELAY = 7 * 86_400

const judgeOne = (
  rules: Rules,
  url: string,
  { described }: Demand,
  offer: Offer,
  { deposit }: Facts,
): Candidate | No => {
  const { way, chain, asset: address, amount, payTo } = offer
  if (!rules.schemes.includes(way))
    return no('scheme_not_allowed', rules.schemes.join(', '), `Add '${way}' to policy.schemes to pay so.`)
  if (way === 'channel' && deposit === undefined)
    return no('scheme_not_allowed', 'no channels', 'Give the client `channels` to pay out of a deposit.')
  if (rules.chains && !rules.chains.has(chain))
    return no(
      'chain_not_allowed',
      [...rules.chains].join(', '),
      `Add ${chain} to policy.chains to pay there.`,
    )
  const asset = rules.assets.find((one) => one.chain === chain && one.address === address)
  if (!asset) {
    const hint = `Add { chain: '${chain}', address: '${address}', decimals } to policy.assets if you trust this token.`
    return no('asset_not_allowed', 'the assets of the policy', hint)
  }
  if (rules.symbols && !rules.symbols.has(asset.symbol))
    return no(
      'asset_not_allowed',
      [...rules.symbols].join(', '),
      `Add '${asset.symbol}' to policy.symbols to pay with it.`,
    )
  const settles = offer.facilitator ?? offer.channel?.receiverAuthorizer
  if (settles !== undefined && settles !== offer.signer && !rules.facilitators.has(settles)) {
    const hint = `Add ${settles} to policy.facilitators if you trust it: the offer's receipts are signed by ${offer.signer ?? 'nobody'}.`
    return no('facilitator_not_allowed', offer.signer ?? '', hint)
  }
  const usd = usdUp(amount, asset.decimals)
  if (usd > rules.maxPerCall) {
    const hint = `The call asks for $${printUsd(usd)}. ${fitting(described, rules.maxPerCall)}Raise policy.maxPerCall to allow it.`
    return no('above_call_limit', printUsd(rules.maxPerCall), hint)
  }
  const problem = offer.channel && channelProblem(offer, toUnits(deposit!, asset.decimals))
  if (problem) return no('channel_terms_refused', printUsd(deposit!), problem)
  return { offer, quote: { url, way, usd, amount, asset, payTo, described } }
}

const channelProblem = ({ amount, channel }: Offer, deposit: bigint): string | undefined => {
  const { minDeposit, withdrawDelay } = channel!
  if (amount > deposit || minDeposit > deposit)
    return `A deposit of ${minDeposit > amount ? minDeposit : amount} units is asked for: raise channels.deposit to allow it.`
  return withdrawDelay > LONGEST_DELAY
    ? `A deposit would be tied up for ${withdrawDelay} seconds; at most ${LONGEST_DELAY} are taken.`
    : undefined
}

// The router lists which max_tokens fit some round budgets; the largest one within the limit is worth telling.
const fitting = (described: Described | undefined, limit: Usd): string => {
  const fits = Object.entries(described?.max_tokens_that_fit ?? {})
    .map(([budget, tokens]) => ({ budget: parseUsd(budget), tokens }))
    .filter(({ budget, tokens }) => budget !== undefined && budget <= limit && tokens > 0)
    .toSorted((a, b) => b.tokens - a.tokens)[0]
  return fits ? `With max_tokens ${fits.tokens} it stays within $${printUsd(fits.budget!)}. ` : ''
}
