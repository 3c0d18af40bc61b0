import type { Hex, LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { claimData, depositData, settleData } from '../../src/chain/channel-calls.ts'
import { erc3009CollectorData } from '../../src/chain/deposit.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { quietLog } from '../../src/log.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { repair } from '../../src/reconcile/repair.ts'
import { createReconciler } from '../../src/reconcile/worker.ts'
import { BATCH_SETTLEMENT, ERC3009_COLLECTOR } from '../../src/wire/contracts.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'
import { channelOf, channelOffer, claimAll, depositOf, pay, voucherOf } from './channel-world.ts'

const STRANGER: Hex = '0x00000000000000000000000000000000000bad00'

let world: World
let chain: Chain
let payer: LocalAccount
let settler: Hex

beforeAll(async () => {
  const channels = '{ withdrawDelaySeconds: 900, claimAbove: "0.000001", claimAfterSeconds: 60 }'
  world = await startWorld({ x402: true, extra: `reconcile: { everySeconds: 86400 }\nchannels: ${channels}` })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  settler = addressOf(world.config.secrets.settlerKey)
  payer = await world.payer()
})
afterAll(async () => {
  await chain?.close()
  await world?.close()
})

const facts = (ledger: Ledger = world.farebox.deps.ledger) => ({
  ledger,
  chain,
  settler,
  tills: world.farebox.deps.offers.tills,
  clock: systemClock,
  from: 0n,
})
const rest = { log: quietLog, confirmations: 1, everySeconds: 60, overlapBlocks: 64 }
const look = () => createReconciler({ ...facts(), ...rest }).look()
const report = () => reconcile(facts())
const book = () => `eip155:${CHAIN_ID}/${world.token.toLowerCase()}`
const escrow = (ledger: Ledger = world.farebox.deps.ledger) => ledger.balance(book(), ACCOUNT.escrow)
const mine = () => channelOf(world, payer)
const stateOf = async () => (await chain.channels([(await mine()).channel]))[0]!

const expectEqual = async () => {
  const told = await report()
  expect(told.findings.filter((one) => !['matched', 'suspense'].includes(one.kind))).toEqual([])
  expect(told.agrees).toBe(true)
  const [channel, state] = [await mine(), await stateOf()]
  expect([channel.balance, channel.claimed]).toEqual([state.balance, state.totalClaimed])
  expect(-(await escrow())).toBe(await chain.balance(world.token, BATCH_SETTLEMENT))
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
}

test('a deposit and its claims are matched with what the contract says', async () => {
  const body = hello()
  const offer = await channelOffer(world.chat, body)
  const payment = await depositOf(payer, offer, 5_000n, { cumulative: BigInt(offer.amount) })
  const answer = await pay(world.chat, payment, body)
  expect(answer.status, await answer.text()).toBe(200)
  await claimAll(world)
  expect((await mine()).claimed).toBeGreaterThan(0n)
  expect((await report()).counts.matched).toBe(2)
  await expectEqual()
  expect(await look()).toMatchObject({ differing: [] })
})

test('money that a payer adds to its channel by itself is found and booked once', async () => {
  const offer = await channelOffer(world.chat, hello())
  const signed = await depositOf(payer, offer, 700n, { cumulative: 1n })
  const { amount, authorization } = signed.payload['deposit'] as {
    amount: string
    authorization: {
      erc3009Authorization: { validAfter: string; validBefore: string; salt: Hex; signature: Hex }
    }
  }
  const { salt, signature, ...times } = authorization.erc3009Authorization
  const collectorData = erc3009CollectorData({
    validAfter: BigInt(times.validAfter),
    validBefore: BigInt(times.validBefore),
    salt,
    signature,
  })
  const { config } = await mine()
  const deposit = { config, amount: BigInt(amount), collector: ERC3009_COLLECTOR, collectorData }
  await world.act(STRANGER, BATCH_SETTLEMENT, depositData(deposit))
  expect(await report()).toMatchObject({ agrees: false, counts: { deposit: 1 } })
  expect(await look()).toMatchObject({ booked: 1, differing: [] })
  expect(await look()).toMatchObject({ booked: 0, differing: [] })
  await expectEqual()
})

test('a claim that our records do not have, and money that somebody else fetched for us, are found and booked', async () => {
  const { config, claimed } = await mine()
  const total = claimed + 100n
  const voucher = await voucherOf(payer, await channelOffer(world.chat, hello()), { cumulative: total })
  const { signature } = voucher.payload['voucher'] as { signature: Hex }
  const claims = [{ config, maxClaimableAmount: total, signature, totalClaimed: total }]
  await world.act(settler, BATCH_SETTLEMENT, claimData(claims))
  expect((await report()).counts).toMatchObject({ claim: 1, sweep: 0 })
  await world.act(STRANGER, BATCH_SETTLEMENT, settleData(PAY_TO, world.token))
  expect((await report()).counts).toMatchObject({ claim: 1, sweep: 1 })
  expect(await look()).toMatchObject({ differing: [] })
  await expectEqual()
  expect(-(await world.farebox.deps.ledger.balance(book(), ACCOUNT.chain))).toBe(
    await chain.balance(world.token, PAY_TO),
  )
})

test('an empty ledger takes its channels over from the chain', async () => {
  const ledger = memoryLedger({ clock: systemClock })
  const done = await repair(facts(ledger))
  expect(done.report.findings.filter((one) => !['matched', 'suspense'].includes(one.kind))).toEqual([])
  expect(done.report.agrees).toBe(true)
  const [channel, state] = [(await ledger.channel((await mine()).id))!, await stateOf()]
  expect([channel.balance, channel.claimed]).toEqual([state.balance, state.totalClaimed])
  expect(channel.charged).toBe(state.totalClaimed)
  expect(-(await escrow(ledger))).toBe(await chain.balance(world.token, BATCH_SETTLEMENT))
  expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
  expect(await repair(facts(ledger))).toMatchObject({ booked: 0, burnt: 0 })
})
