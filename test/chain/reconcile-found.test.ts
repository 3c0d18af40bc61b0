import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { quietLog } from '../../src/log.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { createReconciler } from '../../src/reconcile/worker.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

let world: World
let chain: Chain
let payer: LocalAccount
let ledger: Ledger

beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', x402: true, confirmations: 3 })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  payer = await world.payer()
  await world.approve(payer)
  for (const method of ['eip3009', 'permit2'] as const) {
    const offer = offerOf(offersOf(await post(world.chat, hello())), 'exact', { method })
    const payment = method === 'eip3009' ? await signOffer(payer, offer) : await signPermit2(payer, offer)
    const answer = await post(world.chat, hello(), { 'payment-signature': header(payment) })
    expect(answer.status, await answer.text()).toBe(200)
  }
  const arrived = async () => (await chain.transfers(world.token, PAY_TO, 0n, 1_000n)).length
  for (let look = 0; look < 200 && (await arrived()) < 2; look++) await systemClock.sleep(20)
  await world.farebox.close(1000)
  ledger = await sqliteLedger(join(world.dir, 'ledger.db'))
})
afterAll(async () => {
  await ledger?.close()
  await chain?.close()
  await world?.close()
})

const facts = () => ({
  ledger,
  chain,
  settler: addressOf(world.config.secrets.settlerKey),
  tills: world.farebox.deps.offers.tills,
  clock: systemClock,
  from: 0n,
})
const rest = { log: quietLog, confirmations: 1, everySeconds: 60, overlapBlocks: 64 }

test('payments that were given up and are on the chain after all are found, whatever they were paid by', async () => {
  const calls = await ledger.calls(undefined, 10)
  for (const { id } of calls) {
    await ledger.post({ type: 'reorg', id })
    expect((await ledger.post({ type: 'lose', id, why: 'given up', gas: 0n })).ok).toBe(true)
  }
  expect(await reconcile(facts())).toMatchObject({ agrees: false, counts: { missing_in_ledger: 2 } })
  const worker = createReconciler({ ...facts(), ...rest })
  expect(await worker.look()).toMatchObject({ booked: 2, differing: [] })
  expect(await worker.look()).toMatchObject({ booked: 0, differing: [] })
  for (const { id } of calls) expect((await ledger.call(id))?.settlement.at).toBe('settled')
  const book = `eip155:${CHAIN_ID}/${world.token.toLowerCase()}`
  expect(await ledger.balance(book, ACCOUNT.suspense)).toBe(0n)
  expect(-(await ledger.balance(book, ACCOUNT.chain))).toBe(await chain.balance(world.token, PAY_TO))
  expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
})

test('what settled long after it was served is pointed out, and agrees', async () => {
  expect((await reconcile({ ...facts(), lateAfter: 3_600 })).counts).toMatchObject({ matched: 2, late: 0 })
  expect(await reconcile({ ...facts(), lateAfter: -3_600 })).toMatchObject({
    counts: { matched: 0, late: 2 },
  })
})

test('a booked sum that is not the one on the chain is told apart: too little, too much', async () => {
  const told = (by: bigint): Ledger => ({
    ...ledger,
    transfers: async (...range) =>
      (await ledger.transfers(...range)).map((row) => ({ ...row, amount: row.amount + by })),
  })
  expect((await reconcile({ ...facts(), ledger: told(1n) })).counts).toMatchObject({ short: 2, over: 0 })
  const over = await reconcile({ ...facts(), ledger: told(-1n) })
  expect(over).toMatchObject({ agrees: false, counts: { short: 0, over: 2 } })
  const worker = createReconciler({ ...facts(), ...rest, ledger: told(-1n) })
  expect(await worker.look()).toMatchObject({ booked: 0 })
})
