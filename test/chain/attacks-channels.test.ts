import { encodeFunctionData, parseAbi } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { channelIdOf } from '../../src/chain/channel.ts'
import { depositData } from '../../src/chain/channel-calls.ts'
import { permit2CollectorData } from '../../src/chain/deposit.ts'
import {
  BATCH_SETTLEMENT,
  channelDomain,
  PERMIT2,
  PERMIT2_COLLECTOR,
  VOUCHER_TYPES,
} from '../../src/wire/contracts.ts'
import { header, offersOf } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'
import {
  ask,
  CHARGE,
  channelBuyer,
  channelOf,
  channelOffer,
  channelsOf,
  configOf,
  pay,
  permit2DepositOf,
  refusalOf,
  soundBooks,
  voucherOf,
} from './channel-world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    usdt: true,
    nativeUsd: '300',
    extra:
      'channels: { withdrawDelaySeconds: 1000, claimAbove: "1", claimAfterSeconds: 3600 }\nsettler: { delegate: never }',
  })
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  await soundBooks(world)
})

const INVALIDATE = parseAbi(['function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)'])

type Permit2Deposit = Awaited<ReturnType<typeof permit2DepositOf>>

const authorizationOf = ({ payload }: Permit2Deposit) =>
  (
    payload as unknown as {
      deposit: {
        authorization: { permit2Authorization: { nonce: string; deadline: string; signature: Hex } }
      }
    }
  ).deposit.authorization.permit2Authorization

test('a deposit that its payer cancelled is not proven by its deposit of the same sum into a channel of its own', async () => {
  const account = await world.payer()
  await world.approve(account)
  const offer = await channelOffer(world.chat, hello())
  const cumulative = BigInt(offer.amount)
  const amount = 2_000_000n
  const promised = await permit2DepositOf(account, offer, amount, { cumulative })
  const own = { receiver: account.address, receiverAuthorizer: account.address }
  const elsewhere = await permit2DepositOf(account, offer, amount, { cumulative, config: own })
  const { deposits } = world.farebox.deps
  const { check } = deposits
  // Just before ours is sent the payer takes its nonce away, and puts as much where only itself can claim it.
  deposits.check = async (errand) => {
    await check(errand)
    const nonce = BigInt(authorizationOf(promised).nonce)
    const args = [nonce >> 8n, 1n << (nonce & 255n)] as const
    await world.act(
      account.address,
      PERMIT2,
      encodeFunctionData({ abi: INVALIDATE, functionName: 'invalidateUnorderedNonces', args }),
    )
    const { nonce: other, deadline, signature } = authorizationOf(elsewhere)
    const by = {
      nonce: `0x${BigInt(other).toString(16).padStart(64, '0')}` as Hex,
      deadline: BigInt(deadline),
      signature,
    }
    await world.act(
      account.address,
      BATCH_SETTLEMENT,
      depositData({
        config: configOf(account, offer, own),
        amount,
        collector: PERMIT2_COLLECTOR,
        collectorData: permit2CollectorData(by),
      }),
    )
  }
  const served = world.upstream.seen.length
  try {
    expect((await pay(world.chat, promised, hello())).status).not.toBe(200)
  } finally {
    deposits.check = check
  }
  await world.settle()
  const mine = (await channelsOf(world)).filter((one) => one.config.payer === account.address.toLowerCase())
  expect(mine).toEqual([])
  const again = await channelOffer(world.chat, hello())
  const voucher = await voucherOf(account, again, { cumulative: BigInt(again.amount) })
  expect((await pay(world.chat, voucher, hello())).status).toBe(402)
  expect(world.upstream.seen.length - served).toBe(0)
})

test('a part that is given back must be worth its gas, however often it is asked for', async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  const { balance } = await channelOf(world, buyer.account)
  const [offer] = offersOf(await fetch(world.chat))
  const channelConfig = configOf(buyer.account, offer!)
  const channelId = channelIdOf(CHAIN_ID, channelConfig)
  const signature = await buyer.account.signTypedData({
    domain: channelDomain(CHAIN_ID),
    types: VOUCHER_TYPES,
    primaryType: 'Voucher',
    message: { channelId, maxClaimableAmount: CHARGE },
  })
  const voucher = { channelId, maxClaimableAmount: CHARGE.toString(), signature }
  const payment = {
    x402Version: 2,
    accepted: offer,
    payload: { type: 'refund', channelConfig, voucher, amount: '1' },
  }
  const answer = await fetch(world.chat, { headers: { 'payment-signature': header(payment) } })
  expect(await refusalOf(answer)).toMatchObject({ status: 402, code: 'refund_amount_invalid' })
  expect((await channelOf(world, buyer.account)).balance).toBe(balance)
  await buyer.scheme.refund(world.chat)
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE)
})
