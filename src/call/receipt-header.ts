import { billOf, type Call, fromSigned } from '../ledger/call.ts'
import type { Channel } from '../ledger/channel.ts'
import { settleResponse, signReceipt } from '../payment/receipt.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import { receiptExtension } from '../wire/offer-receipt.ts'
import type { Deps } from './deps.ts'

/** `proof`: the payer asked for the receipt of the offer-receipt extension too. `drew`: the channel as it stood when the call drew on it. */
export type Receipting = { proof?: boolean | undefined; drew?: Channel | undefined }

/** The value of PAYMENT-RESPONSE for a billed call: our receipt, and where it is asked for that of the offer-receipt extension. Empty before the bill. */
export const receiptHeader = async (
  { account, ledger, notary }: Pick<Deps, 'account' | 'ledger' | 'notary'>,
  call: Call,
  { proof = false, drew }: Receipting = {},
): Promise<string> => {
  const receipt = await signReceipt(account, call)
  if (!receipt) return ''
  const channel =
    call.channel === undefined ? undefined : drew ? billed(drew, call) : await ledger.channel(call.channel)
  const response = settleResponse(call, receipt, channel)
  if (!proof || !notary) return encodeHeaderJson(response)
  const added = receiptExtension(await notary.receipt(call, response.transaction))
  return encodeHeaderJson({ ...response, extensions: { ...response.extensions, ...added } })
}

/** The channel after the bill of a call that drew on it: nobody else could in between. */
const billed = (drew: Channel, call: Call): Channel => ({
  ...drew,
  charged: drew.charged + fromSigned(call, billOf(call)?.charged ?? 0n),
})
