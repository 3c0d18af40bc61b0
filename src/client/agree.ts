import type { Code } from '../errors.ts'
import { printUsd } from '../money.ts'
import { HEADER } from '../wire/payment.ts'
import { findAllowance } from './allowance.ts'
import type { Buyer } from './buyer.ts'
import type { Channels } from './channels.ts'
import { type Candidate, rank, type Tried } from './choose.ts'
import { type Demand, readDemand } from './demand.ts'
import { PaymentRefused } from './errors.ts'
import type { Lease, Taken } from './lease.ts'
import type { Offer } from './offer.ts'
import { type SignedPayment, signPayment, windowOf } from './payment.ts'
import { allowsUrl, type Quote } from './policy.ts'
import { type Buffered, parse, readBytes } from './request.ts'
import type { Hold } from './spending.ts'

const MAX_DEMAND = 1 << 20

/** The demand of a 402 that x402 v2 can answer; undefined, and nothing read, for any other response. */
export const demandOf = async (response: Response): Promise<Demand | undefined> => {
  if (response.status !== 402 || !response.headers.has(HEADER.required)) return undefined
  return readDemand(response.headers, parse(await readBytes(response, MAX_DEMAND)))
}

/** What is asked for, and what this call has tried in vain. */
export type Asked = { response: Response; demand: Demand; tried: readonly Tried[] }

/**
 * Judge, inspect, reserve, sign: the one place where money is agreed to. Throws `PaymentRefused` before anything is signed.
 * A way that cannot be gone (no allowance, no channel to be had) makes room for the next best.
 */
export const agree = async (buyer: Buyer, request: Buffered, asked: Asked): Promise<SignedPayment> => {
  const { rules } = buyer
  const { demand, response } = asked
  const { host, href } = request.url
  const no = refuser(buyer, request, demand)
  if (!allowsUrl(rules, request.url))
    throw no('host_not_allowed', `Add ${host} to policy.hosts to pay there.`, host)
  if (response.redirected)
    throw no('redirected', `Ask ${new URL(response.url).origin} itself: a redirect is not paid.`)
  const ranked = rank(rules, href, demand, factsOf(buyer, asked))
  if (!ranked.ok) throw no(ranked.code, ranked.hint, ranked.limit)
  let last: PaymentRefused | undefined
  for (const candidate of ranked.candidates) {
    try {
      return await agreeOn(buyer, request, demand, candidate)
    } catch (error) {
      if (!(error instanceof PaymentRefused) || !PASSED_OVER.has(error.code)) throw error
      last = error
    }
  }
  throw no(last!.code, last!.hint, last!.limit)
}

const PASSED_OVER: ReadonlySet<PaymentRefused['code']> = new Set<PaymentRefused['code']>([
  'allowance_short',
  'deposit_limit',
  'channels_in_use',
  'channel_disputed',
])

/** Is there an offer left that this call could still be paid by? */
export const hasOther = (buyer: Buyer, request: Buffered, asked: Omit<Asked, 'response'>): boolean =>
  rank(buyer.rules, request.url.href, asked.demand, factsOf(buyer, asked)).ok

const factsOf = ({ channels, short, clock }: Buyer, { tried }: Pick<Asked, 'tried'>) => ({
  deposit: channels?.deposit,
  tried,
  isShort: (offer: Offer) =>
    [shortOf(offer, 'funds'), offer.method === 'permit2' ? shortOf(offer, 'allowance') : ''].some(
      (name) => (short.get(name) ?? 0) > clock.now(),
    ),
})

/** How it is kept in mind what a wallet lacks of a token. */
export const shortOf = ({ chain, asset }: Offer, of: 'funds' | 'allowance'): string =>
  `${of} ${chain}/${asset}`

