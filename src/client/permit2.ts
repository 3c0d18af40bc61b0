import { randomBytes } from 'node:crypto'
import { chainNumber, type Hex } from '../assets.ts'
import {
  EXACT_PROXY,
  PERMIT2_DEPOSIT_TYPES,
  PERMIT2_EXACT_TYPES,
  PERMIT2_UPTO_TYPES,
  permit2Domain,
  UPTO_PROXY,
} from '../wire/contracts.ts'
import { word } from '../wire/fields.ts'
import type { Offer } from './offer.ts'
import type { Shown, Window } from './payment.ts'
import { printed, signTyped, type TypedDataToSign, type Wallet } from './wallet.ts'

/** Gives each signature a Permit2 nonce of its own. */
export type Permit2Nonces = { next: () => bigint }

const BITS = 256n

/**
 * Nonces in a row: a random word of 248 bits, then its bits 0 to 255, then another word. Permit2 keeps a payer's used
 * nonces as bits of 256-bit words, and the first bit of a word costs a new storage slot (22,100 gas), each later one only
 * 5,000: settled in a row they bring the gas of a payment down to a third. They may be settled in any order. The word is
 * random, so that clients with the same key do not meet.
 */
export const createPermit2Nonces = (
  randomWord: () => bigint = () => BigInt(`0x${randomBytes(31).toString('hex')}`),
): Permit2Nonces => {
  let base = 0n
  let bit = BITS
  return {
    next: () => {
      if (bit === BITS) {
        base = randomWord() << 8n
        bit = 0n
      }
      return base | bit++
    },
  }
}

/** Signs an offer of `upto`, or of `exact` by Permit2. Only the proxy may use it, and only to pay `payTo`. */
export const signPermit2 = async (facts: {
  wallet: Wallet
  offer: Offer
  window: Window
  payer: Hex
  nonce: bigint
}): Promise<Shown> => {
  const { wallet, offer, window, payer, nonce } = facts
  const upto = offer.way === 'upto'
  const permit = {
    permitted: { token: offer.asset, amount: offer.amount },
    spender: upto ? UPTO_PROXY : EXACT_PROXY,
    nonce,
    deadline: BigInt(window.validBefore),
    witness: {
      to: offer.payTo,
      ...(upto && { facilitator: offer.facilitator! }),
      validAfter: BigInt(window.validAfter),
    },
  }
  const signature = await signTyped(
    wallet,
    typed(offer, permit, upto ? PERMIT2_UPTO_TYPES : PERMIT2_EXACT_TYPES),
  )
  return { payload: { signature, permit2Authorization: shown(payer, permit) }, nonce: word(nonce) }
}

/** Signs a deposit into a channel for `collector`; returns the `deposit.authorization` of its payload. */
export const signPermit2Deposit = async (facts: {
  wallet: Wallet
  offer: Offer
  window: Window
  payer: Hex
  nonce: bigint
  collector: Hex
  channelId: Hex
  amount: bigint
}) => {
  const { wallet, offer, window, payer, nonce, collector, channelId, amount } = facts
  const permit = {
    permitted: { token: offer.asset, amount },
    spender: collector,
    nonce,
    deadline: BigInt(window.validBefore),
    witness: { channelId },
  }
  const signature = await signTyped(wallet, typed(offer, permit, PERMIT2_DEPOSIT_TYPES))
  return { permit2Authorization: { ...shown(payer, permit), signature } }
}

type Permit = {
  permitted: { token: Hex; amount: bigint }
  spender: Hex
  nonce: bigint
  deadline: bigint
  witness: Record<string, unknown>
}

const typed = ({ chain }: Offer, permit: Permit, types: TypedDataToSign['types']): TypedDataToSign => ({
  domain: permit2Domain(chainNumber(chain)),
  types,
  primaryType: 'PermitWitnessTransferFrom',
  message: permit,
})

const shown = (from: Hex, permit: Permit) => ({
  from,
  ...printed(permit),
  permitted: printed(permit.permitted),
  witness: printed(permit.witness),
})
