import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Buying } from '../campaign/client.ts'
import { openTrial, type Trial } from '../campaign/trial.ts'
import type { Signing } from '../campaign/ways.ts'
import { type Stage, startStage } from '../support/hostile.ts'
import { offersOf, post } from '../support/pay.ts'
import { hello } from '../support/world.ts'

let stage: Stage
let trial: Trial
beforeAll(async () => {
  stage = await startStage({ x402: true })
})
afterAll(() => stage?.close())
beforeEach(() => stage.reset())
afterEach(() => trial.router.close())

const BATCH: Signing[] = ['exact-3009', 'exact-permit2', 'exact-3009']
const stranger = () => stage.world.net.accounts[5]!.address
const issuer = () => stage.world.net.accounts[0]!.address
const drain = ({ account }: Buying) =>
  stage.rush(account.address, stage.token('transfer', [stranger(), 10_000_000n - 1n]))
/** Whether anybody can still pay in the token: what one payer did must not close it to the others. */
const isOffered = async (): Promise<boolean> =>
  offersOf(await post(`${trial.router.farebox.url}/v1/chat/completions`, hello())).length > 0
/** How the money of each stands. */
const settlements = (buyings: readonly Buying[]): Promise<string[]> =>
  Promise.all(buyings.map(async (one) => (await trial.router.call(trial.idOf(one))).settlement.at))
const settled = (buyings: readonly Buying[]) => buyings.map(() => 'settled')
/** Transactions that are on their way for these. */
const rawsOf = async (buyings: readonly Buying[]): Promise<Hex[]> => {
  const txs = await Promise.all(buyings.map((one) => trial.router.ledger.transactions(trial.idOf(one))))
  return [...new Set(txs.flat().map((tx) => tx.raw))]
}
/** Pays in these ways with blocks held back, until the transaction waits for one. */
const waiting = async (ways: readonly Signing[], mode: 'json' | 'sse'): Promise<Buying[]> => {
  const buyings = await trial.buy(ways, mode, stage.hold)
  for (const one of buyings) await trial.router.sent(trial.idOf(one))
  return buyings
}

describe('a reorganisation of', () => {
  const depths = [1, 2, 3, 4, 5, 6]
  const fates = ['drops', 'keeps', 'replaces'] as const
  const all = depths.flatMap((depth) =>
    fates.flatMap((fate) =>
      (['alone', 'in company'] as const).map((company) => [depth, fate, company] as const),
    ),
  )
  test.each(all)(
    '%i blocks that %s payments, %s: the ledger says what the chain says',
    async (depth, fate, company) => {
      trial = await openTrial(stage, { batch: company === 'in company' })
      const ways: Signing[] = company === 'in company' ? BATCH : [depth % 2 === 0 ? 'upto' : 'exact-permit2']
      const buyings = await trial.buy(ways, depth % 2 === 0 ? 'json' : 'sse')
      await expect.poll(async () => (await rawsOf(buyings)).length).toBe(1)
      await trial.settle()
      expect(await settlements(buyings)).toEqual(settled(buyings))
      await stage.mine(depth - 1)
      const raws = await rawsOf(buyings)
      await stage.rpc('anvil_reorg', [depth, fate === 'keeps' ? raws.map((raw) => [raw, 0]) : []])
      if (fate === 'replaces') {
        // The first of them has spent its money in the meantime.
        trial.spoil(buyings.slice(0, 1))
        await drain(buyings[0]!)
        // With one unit left over nothing can be paid.
        await expect.poll(() => stage.balance(buyings[0]!.account.address)).toBe(1n)
      }
      await trial.look(3)
      await stage.mine()
      await trial.look(2)
      await trial.settle()
      expect(await settlements(buyings)).toEqual(
        buyings.map((_, i) => (fate === 'replaces' && i === 0 ? 'lost' : 'settled')),
      )
      expect(await isOffered()).toBe(true)
      expect(await trial.verdict()).toEqual([])
    },
  )
})

const both = [
  ['alone', 'json'],
  ['in company', 'sse'],
] as const

describe.each(both)('payments on their way, %s (%s)', (company, mode) => {
  const ways: Signing[] = company === 'in company' ? BATCH : ['upto']
  beforeEach(async () => {
    trial = await openTrial(stage, { batch: company === 'in company' })
  })

  test('while fees rise a hundredfold: they are paid, by one transaction', async () => {
    const buyings = await waiting(ways, mode)
    const dear = async () => {
      await stage.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(100n * 1_000_000_000n).toString(16)}`])
      await stage.mine()
    }
    await dear()
    expect(await settlements(buyings)).toEqual(buyings.map(() => 'settling'))
    for (let i = 0; i < 4; i++) {
      await trial.look(2)
      await dear()
    }
    await trial.look(1)
    await trial.settle()
    expect(await settlements(buyings)).toEqual(settled(buyings))
    expect(await trial.verdict()).toEqual([])
  })

  test('while the token is paused: nothing is booked that did not move, and what comes after is paid', async () => {
    const buyings = await waiting(ways, mode)
    trial.spoil(buyings)
    await stage.rush(issuer(), stage.token('pause', []))
    await stage.mine()
    await trial.look(3)
    await stage.mine()
    await trial.look(3)
    await stage.reset()
    await trial.look(5)
    await trial.settle()
    // A token that cannot be moved is not offered before the next start.
    await trial.router.restart()
    const after = await trial.buy(ways, mode)
    await trial.settle()
    expect(await settlements(after)).toEqual(settled(after))
    expect(await trial.verdict()).toEqual([])
  })

  test('while one of their payers is blacklisted: the others are paid', async () => {
    const buyings = await waiting(ways, mode)
    trial.spoil(buyings.slice(0, 1))
    await stage.rush(issuer(), stage.token('blacklist', [buyings[0]!.account.address]))
    await stage.mine()
    await stage.rpc('evm_setAutomine', [true])
    await trial.look(3)
    await stage.mine()
    await trial.look(3)
    await trial.settle()
    expect(await settlements(buyings)).toEqual(buyings.map((_, i) => (i === 0 ? 'lost' : 'settled')))
    expect(await isOffered()).toBe(true)
    expect(await trial.verdict()).toEqual([])
  })

  test('when the chain jumps ten minutes ahead: what has not expired is paid, and the rest is given up', async () => {
    const buyings = await waiting(ways, mode)
    // An `upto` is valid for a quarter of an hour, the others for five minutes.
    const expires = company === 'in company'
    if (expires) trial.spoil(buyings)
    await stage.rpc('evm_increaseTime', [600])
    await stage.mine()
    await trial.look(2)
    await stage.rpc('evm_increaseTime', [600])
    await stage.rpc('evm_setAutomine', [true])
    await stage.mine()
    await trial.look(4)
    await trial.settle()
    expect(await settlements(buyings)).toEqual(buyings.map(() => (expires ? 'lost' : 'settled')))
    expect(await trial.verdict()).toEqual([])
  })

  test.each([-600_000, 600_000])(
    'when the clock of the router jumps by %i ms: they are paid',
    async (jump) => {
      const buyings = await waiting(ways, mode)
      trial.router.forward(jump)
      await trial.look(2)
      await stage.rpc('evm_setAutomine', [true])
      await stage.mine()
      await trial.look(2)
      await trial.settle()
      expect(await settlements(buyings)).toEqual(settled(buyings))
      expect(await trial.verdict()).toEqual([])
    },
  )
})
