import { chainNumber } from '../assets.ts'
import { signDigest } from '../chain/signatures.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import { receiptDigest } from '../chain/typed-data.ts'
import { seconds } from '../clock.ts'
import { billOf, type Call, fromSigned, toMove } from '../ledger/call.ts'
import type { Channel } from '../ledger/channel.ts'
import { minOf } from '../money.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import type { SettleResponse } from '../wire/payment.ts'
import { NO_TRANSACTION, type Receipt, type SignedReceipt } from '../wire/receipt.ts'
import { channelResponse } from './channel-answer.ts'

/** Signs the receipt of a billed call: the same call gives the same receipt, but for a transaction that was replaced. Undefined before the bill. */
export const signReceipt = async (signer: Account, call: Call): Promise<SignedReceipt | undefined> => {
  const receipt = receiptOf(call)
  if (!receipt) return undefined
  const signature = await signDigest(receiptDigest(chainNumber(call.chain), receipt), signer.key)
  return { receipt, signer: signer.address, signature }
}

/** What `PAYMENT-RESPONSE` carries, as JSON; of a voucher also where its channel stands now. */
export const settleResponse = (
  call: Call,
  receipt: SignedReceipt,
  channel?: Channel,
): SettleResponse<SignedReceipt> =>
  channel ? channelResponse(call, channel, receipt) : paidResponse(call, receipt)

const paidResponse = (call: Call, receipt: SignedReceipt): SettleResponse<SignedReceipt> => ({
  success: true,
  transaction: receipt.receipt.transaction === NO_TRANSACTION ? '' : receipt.receipt.transaction,
  network: call.chain,
  payer: call.payer,
  amount: toMove(call).toString(),
  extensions: { farebox: receipt },
})

export const encodeSettleResponse = (call: Call, receipt: SignedReceipt, channel?: Channel): string =>
  encodeHeaderJson(settleResponse(call, receipt, channel))

const receiptOf = (call: Call): Receipt | undefined => {
  const bill = billOf(call)
  if (!bill) return undefined
  const charged = minOf(bill.charged, call.ceiling)
  // Of an `upto` and a voucher only what was used moves: the rest was never taken, so it is no credit either.
  const whole = call.kind === 'eip3009' || call.kind === 'permit2'
  const signed = whole ? call.signed : fromSigned(call, charged)
  return {
    callId: call.id,
    quoteId: call.quoteId,
    issuedAt: seconds(bill.at),
    chain: call.chain,
    asset: call.token,
    payer: call.payer,
    payTo: call.payTo,
    nonce: call.nonce,
    quoted: call.ceiling.toString(),
    signed: signed.toString(),
    creditUsed: call.credit.toString(),
    charged: charged.toString(),
    credited: (signed + call.credit - charged).toString(),
    modelAsked: call.asked,
    modelAnswered: bill.model,
    provider: bill.provider,
    inputTokens: bill.usage.input,
    cachedTokens: bill.usage.cached,
    outputTokens: bill.usage.output,
    usageSource: bill.usage.source,
    outcome: call.service.at === 'partial' ? 'partial' : 'served',
    requestDigest: call.requestDigest,
    responseDigest: bill.responseDigest,
    transaction: transactionOf(call),
  }
}

const transactionOf = ({ settlement }: Call) => {
  if (settlement.at === 'settling') return settlement.hash
  return settlement.at === 'included' || settlement.at === 'settled' ? settlement.proof.hash : NO_TRANSACTION
}
