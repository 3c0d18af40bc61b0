import { billOf, type Call, stateOf } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'

/** How an errand stands, for who knows its id: a deposit, a refund, whatever is done beside calls. */
export const describeErrand = ({ id, settlement, task, chain, token, payer, amount, at }: Errand) => {
  const proof = 'proof' in settlement ? settlement.proof : undefined
  return {
    id,
    state: settlement.at,
    what: task.kind,
    ...(settlement.at === 'lost' && { settlement_why: settlement.why }),
    network: chain,
    asset: token,
    payer,
    amount: amount.toString(),
    transaction: proof?.hash ?? (settlement.at === 'settling' ? settlement.hash : null),
    block: proof?.block.toString() ?? null,
    created_at: new Date(at).toISOString(),
  }
}

/** How a call stands, for people and agents; amounts in units. */
export const describeCall = (call: Call) => {
  const bill = billOf(call)
  const { settlement, service } = call
  const proof = settlement.at === 'included' || settlement.at === 'settled' ? settlement.proof : undefined
  return {
    id: call.id,
    state: stateOf(call),
    service: service.at,
    settlement: settlement.at,
    ...('why' in service && { why: service.why }),
    ...(settlement.at === 'lost' && { settlement_why: settlement.why }),
    network: call.chain,
    asset: call.token,
    payer: call.payer,
    pay_to: call.payTo,
    nonce: call.nonce,
    signed: call.signed.toString(),
    credit_used: call.credit.toString(),
    ceiling: call.ceiling.toString(),
    charged: bill
      ? bill.charged.toString()
      : service.at === 'released' || service.at === 'rejected'
        ? '0'
        : null,
    ...(bill?.refunded !== undefined && { refunded: bill.refunded.toString() }),
    usage: bill
      ? { input_tokens: bill.usage.input, cached_tokens: bill.usage.cached, output_tokens: bill.usage.output }
      : null,
    model: bill?.model ?? null,
    provider: bill?.provider ?? null,
    transaction: proof?.hash ?? (settlement.at === 'settling' ? settlement.hash : null),
    block: proof?.block.toString() ?? null,
    created_at: new Date(call.at).toISOString(),
    receipt: bill ? `/v1/receipts/${call.id}` : null,
  }
}
