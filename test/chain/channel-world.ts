import { randomBytes } from 'node:crypto'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { createPublicClient, http, type LocalAccount } from 'viem'
import { expect } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { channelIdOf } from '../../src/chain/channel.ts'
import { depositNonce } from '../../src/chain/deposit.ts'
import type { Channel } from '../../src/ledger/channel.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
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
import type { PaymentRequired, Requirement, SettleResponse } from '../../src/wire/payment.ts'
import type { SignedReceipt } from '../../src/wire/receipt.ts'
import { header, offerOf, offersOf, post } from '../support/pay.ts'
import { CHAIN_ID, PAY_TO, type World } from '../support/world.ts'

export const NETWORK = `eip155:${CHAIN_ID}` as const
/** Ten tokens in at $1 and two out at $2 per million. */
export const CHARGE = 14n

export const ask = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

export type BuyerOptions = { salt?: `0x${string}`; blind?: boolean; only?: string }

/** The official client with its channel scheme alone, unmodified; the local tokens, which it does not know, are opened for it. `blind`: it cannot read the chain. */
export const channelBuyer = (
  world: World,
  account: LocalAccount,
  { salt, blind, only }: BuyerOptions = {},
) => {
  const reader = createPublicClient({ transport: http(world.net.url) })
  const signer = {
    address: account.address,
    signTypedData: (data: never) => account.signTypedData(data),
    ...(!blind && { readContract: (call: never) => reader.readContract(call) }),
  }
  const scheme = new BatchSettlementEvmScheme(signer as never, salt ? { salt } : undefined)
  const client = new x402Client().register(NETWORK, scheme as never)
  const allowedAssets = [world.token, world.usdt].filter((asset) => asset !== '0x')
  client.setSpendControls({
    allowedAssets: allowedAssets.map((asset) => ({ network: NETWORK, asset })),
  } as never)
  if (only)
    client.registerPolicy((_, offers) =>
      offers.filter((one) => one.asset.toLowerCase() === only.toLowerCase()),
    )
  return { account, scheme, fetch: wrapFetchWithPayment(fetch, client) }
}

export const responseOf = (response: Response): SettleResponse<SignedReceipt> =>
  decodePaymentResponseHeader(
    response.headers.get('payment-response')!,
  ) as unknown as SettleResponse<SignedReceipt>

export const channelsOf = async ({ farebox }: World): Promise<Channel[]> =>
  (await farebox.deps.ledger.subjects(undefined, 1000)).filter((one): one is Channel => one.is === 'channel')

/** The only channel of a payer. */
export const channelOf = async (world: World, { address }: { address: string }): Promise<Channel> => {
  const mine = (await channelsOf(world)).filter((one) => one.config.payer === address.toLowerCase())
  expect(mine).toHaveLength(1)
  return mine[0]!
}

/** Claims everything that is to be claimed, however little it is, and waits until the chain has it. */
export const claimAll = async (world: World): Promise<void> => {
  await world.settle()
  for (let i = 0; i < 5; i++) {
    await world.farebox.keeper.tick('now')
    await world.settle()
  }
}

export const soundBooks = async ({ farebox }: World): Promise<void> => {
  expect(await checkInvariants(farebox.deps.ledger, { now: Date.now() })).toEqual([])
}

/** What the router has earned by channels, as its books say. */
export const chargedIn = async (world: World): Promise<bigint> =>
  (await channelsOf(world)).reduce((sum, one) => sum + one.charged, 0n)

export const earned = (world: World, token = world.token) => world.balance(PAY_TO, token)

export type Signed = {
  cumulative: bigint
  config?: Partial<ChannelConfig>
  channelId?: Hex
  signer?: LocalAccount
}

/** A channel as the offer wants it. */
export const configOf = (
  account: LocalAccount,
  offer: Requirement,
  change: Partial<ChannelConfig> = {},
): ChannelConfig => ({
  payer: account.address,
  payerAuthorizer: account.address,
  receiver: offer.payTo,
  receiverAuthorizer: offer.extra.receiverAuthorizer!,
  token: offer.asset,
  withdrawDelay: offer.extra.withdrawDelay!,
  salt: `0x${'0'.repeat(64)}`,
  ...change,
})

