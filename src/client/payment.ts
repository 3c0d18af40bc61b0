import { randomBytes } from 'node:crypto'
import { chainNumber, type Hex } from '../assets.ts'
import { type Clock, seconds } from '../clock.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import type { Demand } from './demand.ts'
import type { Lease } from './lease.ts'
import type { Offer } from './offer.ts'
import { type Permit2Nonces, signPermit2 } from './permit2.ts'
import type { Quote } from './policy.ts'
import type { Hold } from './spending.ts'
import { printed, signTyped, TRANSFER_TYPES, type Wallet } from './wallet.ts'

/** An authorization that was signed for one request, and what is known of it. */
export type SignedPayment = {
  offer: Offer
  quote: Quote
  payer: Hex
  /** What the router knows the payment by; of a channel, its id. */
  nonce: Hex
  /** Unix seconds. */
  validBefore: number
  /** The value of PAYMENT-SIGNATURE: the same bytes each time it is shown. */
  header: string
  /** Names the call to the router, whichever signature pays for it. */
  name: string
  hold: Hold
  /** The channel that pays, until it is known what the call cost. */
  lease: Lease | undefined
  /** How many requests showed it and left its fate open. */
  doubts: number
  callId: string | undefined
}

/** What is shown for one offer: its payload, and what else the signature is known by. */
export type Shown = { payload: object; nonce: Hex; extensions?: Record<string, unknown> }

/** When a signature starts to hold and when it ends, Unix seconds. */
export type Window = { validAfter: number; validBefore: number }

const BACKDATE = 60
/** An authorization is never good for longer than this, whatever an offer asks for. */
const LONGEST_VALID = 3600

/** From a minute ago until the offer says, at most an hour. */
export const windowOf = (offer: Offer, clock: Clock): Window => {
  const now = seconds(clock.now())
  return {
    validAfter: now - BACKDATE,
    validBefore: now + Math.min(offer.maxTimeoutSeconds, LONGEST_VALID),
  }
}

export type SignFacts = {
  wallet: Wallet
  demand: Demand
  offer: Offer
  quote: Quote
  hold: Hold
  lease: Lease | undefined
  /** The allowance that goes with it, as an extension of the payment. */
  allowance: Record<string, unknown> | undefined
  name: string
  nonces: Permit2Nonces
  window: Window
}

/** Signs an offer once. The money must be on hold already; when the wallet does not sign, hold and channel are given back. */
export const signPayment = async (facts: SignFacts): Promise<SignedPayment> => {
  const { wallet, demand, offer, quote, hold, lease, name, window } = facts
  const payer = wallet.address.toLowerCase() as Hex
  try {
    const shown = await sign(facts, window, payer)
    const added = { ...facts.allowance, ...named(demand, name), ...shown.extensions }
    const header = encodeHeaderJson({
      x402Version: 2,
      ...(demand.resource !== undefined && { resource: demand.resource }),
      accepted: offer.raw,
      payload: shown.payload,
      ...extended(demand, added),
    })
    const { validBefore } = window
    const nonce = shown.nonce
    return {
      offer,
      quote,
      payer,
      nonce,
      validBefore,
      header,
      name,
      hold,
      lease,
      doubts: 0,
      callId: undefined,
    }
  } catch (error) {
    hold.release()
    lease?.unused()
    throw error
  }
}

const sign = ({ wallet, offer, lease, nonces }: SignFacts, window: Window, payer: Hex): Promise<Shown> => {
  if (lease) return lease.sign(window)
  if (offer.way === 'exact') return signExact(wallet, offer, window, payer)
  return signPermit2({ wallet, offer, window, payer, nonce: nonces.next() })
}

const signExact = async (wallet: Wallet, offer: Offer, window: Window, payer: Hex): Promise<Shown> => {
  const message = {
    from: payer,
    to: offer.payTo,
    value: offer.amount,
    validAfter: BigInt(window.validAfter),
    validBefore: BigInt(window.validBefore),
    nonce: `0x${randomBytes(32).toString('hex')}` as Hex,
  }
  const signature = await signTyped(wallet, {
    domain: { ...offer.domain!, chainId: chainNumber(offer.chain), verifyingContract: offer.asset },
    types: TRANSFER_TYPES,
    primaryType: 'TransferWithAuthorization',
    message,
  })
  return { payload: { signature, authorization: printed(message) }, nonce: message.nonce }
}

/** Echoes what the 402 declared, with what we add to it: `info` of ours beside the router's own. */
const extended = ({ extensions }: Demand, added: Record<string, unknown>): { extensions?: unknown } => {
  if (Object.keys(added).length === 0) return extensions === undefined ? {} : { extensions }
  const declared = declarations(extensions)
  const merged = Object.entries(added).map(([key, info]) => {
    const theirs = declarations(declared[key])
    return [key, { ...theirs, info: { ...declarations(theirs['info']), ...(info as object) } }] as const
  })
  return { extensions: { ...declared, ...Object.fromEntries(merged) } }
}

/** The extensions that a 402 declares, by name. */
export const declarations = (extensions: unknown): Record<string, unknown> =>
  typeof extensions === 'object' && extensions !== null ? (extensions as Record<string, unknown>) : {}

const IDENTIFIER = 'payment-identifier'
const named = ({ extensions }: Demand, name: string) =>
  IDENTIFIER in declarations(extensions) && /^[A-Za-z0-9_-]{16,128}$/.test(name)
    ? { [IDENTIFIER]: { id: name } }
    : {}
