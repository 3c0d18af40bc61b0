import { encodeFunctionData, type LocalAccount, parseAbi } from 'viem'
import { afterEach, describe, expect, test } from 'vitest'
import { dueClaims, type Unclaimed } from '../../src/channel/claims.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { Channel } from '../../src/ledger/channel.ts'
import type { Usd } from '../../src/money.ts'
import { offersOf } from '../support/pay.ts'
import { hello, startWorld, type World, type WorldOptions } from '../support/world.ts'
import { x402 } from '../support/x402-contracts.ts'
import {
  ask,
  CHARGE,
  channelBuyer,
  channelOf,
  channelOffer,
  claimAll,
  configOf,
  earned,
  pay,
  refusalOf,
  soundBooks,
  voucherOf,
} from './channel-world.ts'

let world: World
let ahead = 0
const clock: Clock = { now: () => Date.now() + ahead, sleep: systemClock.sleep }
const open = async (extra: string, more: Partial<WorldOptions> = {}) => {
  ahead = 0
  world = await startWorld({
    x402: true,
    extra: `settler: { delegate: never }\n${extra}`,
    options: { clock },
    ...more,
  })
  return world
}
afterEach(async () => {
  await world.settle()
  await soundBooks(world)
  await world.close()
})

const buy = async (calls: number, account?: LocalAccount) => {
  const buyer = channelBuyer(world, account ?? (await world.payer()))
  for (let i = 0; i < calls; i++) expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  return buyer
}
const look = async () => {
  await world.farebox.keeper.tick('now')
  await world.settle()
}
const CONFIG =
  '(address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt)'
const abi = parseAbi([
  `function initiateWithdraw(${CONFIG} config, uint128 amount)`,
  `function finalizeWithdraw(${CONFIG} config)`,
])
const withdraw = async (
  account: LocalAccount,
  functionName: 'initiateWithdraw' | 'finalizeWithdraw',
  amount?: bigint,
) => {
  const offer = await channelOffer(world.chat, hello())
  const config = configOf(account, offer)
  const args = amount === undefined ? [config] : [config, amount]
  await world.act(
    account.address,
    x402.batchSettlement,
    encodeFunctionData({ abi, functionName, args } as never),
  )
}
const pass = async (seconds: number) => {
  await world.rpc('evm_increaseTime', [seconds])
  await world.rpc('evm_mine')
  await new Promise((resolve) => setTimeout(resolve, 250))
}

test('a channel is claimed once enough is unclaimed, and not before', async () => {
  await open('channels: { claimAbove: "0.00005" }')
  const buyer = await buy(3)
  await look()
  expect(await earned(world)).toBe(0n)
  await buyer.fetch(world.chat, ask(hello()))
  await look()
  expect(await earned(world)).toBe(CHARGE * 4n)
})

test('or once it has waited long enough', async () => {
  await open('channels: { claimAbove: "1", claimAfterSeconds: 600 }')
  await buy(1)
  await look()
  expect(await earned(world)).toBe(0n)
  ahead = 601_000
  await look()
  expect(await earned(world)).toBe(CHARGE)
})

test('many channels are claimed in one transaction', async () => {
  await open('channels: { claimAbove: "0.00004", claimAfterSeconds: 3600 }')
  // Only the look below claims, however long the calls take.
  await world.farebox.keeper.stop()
  for (const calls of [3, 1, 1]) await buy(calls)
  const count = () => world.rpc('eth_getTransactionCount', [world.farebox.deps.account.address, 'latest'])
  const before = Number(await count())
  await look()
  expect(await earned(world)).toBe(CHARGE * 5n)
  expect(Number(await count()) - before).toBe(1)
})

test('a payer that takes its money out is claimed from at once, is served no more, and is paid what is left', async () => {
  await open('channels: { withdrawDelaySeconds: 900, claimAbove: "1", claimAfterSeconds: 3600 }')
  const buyer = await buy(2)
  const { balance } = await channelOf(world, buyer.account)
  await withdraw(buyer.account, 'initiateWithdraw', balance)
  await pass(0)
  await look()
  expect(await earned(world)).toBe(CHARGE * 2n)
  const offer = await channelOffer(world.chat, hello())
  const voucher = await voucherOf(buyer.account, offer, { cumulative: CHARGE * 2n + BigInt(offer.amount) })
  const answer = await pay(world.chat, voucher, hello())
  expect(offersOf(answer).map((one) => one.scheme)).not.toContain('batch-settlement')
  expect(await refusalOf(answer)).toMatchObject({ status: 402, code: 'channel_withdrawing' })
  await pass(901)
  await withdraw(buyer.account, 'finalizeWithdraw')
  expect(await world.balance(buyer.account.address)).toBe(10_000_000n - CHARGE * 2n)
  await pass(1)
  ahead = 400_000
  // Its channel holds what was charged and no more.
  expect(await refusalOf(await pay(world.chat, voucher, hello()))).toMatchObject({ code: 'quote_expired' })
  const later = await channelOffer(world.chat, hello())
  const again = await voucherOf(buyer.account, later, { cumulative: CHARGE * 2n + BigInt(later.amount) })
  expect(await refusalOf(await pay(world.chat, again, hello()))).toMatchObject({
    code: 'channel_balance_short',
    x402: 'invalid_batch_settlement_evm_cumulative_amount_mismatch',
  })
  expect(await channelOf(world, buyer.account)).toMatchObject({ balance: CHARGE * 2n, claimed: CHARGE * 2n })
})

