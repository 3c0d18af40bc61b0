import type { Hex } from '../assets.ts'
import type { BatchItem } from './executor.ts'
import { SIGNATURE_GAS } from './reads.ts'

/**
 * Gas limits. Measured on anvil with test tokens, a fresh payer and a recipient new to the token (the dearest case),
 * without the 21,000 and the calldata of a transaction; a third and more on top, since real tokens sit behind proxies.
 * Rollups that charge the parent chain in gas (Arbitrum) need `estimateRead` instead.
 */
const CALL_GAS = {
  /** 70,300. */
  eip3009: 100_000n,
  /** 82,100. */
  permit2: 120_000n,
  /** 82,600. */
  upto: 120_000n,
  /** 121,900 by EIP-3009, 120,200 by Permit2. */
  deposit: 170_000n,
  /** 40,900 for the first channel that a receiver claims from. */
  claim: 70_000n,
  /** 46,100. */
  settle: 80_000n,
  /** 61,300 with a signature, of a whole deposit. */
  refund: 100_000n,
} as const

export type CallKind = keyof typeof CALL_GAS

/** The most that a call may use as one of a batch; `withPermit` carries an EIP-2612 allowance, `contractPayer` signs by ERC-1271. */
export const itemGas = (
  kind: CallKind,
  { withPermit = false, contractPayer = false }: { withPermit?: boolean; contractPayer?: boolean } = {},
): bigint => CALL_GAS[kind] + (withPermit ? PERMIT_GAS : 0n) + (contractPayer ? SIGNATURE_GAS : 0n)

/** Claims of several channels in one call: 21,300 each measured. */
export const claimGas = (channels: number): bigint =>
  CALL_GAS.claim + 35_000n * BigInt(Math.max(0, channels - 1))

/** A whole transaction whose call uses at most `inner`; `delegations` are accounts that take code with it. */
export const transactionGas = (data: Hex, inner: bigint, delegations = 0): bigint => {
  const { zeros, others } = countBytes(data)
  const spent = BASE_GAS + 4n * zeros + 16n * others + inner + DELEGATION_GAS * BigInt(delegations)
  // EIP-7623: a transaction of much data and little work pays for the data.
  const floor = BASE_GAS + 10n * zeros + 40n * others
  return spent > floor ? spent : floor
}

/** A batch that the executor runs, `data` being its calldata: enough that even when each item uses its all, none is left untried. */
export const batchGas = (items: readonly BatchItem[], data: Hex, delegations = 0): bigint => {
  let inner = EXECUTOR_GAS
  let largest = 0n
  for (const item of items) {
    inner += item.gas + ITEM_RESERVE + BigInt((item.data.length - 2) / 2)
    if (item.gas > largest) largest = item.gas
  }
  // A call never gets the last 64th of what is left.
  return transactionGas(data, inner + largest / 63n + 1n, delegations)
}

/** A Multicall3 batch of calls that use at most `inner` together. Multicall3 caps none of them: one that burns its gas starves the rest. */
export const aggregateGas = (data: Hex, inner: bigint, calls: number): bigint =>
  transactionGas(data, inner + inner / 63n + AGGREGATE_ITEM * BigInt(calls))

/** One payment by Permit2 as its own transaction, from a plain account and to a new recipient: 106,700 measured. */
export const EXACT_PERMIT2_GAS = 150_000n
/** One upto payment as its own transaction: 107,700 measured. */
export const UPTO_GAS = 150_000n

/** The most gas that one transaction may ask for since Osaka. Source: EIP-7825. */
export const LARGEST_TRANSACTION_GAS = 16_777_216n

const BASE_GAS = 21_000n
/** EIP-7702 takes this for each entry first and gives part of it back for accounts that exist. */
const DELEGATION_GAS = 25_000n
/** 53,100 measured on top of an upto payment, with a first allowance. */
const PERMIT_GAS = 75_000n
/** What `contracts/BatchExecutor.sol` holds back for an item beside its cap and its bytes. */
const ITEM_RESERVE = 7_000n
/** Entering the executor, its look over the items, and its memory. */
const EXECUTOR_GAS = 30_000n
/** A cold target, its bytes copied, its answer kept. */
const AGGREGATE_ITEM = 6_000n

const countBytes = (data: Hex): { zeros: bigint; others: bigint } => {
  let zeros = 0
  for (let i = 2; i < data.length; i += 2) if (data[i] === '0' && data[i + 1] === '0') zeros++
  return { zeros: BigInt(zeros), others: BigInt((data.length - 2) / 2 - zeros) }
}