const agreeOn = async (
  buyer: Buyer,
  request: Buffered,
  demand: Demand,
  { offer, quote }: Candidate,
): Promise<SignedPayment> => {
  const { rules, wallet, clock, nonces, channels } = buyer
  const no = refuser(buyer, request, demand)
  const window = windowOf(offer, clock)
  const facts = {
    wallet,
    offer,
    demand,
    amount: offer.amount,
    deadline: window.validBefore,
    reads: buyer.reads(offer.chain),
  }
  const signs = offer.way === 'upto' || offer.way === 'permit2'
  // Looked at before anybody is asked: a way that cannot be gone is not worth a question.
  const allowance = signs && offer.amount > 0n ? await findAllowance(facts) : { is: 'enough' as const }
  if (allowance.is === 'short') throw new PaymentRefused('allowance_short', { hint: allowance.hint })
  buyer.emit({ type: 'quote', quote })
  checkSigner(buyer, request, offer, no)
  if (rules.inspect && !(await rules.inspect(quote)))
    throw no('inspection_refused', 'policy.inspect said no.')
  const hold = reserve(buyer, quote, no)
  const lease =
    offer.channel && (await leaseFor(channels!, { offer, quote, demand, signal: request.signal }, hold))
  const { name } = request
  const extension = allowance.is === 'sent' ? allowance.extension : undefined
  const payment = await signPayment({
    wallet,
    demand,
    offer,
    quote,
    hold,
    lease,
    allowance: extension,
    name,
    nonces,
    // Waiting for a channel may have taken a while.
    window: lease ? windowOf(offer, clock) : window,
  })
  const { origin } = request.url
  if (offer.signer && !buyer.signers.has(origin)) buyer.signers.set(origin, offer.signer)
  const { payer, nonce, validBefore } = payment
  buyer.emit({ type: 'signed', quote, payer, nonce, validBefore })
  return payment
}

type Refuser = (code: PaymentRefused['code'], hint: string, limit?: string) => PaymentRefused

const refuser =
  (buyer: Buyer, request: Buffered, { offers }: Demand): Refuser =>
  (code, hint, limit = '') =>
    refused(buyer, request, code, { offers, hint, limit })

/** Whoever signed here first goes on signing, and alone may settle what it can settle for less than was signed. */
const checkSigner = ({ rules, signers }: Buyer, request: Buffered, offer: Offer, no: Refuser): void => {
  const pinned = signers.get(request.url.origin)
  if (pinned === undefined) return
  if (rules.receipt === 'require' && offer.signer !== pinned)
    throw no(
      'signer_changed',
      `Its receipts were signed by ${pinned}, now by ${offer.signer ?? 'nobody'}.`,
      pinned,
    )
  const settles = offer.facilitator ?? offer.channel?.receiverAuthorizer
  if (settles !== undefined && settles !== pinned && !rules.facilitators.has(settles))
    throw no('signer_changed', `It was to be settled by ${pinned}, now by ${settles}.`, pinned)
}

const leaseFor = async (channels: Channels, call: Taken, hold: Hold): Promise<Lease> => {
  try {
    return await channels.take(call)
  } catch (error) {
    hold.release()
    throw error
  }
}

/** Tells of a refusal and makes the error for it. */
export const refused = (
  buyer: Buyer,
  request: Buffered,
  code: PaymentRefused['code'],
  facts: { offers?: Demand['offers']; limit?: string; hint: string; routerCode?: Code | undefined },
): PaymentRefused => {
  buyer.emit({ type: 'refused', url: request.url.href, code, hint: facts.hint, routerCode: facts.routerCode })
  return new PaymentRefused(code, facts)
}

const reserve = ({ spending }: Buyer, { usd }: Quote, no: Refuser): Hold => {
  const reserved = spending.reserve(usd)
  if (reserved.ok) return reserved.hold
  const left = printUsd(reserved.left)
  const code = reserved.limit === 'maxTotal' ? 'above_total_limit' : 'above_hour_limit'
  throw no(code, `The call asks for $${printUsd(usd)}, $${left} of policy.${reserved.limit} are left.`, left)
}
