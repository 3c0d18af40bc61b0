import { randomBytes } from 'node:crypto'
import type { Hex, LocalAccount } from 'viem'
import { channelIdOf } from '../../src/chain/channel.ts'
import { depositNonce } from '../../src/chain/deposit.ts'
import {
  type ChannelConfig,
  channelDomain,
  ERC3009_COLLECTOR,
  RECEIVE_TYPES,
  VOUCHER_TYPES,
} from '../../src/wire/contracts.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'

/** What a payer can sign. */
export type Signing = 'exact-3009' | 'exact-permit2' | 'upto' | 'deposit' | 'voucher'

export type Signed = {
  /** The header to send. */
  payment: Record<string, string>
  /** The most that may move for it, units; of a channel: the most that its voucher adds. */
  amount: bigint
}

export type Wish = {
  way: Signing
  account: LocalAccount
  chat: string
  body: unknown
  /** Charged in the channel so far, units. */
  charged?: bigint
  /** Unix seconds until which it is valid; as the offer says when left out. */
  end?: number
}

/** Units that a deposit puts into its channel. */
export const DEPOSIT = 10_000n

/** Asks for the price and signs it in one way. */
export const sign = async ({ way, account, chat, body, charged = 0n, end }: Wish): Promise<Signed> => {
  const offers = offersOf(await post(chat, body))
  const made = async (): Promise<[Requirement, unknown]> => {
    if (way === 'exact-3009') {
      const offer = offerOf(offers, 'exact', { method: 'eip3009' })
      return [offer, await signOffer(account, offer, end ? { validBefore: String(end) } : {})]
    }
    if (way === 'exact-permit2' || way === 'upto') {
      const offer = way === 'upto' ? offerOf(offers, 'upto') : offerOf(offers, 'exact', { method: 'permit2' })
      return [offer, await signPermit2(account, offer, end ? { deadline: String(end) } : {})]
    }
    const offer = offerOf(offers, 'batch-settlement')
    return [offer, await signVoucher(account, offer, charged + BigInt(offer.amount), way === 'deposit')]
  }
  const [offer, payload] = await made()
  return { payment: { 'payment-signature': header(payload) }, amount: BigInt(offer.amount) }
}

const signVoucher = async (account: LocalAccount, offer: Requirement, max: bigint, deposit: boolean) => {
  const chainId = Number(offer.network.split(':')[1])
  const channelConfig: ChannelConfig = {
    payer: account.address,
    payerAuthorizer: account.address,
    receiver: offer.payTo,
    receiverAuthorizer: offer.extra.receiverAuthorizer!,
    token: offer.asset,
    withdrawDelay: offer.extra.withdrawDelay!,
    salt: `0x${'0'.repeat(64)}`,
  }
  const channelId = channelIdOf(chainId, channelConfig)
  const signature = await account.signTypedData({
    domain: channelDomain(chainId),
    types: VOUCHER_TYPES,
    primaryType: 'Voucher',
    message: { channelId, maxClaimableAmount: max },
  })
  const voucher = { channelId, maxClaimableAmount: max.toString(), signature }
  const type = deposit ? 'deposit' : 'voucher'
  const more = deposit ? { deposit: await signDeposit(account, offer, channelId) } : {}
  return { x402Version: 2, accepted: offer, payload: { type, channelConfig, voucher, ...more } }
}

const signDeposit = async (account: LocalAccount, offer: Requirement, channelId: Hex) => {
  const salt: Hex = `0x${randomBytes(32).toString('hex')}`
  const validBefore = Math.floor(Date.now() / 1000) + 300
  const chainId = Number(offer.network.split(':')[1])
  const { name, version } = offer.extra
  const signature = await account.signTypedData({
    domain: { name: name!, version: version!, chainId, verifyingContract: offer.asset },
    types: RECEIVE_TYPES,
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: account.address,
      to: ERC3009_COLLECTOR,
      value: DEPOSIT,
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: depositNonce(channelId, salt),
    },
  })
  const erc3009Authorization = { validAfter: '0', validBefore: String(validBefore), salt, signature }
  return { amount: DEPOSIT.toString(), authorization: { erc3009Authorization } }
}
