import { randomBytes } from 'node:crypto'
import type { Address, Hex } from 'viem'
import {
  encodeAbiParameters,
  encodeFunctionData,
  hashTypedData,
  keccak256,
  parseSignature,
  toHex,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { x402ExactPermit2ProxyAbi, x402UptoPermit2ProxyAbi } from '../../contracts-abi/x402-proxies.ts'
import { x402 } from '../../test/support/x402-contracts.ts'
import { payTo, price } from './chain.ts'

const chainId = 31337
const validBefore = 4_000_000_000n

export const randomNonce = () => BigInt(toHex(randomBytes(32)))

/** The calldata of one exact EIP-3009 payment, for the token itself. */
export async function eip3009Call(payer: PrivateKeyAccount, usdc: Address): Promise<Hex> {
  const nonce = toHex(randomBytes(32))
  const signature = await authorize(payer, usdc, 'TransferWithAuthorization', payTo, price, nonce)
  const { r, s, yParity } = parseSignature(signature)
  const args = [payer.address, payTo, price, 0n, validBefore, nonce, 27 + yParity, r, s] as const
  return encodeFunctionData({ abi: eip3009Abi, functionName: 'transferWithAuthorization', args })
}

/** The calldata of one exact Permit2 payment, for the exact proxy. */
export async function exactCall(payer: PrivateKeyAccount, token: Address, nonce: bigint): Promise<Hex> {
  const witness = { to: payTo, validAfter: 0n }
  const permit = { permitted: { token, amount: price }, nonce, deadline: validBefore }
  const fields = [address('to'), uint('validAfter')]
  const signature = await signPermit2(payer, permit, x402.exactProxy, 'Witness', fields, witness)
  const args = [permit, payer.address, witness, signature] as const
  return encodeFunctionData({ abi: x402ExactPermit2ProxyAbi, functionName: 'settle', args })
}

/** The calldata of one upto payment that takes half of what was signed, for the upto proxy. */
export async function uptoCall(
  payer: PrivateKeyAccount,
  token: Address,
  facilitator: Address,
  nonce: bigint,
) {
  const witness = { to: payTo, facilitator, validAfter: 0n }
  const permit = { permitted: { token, amount: 2n * price }, nonce, deadline: validBefore }
  const fields = [address('to'), address('facilitator'), uint('validAfter')]
  const signature = await signPermit2(payer, permit, x402.uptoProxy, 'Witness', fields, witness)
  const args = [permit, price, payer.address, witness, signature] as const
  return encodeFunctionData({ abi: x402UptoPermit2ProxyAbi, functionName: 'settle', args })
}

/** `deposit`: the calldata that opens a channel by EIP-3009; `claim`: a signed row for a cumulative total. */
export async function channel(payer: PrivateKeyAccount, token: Address, authorizer: Address, salt: number) {
  const payerAuthorizer = payer.address
  const parties = {
    payer: payer.address,
    payerAuthorizer,
    receiver: payTo,
    receiverAuthorizer: authorizer,
    token,
  }
  const config = { ...parties, withdrawDelay: 900, salt: toHex(salt, { size: 32 }) }
  const channelId = hashConfig(config)
  const amount = 1_000_000n
  const words = [{ type: 'bytes32' }, { type: 'uint256' }] as const
  const nonce = keccak256(encodeAbiParameters(words, [channelId, 1n]))
  const signature = await authorize(
    payer,
    token,
    'ReceiveWithAuthorization',
    x402.erc3009Collector,
    amount,
    nonce,
  )
  const data = encodeAbiParameters(
    [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }],
    [0n, validBefore, 1n, signature],
  )
  const args = [config, amount, x402.erc3009Collector, data] as const
  const claim = async (totalClaimed: bigint) => ({
    voucher: { channel: config, maxClaimableAmount: totalClaimed },
    signature: await payer.signTypedData({
      domain: batchDomain,
      types: {
        Voucher: [
          { name: 'channelId', type: 'bytes32' },
          { name: 'maxClaimableAmount', type: 'uint128' },
        ],
      },
      primaryType: 'Voucher',
      message: { channelId, maxClaimableAmount: totalClaimed },
    }),
    totalClaimed,
  })
  return { deposit: encodeFunctionData({ abi: batchSettlementAbi, functionName: 'deposit', args }), claim }
}

const address = (name: string) => ({ name, type: 'address' })
const uint = (name: string) => ({ name, type: 'uint256' })

const batchDomain = {
  name: 'x402 Batch Settlement',
  version: '1',
  chainId,
  verifyingContract: x402.batchSettlement,
} as const

const configFields = [
  ...['payer', 'payerAuthorizer', 'receiver', 'receiverAuthorizer', 'token'].map(address),
  { name: 'withdrawDelay', type: 'uint40' },
  { name: 'salt', type: 'bytes32' },
]

const hashConfig = (config: Record<string, unknown>) =>
  hashTypedData({
    domain: batchDomain,
    types: { ChannelConfig: configFields },
    primaryType: 'ChannelConfig',
    message: config,
  })

function authorize(
  payer: PrivateKeyAccount,
  usdc: Address,
  primaryType: 'TransferWithAuthorization' | 'ReceiveWithAuthorization',
  to: Address,
  value: bigint,
  nonce: Hex,
): Promise<Hex> {
  const fields = [address('from'), address('to'), uint('value'), uint('validAfter'), uint('validBefore')]
  return payer.signTypedData({
    domain: { name: 'USD Coin', version: '2', chainId, verifyingContract: usdc },
    types: { [primaryType]: [...fields, { name: 'nonce', type: 'bytes32' }] },
    primaryType,
    message: { from: payer.address, to, value, validAfter: 0n, validBefore, nonce },
  })
}

function signPermit2(
  payer: PrivateKeyAccount,
  permit: { permitted: { token: Address; amount: bigint }; nonce: bigint; deadline: bigint },
  spender: Address,
  witnessType: string,
  witnessFields: { name: string; type: string }[],
  witness: Record<string, unknown>,
): Promise<Hex> {
  const permitted = { name: 'permitted', type: 'TokenPermissions' }
  const fields = [permitted, address('spender'), uint('nonce'), uint('deadline')]
  return payer.signTypedData({
    domain: { name: 'Permit2', chainId, verifyingContract: x402.permit2 },
    types: {
      PermitWitnessTransferFrom: [...fields, { name: 'witness', type: witnessType }],
      TokenPermissions: [address('token'), uint('amount')],
      [witnessType]: witnessFields,
    },
    primaryType: 'PermitWitnessTransferFrom',
    message: { ...permit, spender, witness },
  })
}
