import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { bookOf, COUNTER } from '../../src/ledger/moves.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'

let stage: Stage
let router: Hostile

beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.close())
beforeEach(async () => {
  await stage.reset()
  router = await stage.open()
})
afterEach(async () => {
  expect(await checkInvariants(router.ledger, { now: Date.now() })).toEqual([])
  await router.close()
})

const settlerAddress = () => stage.world.net.accounts[1]!.address
const stranger = () => stage.world.net.accounts[5]!.address
const funds = async () => BigInt(await stage.rpc<Hex>('eth_getBalance', [settlerAddress(), 'latest']))
const gasSpent = () => router.ledger.balance(`eip155:${stage.world.net.chainId}/native`, 'gas:settler')
/** Takes back the newest blocks; `instead`: raw transactions and the new blocks that hold them. */
const reorg = (depth: number, instead: [raw: Hex, block: number][] = []) =>
  stage.rpc('anvil_reorg', [depth, instead])
/** What happened to a call's money, in order. */
const story = async (id: string): Promise<string[]> => {
  const lines = await router.ledger.journal(0, 1_000)
  return lines
    .map(({ move }) => ('id' in move && move.id === id ? move.type : ''))
    .filter((type) => ['include', 'settled', 'reorg', 'lose'].includes(type))
}
/** The ledger has received what the chain says the router received, since this test began. */
const booked = async (asset: string) => -(await router.ledger.balance(asset, 'chain:payTo'))

describe('a reorganisation', () => {
  test.each([1, 2, 3])(
    'of %i blocks that drops a settled payment: it is reversed, sent again and settles again',
    async (depth) => {
      const payer = await stage.payer()
      const wei = await funds()
      const { id } = await router.pay(payer)
      await router.settle()
      await stage.mine(depth - 1)
      await reorg(depth)
      expect(await stage.received(payer.address)).toEqual([])
      await router.settler.tick()
      expect(await story(id)).toEqual(['settled', 'reorg'])
      expect((await router.call(id)).settlement.at).toBe('settling')
      await router.settle()
      const call = await router.call(id)
      expect(await story(id)).toEqual(['settled', 'reorg', 'settled'])
      const [transfer, ...more] = await stage.received(payer.address)
      expect(more).toEqual([])
      expect(call.settlement).toMatchObject({ at: 'settled', proof: { hash: transfer!.hash } })
      expect(await booked(bookOf(call))).toBe(transfer!.amount)
      expect(await gasSpent()).toBe(wei - (await funds()))
    },
  )

  test('that puts a payment into another block: the proof follows it, and nothing is sent again', async () => {
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.settle()
    const before = await router.call(id)
    const [tx] = await router.ledger.transactions(id)
    await reorg(1, [[tx!.raw, 0]])
    await router.settler.tick()
    await router.settle()
    const after = await router.call(id)
    if (before.settlement.at !== 'settled' || after.settlement.at !== 'settled')
      throw new Error('not settled')
    expect(after.settlement.proof.hash).toBe(tx!.hash)
    expect(after.settlement.proof.blockHash).not.toBe(before.settlement.proof.blockHash)
    expect(await stage.received(payer.address)).toHaveLength(1)
    expect(router.node.seen.filter((call) => call.method === 'eth_sendRawTransaction')).toHaveLength(1)
  })

  test('that happens while the router is down is found at its next start', async () => {
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.settle()
    const restarted = router.restart()
    await reorg(1)
    await restarted
    await router.settle()
    expect(await story(id)).toEqual(['settled', 'reorg', 'settled'])
    expect(await stage.received(payer.address)).toHaveLength(1)
  })

  test('that a node forgets to tell in full half-way still reverses every payment it dropped', async () => {
    const payers = [await stage.payer(), await stage.payer()]
    const ids: string[] = []
    for (const payer of payers) {
      ids.push((await router.pay(payer)).id)
      await router.settle()
    }
    await reorg(2)
    let hashes = 0
    router.node.behave(async (calls, forward) => {
      const asksHash = calls.some(
        (call) => call.method === 'eth_getBlockByNumber' && call.params[0] !== 'latest',
      )
      return asksHash && ++hashes === 2 ? undefined : forward(calls)
    })
    await router.settler.tick()
    expect(hashes).toBe(2)
    await router.settler.tick()
    await router.settle()
    for (const id of ids) expect(await story(id)).toEqual(['settled', 'reorg', 'settled'])
    for (const payer of payers) expect(await stage.received(payer.address)).toHaveLength(1)
  })

  test('that the payer uses to move its money away: the call is lost, and its credit is gone with it', async () => {
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.settle()
    const credit = `credit:${payer.address.toLowerCase()}`
    const asset = bookOf(await router.call(id))
    expect(await router.ledger.balance(asset, credit)).toBeGreaterThan(0n)
    await reorg(1)
    await stage.rush(payer.address, stage.token('transfer', [stranger(), 10_000_000n]))
    await router.settler.tick()
    await router.settle()
    expect(await story(id)).toEqual(['settled', 'reorg', 'lose'])
    expect(await router.ledger.balance(asset, credit)).toBe(0n)
    expect((await router.ledger.counters())[COUNTER.unpaid((await router.call(id)).payer)]).toBe(14n)
    expect(await booked(asset)).toBe(0n)
  })

  test('that drops a lost payment together with a good one does not leave the good one stuck behind it', async () => {
    const [bad, good] = [await stage.payer(), await stage.payer()]
    await stage.hold()
    const lost = await router.pay(bad)
    await router.sent(lost.id)
    await stage.rush(bad.address, stage.token('transfer', [stranger(), 10_000_000n]))
    await stage.mine()
    await router.settle()
    await stage.rpc('evm_setAutomine', [true])
    const paid = await router.pay(good)
    await router.settle()
    expect((await router.call(lost.id)).settlement.at).toBe('lost')
    expect((await router.call(paid.id)).settlement.at).toBe('settled')
    await reorg(2)
    await router.settler.tick()
    await router.settler.tick()
    expect((await router.call(paid.id)).settlement.at).toBe('settling')
    router.forward(15_000)
    await router.settler.tick()
    await router.settle()
    expect((await router.call(paid.id)).settlement.at).toBe('settled')
    expect(await stage.received(good.address)).toHaveLength(1)
    // The money that was moved away is back, and the lost authorization is never sent again.
    expect(await stage.received(bad.address)).toEqual([])
  })
})

