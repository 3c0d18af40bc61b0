import { randomBytes } from 'node:crypto'
import { chainNumber, type Hex } from '../assets.ts'
import { type Clock, seconds } from '../clock.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import type { Demand, Offer } from './demand.ts'
import type { Quote } from './policy.ts'
import type { Hold } from './spending.ts'
import { TRANSFER_TYPES, type Wallet } from './wallet.ts'

/** An authorization that was signed for one request, and what is known of it. */
export type SignedPayment = {
  offer: Offer
  quote: Quote
  payer: Hex
  nonce: Hex
  /** Unix seconds. */
  validBefore: number
  /** The value of PAYMENT-SIGNATURE: the same bytes each time it is shown. */
  header: string
  hold: Hold
  /** How many requests showed it and left its fate open. */
  doubts: number
  callId: string | undefined
}

const BACKDATE = 60
/** An authorization is never good for longer than this, whatever an offer asks for. */
const LONGEST_VALID = 3600

/** Signs an offer once. The money must be on hold already; when the wallet does not sign, the hold is released. */
export const signPayment = async (facts: {
  wallet: Wallet
  demand: Demand
  offer: Offer
  quote: Quote
  hold: Hold
  clock: Clock
}): Promise<SignedPayment> => {
  const { wallet, demand, offer, quote, hold, clock } = facts
  const now = seconds(clock.now())
  const validBefore = now + Math.min(offer.maxTimeoutSeconds, LONGEST_VALID)
  const payer = wallet.address.toLowerCase() as Hex
  const message = {
    from: payer,
    to: offer.payTo,
    value: offer.amount,
    validAfter: BigInt(now - BACKDATE),
    validBefore: BigInt(validBefore),
    nonce: `0x${randomBytes(32).toString('hex')}` as Hex,
  }
  try {
    const signature = await wallet.signTypedData({
      domain: { ...offer.domain, chainId: chainNumber(offer.chain), verifyingContract: offer.asset },
      types: TRANSFER_TYPES,
      primaryType: 'TransferWithAuthorization',
      message,
    })
    const header = encodeHeaderJson({
      x402Version: 2,
      ...(demand.resource !== undefined && { resource: demand.resource }),
      accepted: offer.raw,
      payload: { signature: canonical(signature), authorization: printed(message) },
      ...(demand.extensions !== undefined && { extensions: demand.extensions }),
    })
    return {
      offer,
      quote,
      payer,
      nonce: message.nonce,
      validBefore,
      header,
      hold,
      doubts: 0,
      callId: undefined,
    }
  } catch (error) {
    hold.release()
    throw error
  }
}

// Some signers give v as 0 or 1; tokens and routers want 27 or 28.
const canonical = (signature: Hex): Hex => {
  if (signature.length !== 132) return signature
  const v = signature.slice(130)
  if (v === '00') return `${signature.slice(0, 130)}1b` as Hex
  return v === '01' ? (`${signature.slice(0, 130)}1c` as Hex) : signature
}

const printed = (message: {
  from: Hex
  to: Hex
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
}) => ({
  ...message,
  value: message.value.toString(),
  validAfter: message.validAfter.toString(),
  validBefore: message.validBefore.toString(),
})
