import type { Hex } from '../assets.ts'
import { permit2CollectorData, erc3009CollectorData } from '../chain/deposit.ts'
import { channelMulticallData, claimData, depositData, refundData, settleData } from '../chain/channel-calls.ts'
import { TOKEN_TRANSFER_GAS, tokenTransferData } from '../chain/approval.ts'
import { execute } from '../chain/executor.ts'
import { aggregate3 } from '../chain/multicall.ts'
import { settleExact, settleUpto } from '../chain/permit2.ts'
import { TRANSFER_GAS, transferData, transferDataOfContract } from '../chain/transaction.ts'
import { fail } from '../errors.ts'
import { type Sponsored, toMove } from '../ledger/call.ts'
import type { Claim, Errand, Task } from '../ledger/errand.ts'
import type { Payable } from '../ledger/moves.ts'
import { BATCH_SETTLEMENT, ERC3009_COLLECTOR, EXACT_PROXY, MULTICALL3, PERMIT2_COLLECTOR, UPTO_PROXY } from '../wire/contracts.ts'
import { type Authorization, isPlainSignature } from '../wire/payment.ts'
import type { Sender } from './batch.ts'

/** A call to a contract that moves the money of an item; `gas` is enough for it alone, its transaction's own cost included. */
export type Action = { to: Hex; data: Hex; gas: bigint; sender: Sender }

const PERMIT2_GAS = 190_000n
const SPONSORED_GAS = 260_000n
const DEPOSIT_GAS = 260_000n
/** Beside its items, for the transaction and the contract that runs them. */
const BATCH_GAS = 60_000n
/** What the executor holds back for each item beside its cap, and per byte of its data. */
const ITEM_RESERVE = 7_500n
const CLAIM_GAS = 120_000n
const EACH_CLAIM_GAS = 45_000n
/** What a contract may use up to say that a signature is its own. */
export const CONTRACT_GAS = 250_000n

/** What moves the money of a call or errand. `settler`: who sends it. */
export const actionOf = (item: Payable, settler: Hex): Action => {
  if (item.is === 'errand') return errandAction(item, settler)
  if (item.kind === 'voucher') throw fail('internal', { why: 'a voucher is claimed by its channel' })
  const { kind, payer, payTo, signed, token, validAfter, validBefore, nonce, signature, sponsored } = item
  const payment = { kind, from: payer, to: payTo, value: signed, token, validAfter, validBefore, nonce, signature }
  return paymentAction(payment, { token, amount: toMove(item), settler, sponsored })
}

type PaymentFacts = { token: Hex; amount: bigint; settler: Hex; sponsored: Sponsored | undefined }

/** What submits a signed payment. */
export const paymentAction = (payment: Authorization, facts: PaymentFacts): Action => {
  const { token, amount, settler, sponsored } = facts
  const permit = sponsored?.by === 'eip2612' ? { ...sponsored, value: sponsored.permitted } : undefined
  const gas = permit ? SPONSORED_GAS : PERMIT2_GAS
  if (payment.kind === 'upto') {
    const data = settleUpto({ ...payment, token, amount, facilitator: settler }, permit)
    return { to: UPTO_PROXY, data, gas, sender: 'settler' }
  }
  if (payment.kind === 'permit2')
    return { to: EXACT_PROXY, data: settleExact({ ...payment, token }, permit), gas, sender: 'anyone' }
  return isPlainSignature(payment.signature)
    ? { to: token, data: transferData(payment), gas: TRANSFER_GAS, sender: 'anyone' }
    : { to: token, data: transferDataOfContract(payment), gas: CONTRACT_GAS, sender: 'anyone' }
}

const errandAction = (errand: Errand, settler: Hex): Action => {
  const { task, token, amount, to } = errand
  switch (task.kind) {
    case 'deposit':
      return { to: BATCH_SETTLEMENT, data: depositCall(errand, task), gas: DEPOSIT_GAS, sender: 'anyone' }
    case 'claim': {
      const calls = [claimData(task.claims.map(toClaim)), settleData(task.receiver, token)]
      const gas = CLAIM_GAS + EACH_CLAIM_GAS * BigInt(task.claims.length)
      return { to: BATCH_SETTLEMENT, data: channelMulticallData(calls), gas, sender: 'settler' }
    }
    case 'refund': {
      const claim = task.claim ? [claimData([toClaim(task.claim)])] : []
      const data = channelMulticallData([...claim, refundData(task.config, amount)])
      return { to: BATCH_SETTLEMENT, data, gas: CLAIM_GAS * 2n, sender: 'settler' }
    }
    case 'payout':
      return { to: token, data: tokenTransferData(to, amount), gas: TOKEN_TRANSFER_GAS, sender: 'settler' }
    case 'relay':
      return paymentAction(task.authorization, { token, amount, settler, sponsored: task.sponsored })
    default:
      throw fail('internal', { why: `${task.kind} is only ever seen` })
  }
}

const depositCall = ({ amount }: Errand, task: Extract<Task, { kind: 'deposit' }>): Hex => {
  const { config, by, sponsored } = task
  if (by.kind === 'seen') throw fail('internal', { why: 'this deposit is on the chain already' })
  if (by.kind === 'eip3009')
    return depositData({ config, amount, collector: ERC3009_COLLECTOR, collectorData: erc3009CollectorData(by) })
  const permit = sponsored?.by === 'eip2612' ? { ...sponsored, value: sponsored.permitted } : undefined
  return depositData({ config, amount, collector: PERMIT2_COLLECTOR, collectorData: permit2CollectorData(by, permit) })
}

const toClaim = ({ config, max, signature, total }: Claim) => ({
  config,
  maxClaimableAmount: max,
  signature,
  totalClaimed: total,
})

/** Many actions in one, each tried by itself: through Multicall3 when anyone may send them, else by the settler's own account. */
export const together = (actions: readonly Action[], settler: Hex): Action => {
  const sender = actions.every((action) => action.sender === 'anyone') ? 'anyone' : 'settler'
  const own = actions.reduce((sum, action) => sum + action.gas, 0n)
  const items = actions.map(({ to, data, gas }) => ({ target: to, data, gas, allowFailure: true }))
  const gas = own + BATCH_GAS
  return sender === 'anyone'
    ? { to: MULTICALL3, data: aggregate3(items), gas, sender }
    : { to: settler, data: execute(items), gas: gas + reserveOf(items), sender }
}

const reserveOf = (items: readonly { data: Hex }[]): bigint =>
  items.reduce((sum, { data }) => sum + ITEM_RESERVE + BigInt(data.length / 2), 0n)
