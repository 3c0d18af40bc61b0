import type { Hex } from '../assets.ts'
import { TOKEN_TRANSFER_GAS, tokenTransferData } from '../chain/approval.ts'
import {
  channelMulticallData,
  claimData,
  depositData,
  refundData,
  settleData,
} from '../chain/channel-calls.ts'
import { erc3009CollectorData, permit2CollectorData } from '../chain/deposit.ts'
import { execute } from '../chain/executor.ts'
import { aggregateGas, batchGas, itemGas } from '../chain/gas.ts'
import { aggregate3 } from '../chain/multicall.ts'
import { settleExact, settleUpto } from '../chain/permit2.ts'
import { TRANSFER_GAS, transferData, transferDataOfContract } from '../chain/transaction.ts'
import { fail } from '../errors.ts'
import { type Sponsored, toMove } from '../ledger/call.ts'
import type { Claim, Errand, Task } from '../ledger/errand.ts'
import type { Payable } from '../ledger/moves.ts'
import {
  BATCH_SETTLEMENT,
  ERC3009_COLLECTOR,
  EXACT_PROXY,
  MULTICALL3,
  PERMIT2_COLLECTOR,
  UPTO_PROXY,
} from '../wire/contracts.ts'
import { type Authorization, isPlainSignature } from '../wire/payment.ts'
import type { Sender } from './batch.ts'

/** A call to a contract that moves the money of an item; `gas` is enough for it alone, its transaction's own cost included. */
export type Action = { to: Hex; data: Hex; gas: bigint }

const PERMIT2_GAS = 190_000n
const SPONSORED_GAS = 260_000n
const DEPOSIT_GAS = 260_000n
const CLAIM_GAS = 120_000n
const EACH_CLAIM_GAS = 45_000n
/** What a contract may use up to say that a signature is its own. */
export const CONTRACT_GAS = 250_000n

/** What moves the money of a call or errand. `settler`: who sends it. */
export const actionOf = (item: Payable, settler: Hex): Action => {
  if (item.is === 'errand') return errandAction(item, settler)
  if (item.kind === 'voucher') throw fail('internal', { why: 'a voucher is claimed by its channel' })
  const { kind, payer, payTo, signed, token, validAfter, validBefore, nonce, signature, sponsored } = item
  const payment = {
    kind,
    from: payer,
    to: payTo,
    value: signed,
    token,
    validAfter,
    validBefore,
    nonce,
    signature,
  }
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
    return { to: UPTO_PROXY, data, gas }
  }
  if (payment.kind === 'permit2')
    return { to: EXACT_PROXY, data: settleExact({ ...payment, token }, permit), gas }
  return isPlainSignature(payment.signature)
    ? { to: token, data: transferData(payment), gas: TRANSFER_GAS }
    : { to: token, data: transferDataOfContract(payment), gas: CONTRACT_GAS }
}

const errandAction = (errand: Errand, settler: Hex): Action => {
  const { task, token, amount, to } = errand
  switch (task.kind) {
    case 'deposit':
      return { to: BATCH_SETTLEMENT, data: depositCall(errand, task), gas: DEPOSIT_GAS }
    case 'claim': {
      const calls = [claimData(task.claims.map(toClaim)), settleData(task.receiver, token)]
      const gas = CLAIM_GAS + EACH_CLAIM_GAS * BigInt(task.claims.length)
      return { to: BATCH_SETTLEMENT, data: channelMulticallData(calls), gas }
    }
    case 'refund': {
      const claim = task.claim ? [claimData([toClaim(task.claim)])] : []
      const data = channelMulticallData([...claim, refundData(task.config, amount)])
      return { to: BATCH_SETTLEMENT, data, gas: CLAIM_GAS * 2n }
    }
    case 'payout':
      return { to: token, data: tokenTransferData(to, amount), gas: TOKEN_TRANSFER_GAS }
    case 'relay':
      return paymentAction(task.authorization, { token, amount, settler, sponsored: task.sponsored })
    default:
      throw fail('internal', { why: `no transaction of ours makes a ${task.kind}` })
  }
}

const depositCall = ({ amount }: Errand, task: Extract<Task, { kind: 'deposit' }>): Hex => {
  const { config, by, sponsored } = task
  if (by.kind === 'seen') throw fail('internal', { why: 'this deposit is on the chain already' })
  if (by.kind === 'eip3009')
    return depositData({
      config,
      amount,
      collector: ERC3009_COLLECTOR,
      collectorData: erc3009CollectorData(by),
    })
  const permit = sponsored?.by === 'eip2612' ? { ...sponsored, value: sponsored.permitted } : undefined
  return depositData({
    config,
    amount,
    collector: PERMIT2_COLLECTOR,
    collectorData: permit2CollectorData(by, permit),
  })
}

const toClaim = ({ config, max, signature, total }: Claim) => ({
  config,
  maxClaimableAmount: max,
  signature,
  totalClaimed: total,
})

/** Who may send what moves the money of an item. */
export const senderOf = (item: Payable): Sender => {
  const kind =
    item.is === 'call'
      ? item.kind
      : item.task.kind === 'relay'
        ? item.task.authorization.kind
        : item.task.kind
  return kind === 'eip3009' || kind === 'permit2' || kind === 'deposit' ? 'anyone' : 'settler'
}

/** It never shares a transaction: whether it was done could not be told, or the code of a stranger runs in it. */
export const staysAlone = (item: Payable): boolean =>
  item.is === 'call' ? !isPlainSignature(item.signature) : item.task.kind !== 'payout'

/** Items of one sort use about as much gas as each other. */
export const sortOf = (item: Payable): string => {
  if (item.is === 'errand') return `${item.task.kind} ${item.token}`
  return `${item.kind} ${item.token}${item.sponsored?.by === 'eip2612' ? ' permit' : ''}`
}

/** The most gas that an item uses in company. */
export const mostGasOf = (item: Payable): bigint => {
  if (item.is === 'errand' || item.kind === 'voucher') return TOKEN_TRANSFER_GAS
  return itemGas(item.kind, { withPermit: item.sponsored?.by === 'eip2612' })
}

/**
 * Items in one transaction, each tried by itself: through Multicall3, or by the settler's own account, which also holds
 * each to its gas. `allow`: the gas of an item that is not the first of its sort, which meets everything cold.
 */
export const together = (
  items: readonly Payable[],
  facts: { via: Sender; settler: Hex; allow: (sort: string, most: bigint) => bigint },
): Action => {
  const { via, settler, allow } = facts
  const met = new Set<string>()
  const calls = items.map((item) => {
    const { to, data } = actionOf(item, settler)
    const [sort, most] = [sortOf(item), mostGasOf(item)]
    const gas = met.has(sort) ? allow(sort, most) : most
    met.add(sort)
    return { target: to, data, gas, allowFailure: true }
  })
  if (via === 'settler') {
    const data = execute(calls)
    return { to: settler, data, gas: batchGas(calls, data) }
  }
  const data = aggregate3(calls)
  const inner = calls.reduce((sum, { gas }) => sum + gas, 0n)
  return { to: MULTICALL3, data, gas: aggregateGas(data, inner, calls.length) }
}
