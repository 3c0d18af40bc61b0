import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { COUNTER } from '../../src/ledger/moves.ts'
import { type Hostile, type Paid, type Stage, startStage } from '../support/hostile.ts'

const GWEI = 1_000_000_000n
const OVERDUE_MS = 20_000

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
// Whatever a test did to the chain, the books must hold.
afterEach(async () => {
  const facts = { now: Date.now(), exposure: router.farebox.deps.exposure }
  expect(await checkInvariants(router.ledger, facts)).toEqual([])
  await router.close()
})

/** Calldata that submits somebody's authorization, as anyone may. */
const submission = ({ payload }: Paid): Hex => {
  const { authorization, signature } = payload.payload
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  const [r, s, v] = [
    signature.slice(0, 66),
    `0x${signature.slice(66, 130)}`,
    Number(`0x${signature.slice(130)}`),
  ]
  const terms = [from, to, BigInt(value), BigInt(validAfter), BigInt(validBefore), nonce]
  return stage.token('transferWithAuthorization', [...terms, v, r, s])
}

const stranger = () => stage.world.net.accounts[5]!.address
const settlerAddress = () => stage.world.net.accounts[1]!.address
const gasSpent = () => router.ledger.balance(`eip155:${stage.world.net.chainId}/native`, 'gas:settler')
/** The next block, at this base fee. */
const block = async (baseFee: bigint) => {
  await stage.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${baseFee.toString(16)}`])
  await stage.mine()
}
const inMempool = async (hash: Hex): Promise<boolean> =>
  (await stage.rpc<{ blockNumber: string | null } | null>('eth_getTransactionByHash', [hash]))
    ?.blockNumber === null
const sentRaws = () =>
  router.node.seen
    .filter((call) => call.method === 'eth_sendRawTransaction')
    .map((call) => call.params[0] as Hex)

describe('a payment that nobody disturbs', () => {
  test('is settled by a transfer of exactly what was signed, and its gas is booked to the wei', async () => {
    const payer = await stage.payer()
    const before = BigInt(await stage.rpc<Hex>('eth_getBalance', [settlerAddress(), 'latest']))
    const { response, id, payload } = await router.pay(payer)
    expect(response.status).toBe(200)
    await router.settle()
    const { settlement, signed } = await router.call(id)
    expect(await stage.received(payer.address)).toEqual([
      { hash: settlement.at === 'settled' && settlement.proof.hash, amount: BigInt(payload.accepted.amount) },
    ])
    expect(signed).toBe(BigInt(payload.accepted.amount))
    const after = BigInt(await stage.rpc<Hex>('eth_getBalance', [settlerAddress(), 'latest']))
    expect(await gasSpent()).toBe(before - after)
    expect(before).toBeGreaterThan(after)
  })

  test('is in the ledger before its transaction leaves the house', async () => {
    const payer = await stage.payer()
    const stored: boolean[] = []
    router.node.behave(async (calls, forward) => {
      for (const { method, params } of calls) {
        if (method !== 'eth_sendRawTransaction') continue
        const [call] = await router.ledger.open()
        const txs = await router.ledger.transactions(call!.id)
        stored.push(txs.some((tx) => tx.raw === params[0]) && call!.settlement.at === 'settling')
      }
      return forward(calls)
    })
    const { id } = await router.pay(payer)
    await router.settle()
    expect(stored).toEqual([true])
    expect((await router.call(id)).settlement.at).toBe('settled')
  })
})

describe('a transaction of ours', () => {
  test('that the mempool forgot is sent again, the same bytes', async () => {
    await stage.hold()
    const { id } = await router.pay(await stage.payer())
    const tx = await router.sent(id)
    await stage.rpc('anvil_dropTransaction', [tx.hash])
    expect(await inMempool(tx.hash)).toBe(false)
    router.forward(10_000)
    await router.settler.tick()
    await expect.poll(() => inMempool(tx.hash)).toBe(true)
    await stage.mine()
    await router.settle()
    expect((await router.call(id)).settlement).toMatchObject({ at: 'settled', proof: { hash: tx.hash } })
    expect(new Set(sentRaws())).toEqual(new Set([tx.raw]))
  })

  test('that fees left behind is replaced by a dearer one with the same nonce, and pays once', async () => {
    await stage.hold()
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.sent(id)
    await block(100n * GWEI)
    router.forward(OVERDUE_MS)
    await router.settler.tick()
    const [old, better] = await router.ledger.transactions(id)
    expect(better).toMatchObject({ nonce: old!.nonce })
    expect(better!.maxFee).toBeGreaterThan(100n * GWEI)
    expect(better!.tip * 10n).toBeGreaterThanOrEqual(old!.tip * 11n)
    await expect.poll(() => inMempool(better!.hash)).toBe(true)
    await stage.mine()
    await router.settle()
    expect((await router.call(id)).settlement).toMatchObject({ at: 'settled', proof: { hash: better!.hash } })
    expect(await stage.received(payer.address)).toHaveLength(1)
  })

  test('that was replaced counts just as well when it is the one that lands', async () => {
    await stage.hold()
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.sent(id)
    await block(100n * GWEI)
    router.forward(OVERDUE_MS)
    await router.settler.tick()
    const [old, better] = await router.ledger.transactions(id)
    await expect.poll(() => inMempool(better!.hash)).toBe(true)
    await stage.rpc('anvil_dropAllTransactions')
    await block(GWEI)
    await stage.rpc('eth_sendRawTransaction', [old!.raw])
    await block(GWEI)
    await router.settle()
    expect((await router.call(id)).settlement).toMatchObject({ at: 'settled', proof: { hash: old!.hash } })
    expect(await stage.received(payer.address)).toEqual([
      { hash: old!.hash, amount: (await router.call(id)).signed },
    ])
  })

  test('never pays more per gas than the cap, and goes out when the chain is cheap again', async () => {
    await stage.hold()
    const { id } = await router.pay(await stage.payer())
    await router.sent(id)
    await block(5_000n * GWEI)
    for (let i = 0; i < 5; i++) {
      router.forward(OVERDUE_MS)
      await router.settler.tick()
    }
    const txs = await router.ledger.transactions(id)
    expect(txs.length).toBeGreaterThan(1)
    expect(txs.every((tx) => tx.maxFee <= 500n * GWEI && tx.tip <= tx.maxFee)).toBe(true)
    await expect
      .poll(async () => {
        await block(GWEI)
        router.forward(OVERDUE_MS)
        await router.settler.tick()
        return (await router.call(id)).settlement.at
      })
      .toBe('settled')
  })
})

describe('an authorization that somebody else submits first', () => {
  test('has paid once: their transaction is the proof, and the gas of ours is booked', async () => {
    await stage.hold()
    const payer = await stage.payer()
    const paid = await router.pay(payer)
    await router.sent(paid.id)
    const theirs = await stage.rush(stranger(), submission(paid))
    await stage.mine()
    await router.settle()
    const call = await router.call(paid.id)
    expect(call.settlement).toMatchObject({ at: 'settled', proof: { hash: theirs } })
    expect(await stage.received(payer.address)).toEqual([{ hash: theirs, amount: call.signed }])
    expect(await gasSpent()).toBeGreaterThan(0n)
    expect((await router.ledger.counters())[COUNTER.unpaid(call.payer)] ?? 0n).toBe(0n)
  })
})
