import type { Hex } from '../assets.ts'
import { toUsd } from '../assets.ts'
import { withStrategy } from '../wire/doors.ts'
import type { SignedReceipt } from '../wire/receipt.ts'
import type { Purchase } from './buyer.ts'
import { usdUp } from './policy.ts'
import {
  asReceipt,
  type Checked,
  type Expected,
  requestDigestOf,
  type Told,
  verifyReceipt,
} from './receipts.ts'
import { parse } from './request.ts'

const FIRST_WAIT_MS = 150

/** Judges the receipt of a paid call, books what it charged and tells of it. A call without one is a problem too. */
export const record = async (
  purchase: Purchase,
  told: Told | undefined,
  responseDigest?: Hex,
): Promise<Checked> => {
  const { buyer, request, payment } = purchase
  const signed = told?.receipt
  const verified = signed
    ? await verifyReceipt(signed, expected(purchase, responseDigest))
    : { ok: false as const, problems: ['the router gave no receipt'] }
  const problems = [...(verified.ok ? [] : verified.problems), ...contradictions(purchase, told)]
  const checked: Checked = { url: request.url.href, signed, ok: problems.length === 0, problems }
  // Booked only when it holds: a wrong receipt must not make the numbers look better.
  const billed = signed && checked.ok ? BigInt(signed.receipt.charged) : undefined
  const { decimals } = payment.quote.asset
  if (billed !== undefined) payment.hold.charge(toUsd(billed, decimals))
  count(purchase, billed, told?.charged)
  buyer.last.receipt = checked
  buyer.emit({ type: 'receipt', receipt: checked })
  return checked
}

/**
 * Lowers what a call is counted for from the most that it could cost to what it did cost. Of a channel that needs no trust:
 * each voucher allows what was charged so far and one call more. An `upto` can be settled in full whatever its receipt
 * says, so it is lowered only for a signer that the policy names.
 */
const count = (
  { buyer, request, payment }: Purchase,
  billed: bigint | undefined,
  stated: bigint | undefined,
): void => {
  const { offer, hold, lease, quote } = payment
  const { decimals } = quote.asset
  if (lease) {
    const fromReceipt = billed !== undefined && billed < offer.amount ? billed : billed && offer.amount
    const charged = stated ?? fromReceipt
    if (charged === undefined) {
      lease.unknown()
      return
    }
    lease.served(charged)
    if (charged <= offer.amount) hold.lower(usdUp(charged, decimals))
  } else if (offer.way === 'upto' && billed !== undefined && buyer.rules.signers.has(request.url.origin))
    hold.lower(usdUp(billed < offer.amount ? billed : offer.amount, decimals))
}

const contradictions = ({ payment }: Purchase, told: Told | undefined): string[] => {
  const { charged, receipt } = told ?? {}
  if (!payment.lease || charged === undefined) return []
  const { amount } = payment.offer
  const most = receipt && BigInt(receipt.receipt.charged)
  return [
    charged > amount &&
      `PAYMENT-RESPONSE says that ${charged} were charged, ${amount} at most were agreed to`,
    // Credit may have paid a part.
    most !== undefined &&
      charged > most &&
      `PAYMENT-RESPONSE says that ${charged} were charged, the receipt ${most}`,
  ].filter((problem) => problem !== false)
}

/** Asks the router for the receipt of a call that ended without showing it; tries a few times, then gives up. */
export const fetchReceipt = async (
  { buyer, request, payment }: Purchase,
  tries = 5,
): Promise<SignedReceipt | undefined> => {
  if (payment.callId === undefined) return undefined
  for (let left = tries, wait = FIRST_WAIT_MS; left > 0; left--, wait *= 2) {
    const found = asReceipt(await request.beside(`/v1/receipts/${payment.callId}`))
    if (found) return found
    if (left > 1) await buyer.clock.sleep(wait)
  }
  return undefined
}

const expected = ({ buyer, request, payment }: Purchase, responseDigest: Hex | undefined): Expected => {
  const { offer, payer, nonce, callId } = payment
  return {
    signer: buyer.signers.get(request.url.origin),
    callId,
    payer,
    payTo: offer.payTo,
    nonce,
    chain: offer.chain,
    asset: offer.asset,
    ...(offer.way === 'exact' || offer.way === 'permit2'
      ? { signed: offer.amount }
      : { signedAtMost: offer.amount }),
    requestDigest: requestDigestOf(request.url.pathname, withStrategy(parse(request.body), request.strategy)),
    responseDigest,
  }
}
