import { keccak256, parseTransaction, recoverTransactionAddress } from 'viem'
import type { Hex } from '../assets.ts'
import { pad, selector } from './abi.ts'

/** A signed transaction that does nothing but approve a spender; amounts in token units, fees in wei per gas. */
export type SignedApproval = {
  from: Hex
  chainId: number
  nonce: number
  token: Hex
  spender: Hex
  amount: bigint
  gas: bigint
  maxFee: bigint
  hash: Hex
}

const APPROVE = selector('approve(address,uint256)')

/**
 * Reads a raw transaction as an approval; a string says why it is none. Strict: EIP-1559 or legacy with a chain id, no
 * coin sent along, no access list, and not one byte of calldata beyond approve(spender, amount).
 */
export const readApproval = async (raw: Hex): Promise<SignedApproval | string> => {
  try {
    const tx = parseTransaction(raw)
    if (tx.type !== 'eip1559' && tx.type !== 'legacy') return 'it must be of type 2 or legacy'
    const { to, data, gas, chainId, nonce = 0 } = tx
    if (!to || !data || gas === undefined || chainId === undefined) return 'a field is missing'
    if ((tx.value ?? 0n) !== 0n) return 'it sends coin along'
    if (tx.type === 'eip1559' && tx.accessList?.length) return 'it has an access list'
    const call = readCall(data)
    if (!call) return 'its data is not approve(address,uint256)'
    const from = (
      await recoverTransactionAddress({ serializedTransaction: raw as never })
    ).toLowerCase() as Hex
    const maxFee = (tx.type === 'legacy' ? tx.gasPrice : tx.maxFeePerGas) ?? 0n
    return {
      from,
      chainId,
      nonce,
      token: to.toLowerCase() as Hex,
      ...call,
      gas,
      maxFee,
      hash: keccak256(raw),
    }
  } catch {
    return 'it cannot be decoded'
  }
}

const readCall = (data: Hex): { spender: Hex; amount: bigint } | undefined => {
  if (data.length !== 138 || data.slice(0, 10).toLowerCase() !== APPROVE) return undefined
  const spender = `0x${data.slice(34, 74).toLowerCase()}` as const
  if (data.slice(10, 74).toLowerCase() !== pad(spender)) return undefined
  return { spender, amount: BigInt(`0x${data.slice(74)}`) }
}