test('a withdrawal that began while nobody looked is seen before the next call is served', async () => {
  await open('channels: { withdrawDelaySeconds: 900, claimAbove: "1", claimAfterSeconds: 3600 }')
  const buyer = await buy(1)
  await claimAll(world)
  const { balance } = await channelOf(world, buyer.account)
  await withdraw(buyer.account, 'initiateWithdraw', balance - CHARGE)
  await pass(0)
  ahead = 400_000
  const answer = await buyer.fetch(world.chat, ask(hello()))
  expect((await refusalOf(answer)).code).toBe('channel_withdrawing')
})

test('money that was taken out before we could claim it is a loss that the books show', async () => {
  await open('channels: { withdrawDelaySeconds: 900, claimAbove: "1", claimAfterSeconds: 3600 }')
  const buyer = await buy(2)
  const { balance, id } = await channelOf(world, buyer.account)
  await world.farebox.keeper.stop()
  await withdraw(buyer.account, 'initiateWithdraw', balance)
  await pass(901)
  await withdraw(buyer.account, 'finalizeWithdraw')
  await pass(1)
  await look()
  const channel = await channelOf(world, buyer.account)
  expect(channel).toMatchObject({ balance: 0n, charged: CHARGE * 2n, claimed: 0n })
  const account = `channel:${id.slice(id.indexOf('0x'))}`
  expect(await world.farebox.deps.ledger.balance(`eip155:84532/${world.token.toLowerCase()}`, account)).toBe(
    -CHARGE * 2n,
  )
  await look()
  expect(await earned(world)).toBe(0n)
})

test('a router that lost its ledger takes its channels over from the chain, and trusts nothing else', async () => {
  await open('channels: { claimAbove: "0.000001", claimAfterSeconds: 60 }')
  const buyer = await buy(3)
  await claimAll(world)
  await buyer.fetch(world.chat, ask(hello()))
  const { balance } = await channelOf(world, buyer.account)
  await world.farebox.keeper.stop()
  // The store is in memory: what was charged and not claimed is gone with it.
  await world.restart()
  const response = await buyer.fetch(world.chat, ask(hello()))
  expect(response.status, await response.clone().text()).toBe(200)
  expect(await channelOf(world, buyer.account)).toMatchObject({ balance, charged: CHARGE * 4n })
  await claimAll(world)
  expect(await earned(world)).toBe(CHARGE * 4n)
})

test('a deposit that somebody else brought to the chain is found there', async () => {
  await open('channels: { claimAbove: "0.000001" }')
  const buyer = await buy(1)
  await claimAll(world)
  await world.restart()
  const fresh = channelBuyer(world, buyer.account)
  expect((await fresh.fetch(world.chat, ask(hello()))).status).toBe(200)
  expect(await channelOf(world, buyer.account)).toMatchObject({ charged: CHARGE * 2n })
})

describe('which channels are claimed', () => {
  const policy = { above: 1_000_000n as Usd, afterMs: 1_000 }
  const channel = (id: string, charged: bigint, more: Partial<Channel> = {}): Channel => ({
    is: 'channel',
    id,
    channel: '0x00',
    chain: 'eip155:1',
    token: '0x01',
    decimals: 6,
    config: {
      payer: '0x',
      payerAuthorizer: '0x',
      receiver: '0x02',
      receiverAuthorizer: '0x',
      token: '0x01',
      withdrawDelay: 900,
      salt: '0x',
    },
    balance: 100_000_000n,
    charged,
    claimed: 0n,
    voucher: undefined,
    turns: 0,
    busy: undefined,
    last: undefined,
    claiming: undefined,
    refundNonce: 0n,
    at: 0,
    ...more,
  })
  const waits = (one: Channel, since = 0, withdrawing = false): Unclaimed => ({
    channel: one,
    since,
    withdrawing,
  })
  const ids = (waiting: Unclaimed[], now: number) =>
    dueClaims(policy, waiting, now).map((group) => group.map((one) => one.id))

  test('enough, long enough, nearly used, or being emptied', async () => {
    await open('')
    expect(ids([waits(channel('a', 999_999n))], 1)).toEqual([])
    expect(ids([waits(channel('a', 1_000_000n))], 1)).toEqual([['a']])
    expect(ids([waits(channel('a', 1n))], 1_000)).toEqual([['a']])
    expect(ids([waits(channel('a', 1n), 0, true)], 1)).toEqual([['a']])
    expect(ids([waits(channel('a', 900_000n, { balance: 1_000_000n }))], 1)).toEqual([['a']])
    expect(ids([waits(channel('a', 9n, { balance: 10n }))], 1)).toEqual([])
  })

  test('never more than fifty at once, of one receiver and token', async () => {
    await open('')
    const many = Array.from({ length: 120 }, (_, i) => waits(channel(`a${i}`, 2_000_000n)))
    expect(ids(many, 1).map((group) => group.length)).toEqual([50, 50, 20])
    const other = waits(channel('b', 2_000_000n, { token: '0x03' }))
    expect(ids([waits(channel('a', 2_000_000n)), other], 1)).toEqual([['a'], ['b']])
  })
})
