import type { Call } from '../ledger/call.ts'
import { settleResponse, signReceipt } from '../payment/receipt.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import { receiptExtension } from '../wire/offer-receipt.ts'
import type { Deps } from './deps.ts'

/** The value of PAYMENT-RESPONSE for a billed call: our receipt, and the one of the offer-receipt extension. Empty before the bill. */
export const receiptHeader = async (
  { account, ledger, notary }: Pick<Deps, 'account' | 'ledger' | 'notary'>,
  call: Call,
): Promise<string> => {
  const receipt = await signReceipt(account, call)
  if (!receipt) return ''
  const channel = call.channel === undefined ? undefined : await ledger.channel(call.channel)
  const response = settleResponse(call, receipt, channel)
  const proof = notary && receiptExtension(await notary.receipt(call, response.transaction))
  return encodeHeaderJson({ ...response, extensions: { ...response.extensions, ...proof } })
}
