import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Call, Tx } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Way } from '../../src/settle/outbox.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'
import type { NodeCall } from '../support/rpc-proxy.ts'

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
const nonce = async () =>
  Number(await stage.rpc<Hex>('eth_getTransactionCount', [settlerAddress(), 'latest']))
const isSend = (call: NodeCall) => call.method === 'eth_sendRawTransaction'
const sends = () => router.node.seen.filter(isSend)
const settlementOf = async (id: string) => (await router.call(id)).settlement.at
const moves = async (type: string) =>
  (await router.ledger.journal(0, 10_000)).filter(({ move }) => move.type === type).length

describe('an authorization', () => {
  test('that expires before any block takes it is lost, and is never sent again; later payments go on', async () => {
    await stage.hold()
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    const { raw } = await router.sent(id)
    await stage.rpc('anvil_dropAllTransactions')
    const sentBefore = sends().length
    await stage.rpc('evm_increaseTime', [301])
    await stage.mine()
    router.forward(301_000)
    await router.settler.tick()
    await stage.rpc('evm_increaseTime', [61])
    await stage.mine()
    router.forward(61_000)
    await router.settler.tick()
    expect((await router.call(id)).settlement).toEqual({ at: 'lost', why: 'the authorization expired' })
    expect(
      sends()
        .slice(sentBefore)
        .some((call) => call.params[0] === raw),
    ).toBe(false)

    await stage.rpc('evm_setAutomine', [true])
    const next = await router.pay(await stage.payer())
    await router.settler.tick()
    router.forward(15_000)
    await router.settle()
    expect(await settlementOf(next.id)).toBe('settled')
    expect(await stage.received(payer.address)).toEqual([])
  })
})

describe('the nonces of the settler', () => {
  test('have no gap after 200 payments of 200 payers at once, and each pays once', async () => {
    const payers = await stage.payers(200)
    const first = await nonce()
    const paid = await Promise.all(payers.map((payer) => router.pay(payer)))
    expect(paid.filter((one) => one.response.status === 200)).toHaveLength(200)
    await router.settle()
    expect(await moves('settled')).toBe(200)
    expect(await nonce()).toBe(first + 200)
    const used = await Promise.all(
      paid.map(async ({ id }) => (await router.ledger.transactions(id))[0]!.nonce),
    )
    expect(used.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => first + i))
    const received = await Promise.all(payers.map((payer) => stage.received(payer.address)))
    expect(received.every((transfers) => transfers.length === 1)).toBe(true)
  })

  test('a payment that the ledger refuses is never sent, and its nonce goes to the next one', async () => {
    await stage.hold()
    const before = await router.pay(await stage.payer())
    const call = await router.call(before.id)
    await router.sent(before.id)
    let refused: Tx | undefined
    await router.settler.pay<Call>(call, async (way) => {
      refused = txOf(way)
      return { ok: false, why: 'stale', call }
    })
    const after = await router.pay(await stage.payer())
    expect((await router.sent(after.id)).nonce).toBe(refused!.nonce)
    expect(sends().some((one) => one.params[0] === refused!.raw)).toBe(false)
    await stage.mine()
    await router.settle()
  })

  test('a payment that the ledger cannot write is never sent, and those behind it do not wait for it', async () => {
    await stage.hold()
    const first = await router.pay(await stage.payer())
    const { tx, end } = await stuck(await router.call(first.id))
    const behindIt = await router.pay(await stage.payer())
    await expect(end(new Error('the disk is full'))).rejects.toThrow('the disk is full')
    await stage.rpc('evm_setAutomine', [true])
    await router.settle()
    expect(await settlementOf(behindIt.id)).toBe('settled')
    expect(sends().some((call) => call.params[0] === tx.raw)).toBe(false)
  })

  test('one that is never heard of again holds up nobody for longer than two minutes', async () => {
    const first = await router.pay(await stage.payer())
    await stuck(await router.call(first.id))
    const behindIt = await router.pay(await stage.payer())
    for (let i = 0; i < 8; i++) {
      router.forward(15_000)
      await router.settler.tick()
    }
    await router.settle()
    expect(await settlementOf(behindIt.id)).toBe('settled')
  })

  test('a gap that a crash left behind is filled at the next start', async () => {
    await stage.hold()
    const first = await router.pay(await stage.payer())
    await stuck(await router.call(first.id))
    const behindIt = await router.pay(await stage.payer())
    await router.restart()
    await stage.rpc('evm_setAutomine', [true])
    await router.settle()
    expect(await settlementOf(behindIt.id)).toBe('settled')
  })
})

const txOf = (way: Way): Tx => {
  if (!('tx' in way)) throw new Error('it waits for company')
  return way.tx
}

/** A payment whose transaction is signed and never gets into the ledger; `end` says that it could not. */
const stuck = async (call: Call) => {
  let end: (error: Error) => void = () => {}
  const written = new Promise<never>((_, reject) => {
    end = reject
  })
  let tx: Tx | undefined
  const paying = router.settler.pay<Call>(call, (way) => {
    tx = txOf(way)
    return written
  })
  paying.catch(() => {})
  await expect.poll(() => tx !== undefined).toBe(true)
  return {
    tx: tx!,
    end: (error: Error) => {
      end(error)
      return paying
    },
  }
}
