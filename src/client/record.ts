import type { Hex } from '../assets.ts'
import { toUsd } from '../assets.ts'
import type { SignedReceipt } from '../wire/receipt.ts'
import type { Purchase } from './buyer.ts'
import { asReceipt, type Checked, type Expected, requestDigestOf, verifyReceipt } from './receipts.ts'
import { parse } from './request.ts'

const FIRST_WAIT_MS = 150

/** Judges the receipt of a paid call, books what it charged and tells of it. A call without one is a problem too. */
export const record = async (
  purchase: Purchase,
  signed: SignedReceipt | undefined,
  responseDigest?: Hex,
): Promise<Checked> => {
  const { buyer, request, payment } = purchase
  const verified = signed
    ? await verifyReceipt(signed, expected(purchase, responseDigest))
    : { ok: false as const, problems: ['the router gave no receipt'] }
  const checked: Checked = {
    url: request.url.href,
    signed,
    ok: verified.ok,
    problems: verified.ok ? [] : verified.problems,
  }
  // Booked only when it holds: a wrong receipt must not make the numbers look better.
  if (signed && verified.ok)
    payment.hold.charge(toUsd(BigInt(signed.receipt.charged), payment.quote.asset.decimals))
  buyer.last.receipt = checked
  buyer.emit({ type: 'receipt', receipt: checked })
  return checked
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
    signed: offer.amount,
    requestDigest: requestDigestOf(request.url.pathname, parse(request.body)),
    responseDigest,
  }
}
