import type { Code } from '../errors.ts'
import { printUsd } from '../money.ts'
import { HEADER } from '../wire/payment.ts'
import type { Buyer } from './buyer.ts'
import { type Demand, readDemand } from './demand.ts'
import { PaymentRefused } from './errors.ts'
import { type SignedPayment, signPayment } from './payment.ts'
import { allowsUrl, judge, type Quote } from './policy.ts'
import { type Buffered, parse, readBytes } from './request.ts'
import type { Hold } from './spending.ts'

const MAX_DEMAND = 1 << 20

/** The demand of a 402 that x402 v2 can answer; undefined, and nothing read, for any other response. */
export const demandOf = async (response: Response): Promise<Demand | undefined> => {
  if (response.status !== 402 || !response.headers.has(HEADER.required)) return undefined
  return readDemand(response.headers, parse(await readBytes(response, MAX_DEMAND)))
}

/** Judge, inspect, reserve, sign: the one place where money is agreed to. Throws `PaymentRefused` before anything is signed. */
export const agree = async (
  buyer: Buyer,
  request: Buffered,
  asked: Response,
  demand: Demand,
): Promise<SignedPayment> => {
  const { rules, wallet, clock } = buyer
  const { host, origin, href } = request.url
  const no = (code: PaymentRefused['code'], hint: string, limit = '') =>
    refused(buyer, request, code, { offers: demand.offers, hint, limit })
  if (!allowsUrl(rules, request.url))
    throw no('host_not_allowed', `Add ${host} to policy.hosts to pay there.`, host)
  if (asked.redirected)
    throw no('redirected', `Ask ${new URL(asked.url).origin} itself: a redirect is not paid.`)
  const found = judge(rules, href, demand)
  if (!found.ok) throw no(found.code, found.hint, found.limit)
  const { offer, quote } = found
  buyer.emit({ type: 'quote', quote })
  const pinned = buyer.signers.get(origin)
  if (rules.receipt === 'require' && pinned !== undefined && offer.signer !== pinned) {
    throw no(
      'signer_changed',
      `Its receipts were signed by ${pinned}, now by ${offer.signer ?? 'nobody'}.`,
      pinned,
    )
  }
  if (rules.inspect && !(await rules.inspect(quote)))
    throw no('inspection_refused', 'policy.inspect said no.')
  const hold = reserve(buyer, quote, no)
  const payment = await signPayment({ wallet, demand, offer, quote, hold, clock })
  if (offer.signer && !buyer.signers.has(origin)) buyer.signers.set(origin, offer.signer)
  buyer.emit({
    type: 'signed',
    quote,
    payer: payment.payer,
    nonce: payment.nonce,
    validBefore: payment.validBefore,
  })
  return payment
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

const reserve = (
  { spending }: Buyer,
  { usd }: Quote,
  no: (code: PaymentRefused['code'], hint: string, limit: string) => PaymentRefused,
): Hold => {
  const reserved = spending.reserve(usd)
  if (reserved.ok) return reserved.hold
  const left = printUsd(reserved.left)
  const code = reserved.limit === 'maxTotal' ? 'above_total_limit' : 'above_hour_limit'
  throw no(code, `The call asks for $${printUsd(usd)}, $${left} of policy.${reserved.limit} are left.`, left)
}
