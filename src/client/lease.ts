import { randomBytes } from 'node:crypto'
import type { Hex } from '../assets.ts'
import { maxOf, minOf } from '../money.ts'
import { PERMIT2_COLLECTOR } from '../wire/contracts.ts'
import { findAllowance } from './allowance.ts'
import { type Channel, signDeposit, signVoucher } from './channel.ts'
import type { Demand } from './demand.ts'
import { PaymentRefused } from './errors.ts'
import type { Offer } from './offer.ts'
import type { Shown, Window } from './payment.ts'
import { type Permit2Nonces, signPermit2Deposit } from './permit2.ts'
import type { Quote } from './policy.ts'
import type { ChainReads } from './rpc.ts'
import type { Wallet } from './wallet.ts'

/** A channel while one call uses it. One of `served`, `unused` and `unknown` follows; after `unknown` one of the others may. */
export type Lease = {
  id: Hex
  /** Signs the voucher, and the deposit where one is needed. */
  sign: (window: Window) => Promise<Shown>
  /** The call cost this much; more than was signed for is a lie, and ends the use of the channel. */
  served: (charged: bigint) => void
  /** The router will not use what was signed. */
  unused: () => void
  unknown: () => void
  /** Believes what a 402 says of the channel as far as it is proven: `same` when nothing new came of it. */
  correct: (demand: Demand) => Promise<Correction>
}

export type Correction = 'corrected' | 'same' | 'disputed'

/** The call that a channel is taken for. */
export type Taken = { offer: Offer; quote: Quote; demand: Demand; signal: AbortSignal | undefined }

export type Slot = {
  channel: Channel
  busy: boolean
  /** Nothing is known of it but its name. */
  fresh: boolean
  /** We know what its calls have cost: from answers, from a store or from a proof. */
  proven: boolean
  /** Deposits that are said not to be used; until then they could be. */
  dead: { units: bigint; until: number }[]
}

/** What a channel is counted on for: a deposit in doubt is taken to have arrived, or each doubt would cost another one. */
export const balanceOf = ({ balance, pending }: Channel): bigint => balance + pending

export type LeaseFacts = {
  slot: Slot
  call: Taken
  /** Units that are deposited with this call. */
  units: bigint
  wallet: Wallet
  nonces: Permit2Nonces
  reads: (chain: Channel['chain']) => ChainReads | undefined
  save: () => Promise<void>
  free: () => void
  adopt: (offer: Offer) => Promise<Correction>
}

/** The chain's clock may run behind ours. */
const SLACK = 60

/** Books what a call may cost in its channel, before anything is signed. */
export const createLease = (facts: LeaseFacts): Lease => {
  const { slot, call, units, wallet, save, free } = facts
  const { channel } = slot
  const { amount } = call.offer
  const max = channel.charged + amount
  channel.pending += units
  channel.open += amount
  channel.signed = maxOf(channel.signed, max)
  channel.url = call.quote.url
  channel.accepted = call.offer.raw
  slot.fresh = false
  let until = 0
  let known: 'signed' | 'unknown' | 'done' = 'signed'

  const done = (change: (deposited: bigint) => void): void => {
    if (known === 'done') return
    const waits = known === 'signed'
    known = 'done'
    // A correction meanwhile has counted a deposit already.
    const deposited = channel.pending >= units ? units : 0n
    channel.pending -= deposited
    channel.open = maxOf(channel.open - amount, 0n)
    change(deposited)
    if (waits) free()
    else save().catch(() => {})
  }

  return {
    id: channel.id,
    sign: async (window) => {
      until = window.validBefore + SLACK
      await save()
      const voucher = await signVoucher(wallet, channel, max)
      const common = { channelConfig: channel.config, voucher }
      if (units === 0n) return { payload: { type: 'voucher', ...common }, nonce: channel.id }
      const { authorization, ...rest } = await authorize(facts, window)
      const payload = { type: 'deposit', ...common, deposit: { amount: String(units), authorization } }
      return { payload, nonce: channel.id, ...rest }
    },
    served: (charged) =>
      done((deposited) => {
        slot.proven = true
        channel.balance += deposited
        channel.charged += minOf(charged, amount)
        if (charged > amount) channel.state = 'disputed'
      }),
    unused: () =>
      done((deposited) => {
        if (deposited > 0n && until > 0) slot.dead.push({ units: deposited, until })
      }),
    unknown: () => {
      if (known !== 'signed') return
      known = 'unknown'
      free()
    },
    correct: async (demand) => {
      const stating = demand.offers.find((offer) => offer.channel?.stated?.id === channel.id)
      return stating ? facts.adopt(stating) : 'same'
    },
  }
}

/** Signs the deposit as the offer's method asks, with the allowance that Permit2 may need. */
const authorize = async ({ slot, call, units, wallet, nonces, reads }: LeaseFacts, window: Window) => {
  const { offer, demand } = call
  const deposit = { wallet, offer, window, channelId: slot.channel.id, amount: units }
  if (offer.method === 'eip3009')
    return { authorization: await signDeposit({ ...deposit, salt: `0x${randomBytes(32).toString('hex')}` }) }
  const deadline = window.validBefore
  const allowance = await findAllowance({
    wallet,
    offer,
    demand,
    amount: units,
    deadline,
    reads: reads(offer.chain),
  })
  if (allowance.is === 'short') throw new PaymentRefused('allowance_short', { hint: allowance.hint })
  const payer = wallet.address.toLowerCase() as Hex
  const authorization = await signPermit2Deposit({
    ...deposit,
    payer,
    nonce: nonces.next(),
    collector: PERMIT2_COLLECTOR,
  })
  return { authorization, ...(allowance.is === 'sent' && { extensions: allowance.extension }) }
}
