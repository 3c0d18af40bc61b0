import type { Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import type { Sponsored } from '../ledger/call.ts'
import type { Till } from '../quote/offers.ts'
import type { Authorization, Payment, PaymentV2 } from '../wire/payment.ts'
import { claimKey } from './check.ts'

/** What a payment has to meet, as a resource server says: `amount` in token units, for `upto` what is to move of the maximum. */
export type Requirements = { scheme: string; network: string; amount: bigint; asset: Hex; payTo: Hex }

/** A payment that meets them: `amount` is what is to move, `claim` the thing that it may be used for once. */
export type Met = {
  till: Till
  authorization: Authorization
  amount: bigint
  sponsored: Sponsored | undefined
  claim: string
}

/** Whether a payment is for just these requirements, as far as that can be told without keys or chain; refuses otherwise. */
export const meets = (
  payment: Payment,
  wanted: Requirements,
  { tills, settler }: { tills: readonly Till[]; settler: Hex },
): Met => {
  if (payment.version !== 2 || 'channel' in payment) throw fail('payment_scheme_unsupported')
  const { accepted, authorization } = payment
  const upto = authorization.kind === 'upto'
  if (accepted.scheme !== wanted.scheme || (wanted.scheme === 'upto') !== upto)
    throw fail('payment_scheme_unsupported')
  const onChain = tills.filter(({ asset }) => asset.chain === wanted.network)
  if (accepted.network !== wanted.network || onChain.length === 0) throw fail('payment_network_mismatch')
  const till = onChain.find(({ asset }) => asset.address === wanted.asset)
  if (!till || accepted.asset.toLowerCase() !== wanted.asset) throw fail('payment_asset_mismatch')
  const method = authorization.kind === 'eip3009' ? 'eip3009' : 'permit2'
  const known = till.ways.some((way) => way.scheme === wanted.scheme && way.method === method)
  if (!known) throw fail('payment_scheme_unsupported')
  if (authorization.token !== undefined && authorization.token !== wanted.asset)
    throw fail('payment_asset_mismatch')
  const payTo = accepted.payTo.toLowerCase()
  if (authorization.to !== wanted.payTo || payTo !== wanted.payTo) throw fail('payment_recipient_mismatch')
  if (upto && authorization.facilitator !== settler) throw fail('facilitator_mismatch', { settler })
  const { amount } = wanted
  const fits = upto ? amount <= authorization.value : amount === authorization.value && amount > 0n
  if (!fits && upto) throw fail('payment_exceeds_signed', { signed: authorization.value, asked: amount })
  if (!fits) throw fail('payment_amount_mismatch', { signed: authorization.value, quoted: amount })
  const sponsored = permitOf(payment)
  return { till, authorization, amount, sponsored, claim: claimKey(till.asset, authorization) }
}

/** An allowance by permit rides in the same transaction; whether it holds, the simulation says. */
const permitOf = ({ sponsored, authorization }: PaymentV2): Sponsored | undefined => {
  if (sponsored?.by !== 'eip2612' || authorization.kind === 'eip3009') return undefined
  if (sponsored.from !== authorization.from || sponsored.asset !== authorization.token)
    throw fail('payment_asset_mismatch')
  const { value, deadline, signature } = sponsored
  return { by: 'eip2612', permitted: value, deadline, signature }
}
