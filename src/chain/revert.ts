import { decodeErrorResult } from 'viem'
import type { Hex } from '../assets.ts'
import { selector } from './abi.ts'

/**
 * Why a call reverted, in a few words, from its error data; undefined when there is none. An unknown error is named by
 * its selector. Meant for logs and operators: anybody's contract can claim any reason, so no money rule may ask it.
 */
export const reasonOfRevert = (data: string | undefined): string | undefined => {
  if (data === undefined || !/^0x([0-9a-fA-F]{2}){4,}$/.test(data)) return undefined
  const hex = data.toLowerCase() as Hex
  const name = hex.slice(0, 10)
  if (name === ERROR || name === PANIC) return builtIn(hex)
  return REASONS.get(name) ?? `error ${name}`
}

// Text from a contract is a stranger's: printable and short, or not at all.
const builtIn = (data: Hex): string => {
  try {
    const { errorName, args } = decodeErrorResult({ data })
    if (errorName === 'Panic') return `panic ${String(args?.[0])}`
    return String(args?.[0])
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 100)
  } catch {
    return 'unreadable'
  }
}

const ERROR = selector('Error(string)')
const PANIC = selector('Panic(uint256)')

const WORDS = {
  // Permit2
  'InvalidNonce()': 'nonce used',
  'SignatureExpired(uint256)': 'signature expired',
  'InvalidSigner()': 'not signed by the payer',
  'InvalidSignature()': 'bad signature',
  'InvalidSignatureLength()': 'bad signature length',
  'InvalidContractSignature()': 'the payer’s contract refused the signature',
  'InvalidAmount(uint256)': 'above the permitted amount',
  // The x402 proxies
  'InvalidAmount()': 'amount is zero',
  'InvalidDestination()': 'no recipient',
  'InvalidOwner()': 'no payer',
  'PaymentTooEarly()': 'not valid yet',
  'Permit2612AmountMismatch()': 'allowance differs from the payment',
  'AmountExceedsPermitted()': 'above the permitted amount',
  'UnauthorizedFacilitator()': 'not the signed facilitator',
  'ReentrancyGuardReentrantCall()': 're-entered',
  // Batch settlement
  'InvalidChannel()': 'not a valid channel',
  'ZeroDeposit()': 'deposit is zero',
  'DepositOverflow()': 'deposit too large',
  'DepositCollectionFailed()': 'deposit did not arrive',
  'InvalidCollector()': 'no collector',
  'NotReceiverAuthorizer()': 'not the receiver’s authorizer',
  'NotAuthorizedToClaim()': 'may not claim',
  'NotAuthorizedToRefund()': 'may not refund',
  'ClaimExceedsCeiling()': 'claim above the voucher',
  'ClaimExceedsBalance()': 'claim above the deposit',
  'EmptyBatch()': 'nothing to claim',
  'InvalidRefundNonce()': 'refund nonce used',
  'ZeroRefund()': 'nothing to refund',
  'OnlyX402BatchSettlement()': 'not the settlement contract',
  // OpenZeppelin tokens
  'ERC20InsufficientBalance(address,uint256,uint256)': 'balance too low',
  'ERC20InsufficientAllowance(address,uint256,uint256)': 'allowance too low',
  'ERC2612ExpiredSignature(uint256)': 'allowance expired',
  'ERC2612InvalidSigner(address,address)': 'allowance not signed by the payer',
  'EnforcedPause()': 'token paused',
  'SafeERC20FailedOperation(address)': 'token transfer failed',
  // Our executor
  'NotSelf()': 'not the account itself',
  'NotEnoughGas()': 'not enough gas',
} as const

const REASONS = new Map<string, string>(
  Object.entries(WORDS).map(([signature, words]) => [selector(signature), words]),
)