describe('with three confirmations', () => {
  beforeEach(async () => {
    await router.close()
    router = await stage.open({ confirmations: 3 })
  })

  test('a payment is not settled before three blocks stand on it', async () => {
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await expect.poll(() => stage.received(payer.address)).toHaveLength(1)
    const seen: string[] = []
    for (let i = 0; i < 3; i++) {
      await router.settler.tick()
      seen.push((await router.call(id)).settlement.at)
      await stage.mine()
    }
    expect(seen).toEqual(['included', 'included', 'settled'])
  })

  test('a payment that a reorganisation drops before that was never settled, and is not credited', async () => {
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await expect.poll(() => stage.received(payer.address)).toHaveLength(1)
    await router.settler.tick()
    await stage.mine()
    await router.settler.tick()
    await reorg(2)
    await stage.hold()
    await router.settler.tick()
    expect(await story(id)).toEqual(['include', 'reorg'])
    const asset = bookOf(await router.call(id))
    expect(await router.ledger.balance(asset, `credit:${payer.address.toLowerCase()}`)).toBe(0n)
    await router.sent(id)
    await stage.mine(3)
    await router.settle()
    expect(await story(id)).toEqual(['include', 'reorg', 'settled'])
  })

  test('a loss needs three blocks as well: a reorganisation may bring the money back', async () => {
    const payer = await stage.payer()
    await stage.hold()
    const { id } = await router.pay(payer)
    await router.sent(id)
    await stage.rush(payer.address, stage.token('transfer', [stranger(), 10_000_000n]))
    await stage.mine()
    await router.settler.tick()
    await stage.mine()
    await router.settler.tick()
    expect((await router.call(id)).settlement.at).toBe('settling')
    const [tx] = await router.ledger.transactions(id)
    await reorg(2, [[tx!.raw, 0]])
    await stage.mine(3)
    await router.settle()
    expect(await story(id)).toEqual(['settled'])
    expect(await stage.received(payer.address)).toHaveLength(1)
  })
})
