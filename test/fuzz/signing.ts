import { randomBytes } from 'node:crypto'
import type { Hex, LocalAccount } from 'viem'
import { channelIdOf } from '../../src/chain/channel.ts'
import { depositNonce } from '../../src/chain/deposit.ts'
import {
  type ChannelConfig,
  channelDomain,
  EIP2612_TYPES,
  ERC3009_COLLECTOR,
  PERMIT2,
  PERMIT2_COLLECTOR,
  PERMIT2_DEPOSIT_TYPES,
  permit2Domain,
  RECEIVE_TYPES,
  VOUCHER_TYPES,
} from '../../src/wire/contracts.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { signOffer, signPermit2 } from '../support/pay.ts'

/** Every way in which a payer can sign. */
export const WAYS = [
  'eip3009',
  'permit2',
  'upto',
  'permit',
  'voucher',
  'deposit',
  'permit2-deposit',
  'refund',
  'v1',
] as const
export type Way = (typeof WAYS)[number]

/** Signs an offer of the scheme that the way needs, exactly as asked. */
export const signed = (way: Way, account: LocalAccount, offer: Requirement): Promise<object> => {
  if (way === 'eip3009') return signOffer(account, offer)
  if (way === 'permit2' || way === 'upto') return signPermit2(account, offer)
  if (way === 'permit') return withPermit(account, offer)
  if (way === 'v1') return forV1(account, offer)
  return onChannel(way, account, offer)
}

const forV1 = async (account: LocalAccount, offer: Requirement): Promise<object> => {
  const { payload } = await signOffer(account, offer)
  return { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }
}

const withPermit = async (account: LocalAccount, offer: Requirement): Promise<object> => {
  const paid = await signPermit2(account, offer)
  const deadline = String(Math.floor(Date.now() / 1000) + 300)
  const { name = '', version = '' } = offer.extra
  const chainId = chainOf(offer)
  const message = {
    owner: account.address,
    spender: PERMIT2,
    value: BigInt(offer.amount),
    nonce: 0n,
    deadline: BigInt(deadline),
  }
  const domain = { name, version, chainId, verifyingContract: offer.asset }
  const signature = await account.signTypedData({
    domain,
    types: EIP2612_TYPES,
    primaryType: 'Permit',
    message,
  } as never)
  const info = {
    from: account.address,
    asset: offer.asset,
    spender: PERMIT2,
    amount: offer.amount,
    nonce: '0',
    deadline,
    signature,
    version: '1',
  }
  return { ...paid, extensions: { eip2612GasSponsoring: { info } } }
}

const onChannel = async (
  way: 'voucher' | 'deposit' | 'permit2-deposit' | 'refund',
  account: LocalAccount,
  offer: Requirement,
): Promise<object> => {
  const chainId = chainOf(offer)
  const channelConfig: ChannelConfig = {
    payer: account.address,
    payerAuthorizer: account.address,
    receiver: offer.payTo,
    receiverAuthorizer: offer.extra.receiverAuthorizer!,
    token: offer.asset,
    withdrawDelay: offer.extra.withdrawDelay!,
    salt: `0x${randomBytes(32).toString('hex')}`,
  }
  const channelId = channelIdOf(chainId, channelConfig)
  const max = way === 'refund' ? 0n : BigInt(offer.amount)
  const signature = await account.signTypedData({
    domain: channelDomain(chainId),
    types: VOUCHER_TYPES,
    primaryType: 'Voucher',
    message: { channelId, maxClaimableAmount: max },
  })
  const voucher = { channelId, maxClaimableAmount: max.toString(), signature }
  const type = way === 'permit2-deposit' ? 'deposit' : way
  const amount = BigInt(offer.amount) * 100n
  const signs = way === 'deposit' ? byToken : way === 'permit2-deposit' ? byPermit2 : undefined
  const deposit = signs && {
    amount: amount.toString(),
    authorization: await signs(account, offer, channelId, amount),
  }
  return {
    x402Version: 2,
    accepted: offer,
    payload: { type, channelConfig, voucher, ...(deposit && { deposit }) },
  }
}

const byToken = async (account: LocalAccount, offer: Requirement, channelId: Hex, value: bigint) => {
  const salt: Hex = `0x${randomBytes(32).toString('hex')}`
  const validBefore = BigInt(Math.floor(Date.now() / 1000) + 300)
  const { name = '', version = '' } = offer.extra
  const signature = await account.signTypedData({
    domain: { name, version, chainId: chainOf(offer), verifyingContract: offer.asset },
    types: RECEIVE_TYPES,
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: account.address,
      to: ERC3009_COLLECTOR,
      value,
      validAfter: 0n,
      validBefore,
      nonce: depositNonce(channelId, salt),
    },
  })
  return {
    erc3009Authorization: { validAfter: '0', validBefore: validBefore.toString(), salt, signature },
  }
}

const byPermit2 = async (account: LocalAccount, offer: Requirement, channelId: Hex, amount: bigint) => {
  const message = {
    permitted: { token: offer.asset, amount },
    spender: PERMIT2_COLLECTOR,
    nonce: BigInt(`0x${randomBytes(32).toString('hex')}`),
    deadline: BigInt(Math.floor(Date.now() / 1000) + 300),
    witness: { channelId },
  }
  const signature = await account.signTypedData({
    domain: permit2Domain(chainOf(offer)),
    types: PERMIT2_DEPOSIT_TYPES,
    primaryType: 'PermitWitnessTransferFrom',
    message,
  } as never)
  return {
    permit2Authorization: {
      from: account.address,
      permitted: { token: offer.asset, amount: amount.toString() },
      spender: message.spender,
      nonce: message.nonce.toString(),
      deadline: message.deadline.toString(),
      witness: message.witness,
      signature,
    },
  }
}

const chainOf = ({ network }: Requirement): number => Number(network.split(':')[1])
