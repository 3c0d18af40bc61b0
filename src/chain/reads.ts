/** Reads for Permit2, channels and contract wallets: calls to send and judges of what came back. Nothing here speaks to a node. */
import type { Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import { BATCH_SETTLEMENT, PERMIT2 } from '../wire/contracts.ts'
import { bytes, callData, pad, selector, word } from './abi.ts'
import { numberOf, value } from './answers.ts'
import { delegateOf } from './delegate.ts'
import type { RpcCall, RpcResult } from './rpc.ts'

/** `latest`, or a block's number as a quantity, so that two nodes can agree. */
export type At = 'latest' | Hex

/** What an account is: without code its key signs; else its code decides, also when only delegated (EIP-7702). */
export type Code = 'none' | 'delegated' | 'contract'

/** What the chain says about a payer by Permit2; amounts in token units. */
export type Permit2Facts = { balance: bigint; allowance: bigint; used: boolean; code: Code }

/** A channel, in token units; `initiatedAt` in unix seconds, 0 when no withdrawal is pending. */
export type ChannelState = {
  balance: bigint
  totalClaimed: bigint
  withdrawal: { amount: bigint; initiatedAt: number } | undefined
  refundNonce: bigint
}

/** What a token may do to a transfer; 0 and false for a token that knows neither. */
export type TokenQuirks = { feeBasisPoints: bigint; paused: boolean }

const BALANCE = selector('balanceOf(address)')
const ALLOWANCE = selector('allowance(address,address)')
const NONCES = selector('nonces(address)')
const BITMAP = selector('nonceBitmap(address,uint256)')
const CHANNELS = selector('channels(bytes32)')
const WITHDRAWALS = selector('pendingWithdrawals(bytes32)')
const REFUND_NONCE = selector('refundNonce(bytes32)')
const RECEIVERS = selector('receivers(address,address)')
const FEE = selector('basisPointsRate()')
const PAUSED = selector('paused()')
const IS_VALID = selector('isValidSignature(bytes32,bytes)')

/** An `eth_call`. */
export const readCall = (to: Hex, data: Hex, at: At = 'latest'): RpcCall => ({
  method: 'eth_call',
  params: [{ to, data }, at],
})

/** Units of `token` that `owner` holds; read with `numberOf`. */
export const balanceRead = (token: Hex, owner: Hex, at?: At): RpcCall =>
  readCall(token, callData(BALANCE, pad(owner)), at)

/** Units of `token` that `spender` may take from `owner`; read with `numberOf`. */
export const allowanceRead = (token: Hex, owner: Hex, spender: Hex, at?: At): RpcCall =>
  readCall(token, callData(ALLOWANCE, pad(owner), pad(spender)), at)

/** The next EIP-2612 nonce of `owner`; read with `numberOf`. */
export const permitNonceRead = (token: Hex, owner: Hex, at?: At): RpcCall =>
  readCall(token, callData(NONCES, pad(owner)), at)

/** An account's code; read with `toCode`. */
export const codeRead = (account: Hex, at: At = 'latest'): RpcCall => ({
  method: 'eth_getCode',
  params: [account, at],
})

export const toCode = (result: RpcResult | undefined): Code => {
  const code = value(result)
  if (typeof code !== 'string' || !code.startsWith('0x')) throw fail('chain_unavailable', { why: 'no code' })
  if (code === '0x') return 'none'
  return delegateOf(code) ? 'delegated' : 'contract'
}

/** Four calls, for `toPermit2Facts`; `nonce` is Permit2's, as 32 bytes. */
export const permit2Reads = (token: Hex, payer: Hex, nonce: Hex, at?: At): RpcCall[] => [
  balanceRead(token, payer, at),
  allowanceRead(token, payer, PERMIT2, at),
  readCall(PERMIT2, callData(BITMAP, pad(payer), word(BigInt(nonce) >> 8n)), at),
  codeRead(payer, at),
]

export const toPermit2Facts = (results: readonly RpcResult[], nonce: Hex): Permit2Facts => ({
  balance: numberOf(results[0]),
  allowance: numberOf(results[1]),
  used: ((numberOf(results[2]) >> (BigInt(nonce) & 255n)) & 1n) === 1n,
  code: toCode(results[3]),
})

/** Three calls, for `toChannelState`. */
export const channelReads = (channelId: Hex, at?: At): RpcCall[] =>
  [CHANNELS, WITHDRAWALS, REFUND_NONCE].map((name) =>
    readCall(BATCH_SETTLEMENT, callData(name, pad(channelId)), at),
  )

/** A channel that was never opened holds nothing and has claimed nothing. */
export const toChannelState = (results: readonly RpcResult[]): ChannelState => {
  const [balance, totalClaimed] = pairOf(results[0])
  const [amount, initiatedAt] = pairOf(results[1])
  const withdrawal = initiatedAt === 0n ? undefined : { amount, initiatedAt: Number(initiatedAt) }
  return { balance, totalClaimed, withdrawal, refundNonce: numberOf(results[2]) }
}

/** The same for the calls of several channels in a row. */
export const toChannelStates = (results: readonly RpcResult[]): ChannelState[] =>
  Array.from({ length: results.length / 3 }, (_, i) => toChannelState(results.slice(i * 3, i * 3 + 3)))

/** What a receiver's channels gave it in all; read with `toReceived`. */
export const receiverRead = (receiver: Hex, token: Hex, at?: At): RpcCall =>
  readCall(BATCH_SETTLEMENT, callData(RECEIVERS, pad(receiver), pad(token)), at)

/** Units claimed from all channels, and units of them that were paid out. */
export const toReceived = (result: RpcResult | undefined): { totalClaimed: bigint; totalSettled: bigint } => {
  const [totalClaimed, totalSettled] = pairOf(result)
  return { totalClaimed, totalSettled }
}

/** Two calls, for `toTokenQuirks`: USDT's fee and its or USDC's pause. */
export const tokenQuirkReads = (token: Hex, at?: At): RpcCall[] =>
  [FEE, PAUSED].map((name) => readCall(token, name, at))

export const toTokenQuirks = (results: readonly RpcResult[]): TokenQuirks => ({
  feeBasisPoints: wordIfAny(results[0]),
  paused: wordIfAny(results[1]) !== 0n,
})

/** Gas that a payer's contract may use to check a signature: passkey wallets need up to 350,000 where the chain has no precompile. */
export const SIGNATURE_GAS = 500_000n

/** Asks a wallet's code whether it signed (ERC-1271), with no more than `gas`; read with `toValidity`. */
export const signatureRead = (
  wallet: Hex,
  digest: Hex,
  signature: Hex,
  { gas = SIGNATURE_GAS, at = 'latest' as At } = {},
): RpcCall => ({
  method: 'eth_call',
  params: [
    { to: wallet, data: callData(IS_VALID, pad(digest), bytes(signature)), gas: `0x${gas.toString(16)}` },
    at,
  ],
})

/** True only for the magic value in one whole word; a wallet that reverts, runs out of gas or says anything else did not sign. */
export const toValidity = (result: RpcResult | undefined): boolean => {
  if (isRefusal(result)) return false
  return value(result) === `${IS_VALID}${'0'.repeat(56)}`
}

/** What a transaction would need; read with `numberOf`, where a revert is `chain_unavailable` with its message. */
export const estimateRead = (tx: { from: Hex; to: Hex; data: Hex }): RpcCall => ({
  method: 'eth_estimateGas',
  params: [tx],
})

/** Whether the chain, not the node, said no: a revert, or the gas that the call was given ran out. */
export const isRefusal = (result: RpcResult | undefined): boolean =>
  result?.ok === false && /revert|out ?of ?gas|invalid opcode/i.test(result.message)

const pairOf = (result: RpcResult | undefined): [bigint, bigint] => {
  const told = value(result)
  if (typeof told !== 'string' || !/^0x[0-9a-fA-F]{128}$/.test(told))
    throw fail('chain_unavailable', { why: 'not two words' })
  return [BigInt(told.slice(0, 66)), BigInt(`0x${told.slice(66)}`)]
}

// A token without the function reverts, or answers nothing from its fallback.
const wordIfAny = (result: RpcResult | undefined): bigint => {
  if (isRefusal(result) || (result?.ok && result.value === '0x')) return 0n
  return numberOf(result)
}