/** A payment by voucher, signed by hand, so that anything in it can be wrong. */
export const voucherOf = async (
  account: LocalAccount,
  offer: Requirement,
  { cumulative, config, channelId, signer = account }: Signed,
) => {
  const channelConfig = configOf(account, offer, config)
  const id = channelId ?? channelIdOf(CHAIN_ID, channelConfig)
  const signature = await signer.signTypedData({
    domain: channelDomain(CHAIN_ID),
    types: VOUCHER_TYPES,
    primaryType: 'Voucher',
    message: { channelId: id, maxClaimableAmount: cumulative },
  })
  const voucher = { channelId: id, maxClaimableAmount: cumulative.toString(), signature }
  return {
    x402Version: 2,
    accepted: offer,
    payload: { type: 'voucher', channelConfig, voucher } as Record<string, unknown>,
  }
}

/** The same with a deposit by EIP-3009 of so many units. */
export const depositOf = async (
  account: LocalAccount,
  offer: Requirement,
  amount: bigint,
  { nonce, ...signed }: Signed & { nonce?: Hex },
) => {
  const payment = await voucherOf(account, offer, signed)
  const salt: Hex = `0x${randomBytes(32).toString('hex')}`
  const { channelId } = payment.payload['voucher'] as { channelId: Hex }
  const validBefore = Math.floor(Date.now() / 1000) + 300
  const signature = await account.signTypedData({
    domain: {
      name: offer.extra.name!,
      version: offer.extra.version!,
      chainId: CHAIN_ID,
      verifyingContract: offer.asset,
    },
    types: RECEIVE_TYPES,
    primaryType: 'ReceiveWithAuthorization',
    message: {
      from: account.address,
      to: ERC3009_COLLECTOR,
      value: amount,
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: nonce ?? depositNonce(channelId, salt),
    },
  })
  const erc3009Authorization = { validAfter: '0', validBefore: String(validBefore), salt, signature }
  const deposit = { amount: amount.toString(), authorization: { erc3009Authorization } }
  return { ...payment, payload: { ...payment.payload, type: 'deposit', deposit } }
}

export const pay = (chat: string, payment: unknown, body: unknown) =>
  post(chat, body, { 'payment-signature': header(payment) })

/** The channel offer for a request. */
export const channelOffer = async (chat: string, body: unknown): Promise<Requirement> =>
  offerOf(offersOf(await post(chat, body)), 'batch-settlement')

/** A refusal: its status, its code, the name that x402 has for it, and what it tells of the channel. */
export const refusalOf = async (response: Response) => {
  const required = response.headers.get('payment-required')
  const told = required
    ? (JSON.parse(Buffer.from(required, 'base64').toString('utf8')) as PaymentRequired)
    : undefined
  const { error } = (await response.json()) as { error: { code: string } }
  return { status: response.status, code: error.code, x402: told?.error, first: told?.accepts[0] }
}

/** A payment by voucher with a deposit by Permit2. */
export const permit2DepositOf = async (
  account: LocalAccount,
  offer: Requirement,
  amount: bigint,
  signed: Signed,
) => {
  const payment = await voucherOf(account, offer, signed)
  const { channelId } = payment.payload['voucher'] as { channelId: Hex }
  const nonce = BigInt(`0x${randomBytes(32).toString('hex')}`)
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 300)
  const permitted = { token: offer.asset, amount }
  const message = { permitted, spender: PERMIT2_COLLECTOR, nonce, deadline, witness: { channelId } }
  const signature = await account.signTypedData({
    domain: permit2Domain(CHAIN_ID),
    types: PERMIT2_DEPOSIT_TYPES,
    primaryType: 'PermitWitnessTransferFrom',
    message,
  })
  const permit2Authorization = {
    from: account.address,
    permitted: { token: offer.asset, amount: amount.toString() },
    spender: PERMIT2_COLLECTOR,
    nonce: nonce.toString(),
    deadline: deadline.toString(),
    witness: { channelId },
    signature,
  }
  const deposit = { amount: amount.toString(), authorization: { permit2Authorization } }
  return { ...payment, payload: { ...payment.payload, type: 'deposit', deposit } }
}

/** A signed allowance for Permit2, of an account that gave none before, as the extension carries it. */
export const allowanceOf = async (account: LocalAccount, offer: Requirement, amount: bigint) => {
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 300)
  const signature = await account.signTypedData({
    domain: {
      name: offer.extra.name!,
      version: offer.extra.version!,
      chainId: CHAIN_ID,
      verifyingContract: offer.asset,
    },
    types: EIP2612_TYPES,
    primaryType: 'Permit',
    message: { owner: account.address, spender: PERMIT2, value: amount, nonce: 0n, deadline },
  })
  const info = {
    from: account.address,
    asset: offer.asset,
    spender: PERMIT2,
    amount: amount.toString(),
    nonce: '0',
    deadline: deadline.toString(),
    signature,
    version: '1',
  }
  return { eip2612GasSponsoring: { info } }
}
