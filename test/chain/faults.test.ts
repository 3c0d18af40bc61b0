import { encodeAbiParameters, encodeEventTopics, type Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'
import {
  type Behaviour,
  behind,
  dead,
  healthy,
  type NodeAnswer,
  type NodeCall,
} from '../support/rpc-proxy.ts'

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
/** A node that is ill only where `where` says so. */
const only =
  (where: (call: NodeCall) => boolean, ill: Behaviour): Behaviour =>
  (calls, forward) =>
    (calls.some(where) ? ill : healthy)(calls, forward)

describe('a node', () => {
  test('that takes a transaction and loses its answer: the payment is made once', async () => {
    const payer = await stage.payer()
    router.node.behave(only(isSend, async (calls, forward) => void (await forward(calls))))
    const { id } = await router.pay(payer)
    await expect.poll(() => stage.received(payer.address)).toHaveLength(1)
    await router.settler.tick()
    router.node.behave()
    await router.settle()
    expect(await settlementOf(id)).toBe('settled')
    expect(await stage.received(payer.address)).toHaveLength(1)
    expect(new Set(sends().map((call) => call.params[0])).size).toBe(1)
  })

  test('that is down while calls are served: they settle as soon as it is back', async () => {
    const payers = await stage.payers(5)
    router.node.behave(only(isSend, dead))
    const paid = await Promise.all(payers.map((payer) => router.pay(payer)))
    expect(paid.map((one) => one.response.status)).toEqual([200, 200, 200, 200, 200])
    router.node.behave(dead)
    for (let i = 0; i < 3; i++) await router.settler.tick()
    expect(await stage.received(payers[0]!.address)).toEqual([])
    router.node.behave()
    await router.settle()
    for (const { id } of paid) expect(await settlementOf(id)).toBe('settled')
  })

  test('that is down takes no new payer on trust: nothing is charged and nothing is asked of a provider', async () => {
    const payer = await stage.payer()
    const served = stage.world.upstream.seen.length
    router.node.behave(dead)
    const { response, id } = await router.pay(payer)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'chain_unavailable' } })
    expect(stage.world.upstream.seen).toHaveLength(served)
    expect(await router.call(id)).toMatchObject({ service: { at: 'rejected' }, settlement: { at: 'none' } })
  })

  test('whose head stands still: nothing is lost and nothing is doubled', async () => {
    const payer = await stage.payer()
    const latest = await stage.rpc('eth_getBlockByNumber', ['latest', false])
    const count = await stage.rpc('eth_getTransactionCount', [settlerAddress(), 'latest'])
    router.node.behave(async (calls, forward) =>
      (await forward(calls)).map((answer, i) => {
        const { method, params } = calls[i]!
        if (method === 'eth_getTransactionCount') return { ...answer, result: count }
        return method === 'eth_getBlockByNumber' && params[0] === 'latest'
          ? { ...answer, result: latest }
          : answer
      }),
    )
    const { id } = await router.pay(payer)
    await expect.poll(() => stage.received(payer.address)).toHaveLength(1)
    for (let i = 0; i < 5; i++) {
      router.forward(15_000)
      await router.settler.tick()
    }
    expect(await settlementOf(id)).toBe('settling')
    router.node.behave()
    await router.settle()
    expect(await settlementOf(id)).toBe('settled')
    expect(await router.ledger.transactions(id)).toHaveLength(1)
    expect(await stage.received(payer.address)).toHaveLength(1)
  })

  test('that is a block behind does not undo a payment which it has not seen', async () => {
    const { id } = await router.pay(await stage.payer())
    await router.settle()
    router.node.behave(behind(1))
    for (let i = 0; i < 3; i++) await router.settler.tick()
    expect(await settlementOf(id)).toBe('settled')
    router.node.behave()
    await stage.mine()
    await router.settler.tick()
    expect(await moves('reorg')).toBe(0)
  })

  test('that changes with every question, one of them two blocks behind: each payment is made and booked once', async () => {
    let asked = 0
    const payers = await stage.payers(20)
    const first = await nonce()
    router.node.behave((calls, forward) => (++asked % 2 === 0 ? behind(2) : healthy)(calls, forward))
    const paid = []
    for (const payer of payers) {
      paid.push(await router.pay(payer))
      await router.settler.tick()
    }
    await stage.mine(3)
    await router.settle()
    expect(await Promise.all(paid.map(({ id }) => settlementOf(id)))).toEqual(payers.map(() => 'settled'))
    for (const payer of payers) expect(await stage.received(payer.address)).toHaveLength(1)
    expect((await nonce()) - first).toBe(20)
    expect([await moves('reorg'), await moves('lose'), await moves('settled')]).toEqual([0, 0, 20])
  })

  test('that shows a good receipt from a block that is not in the chain: it is not believed', async () => {
    await stage.hold()
    const payer = await stage.payer()
    const { id } = await router.pay(payer)
    await router.sent(id)
    const call = await router.call(id)
    router.node.behave(async (calls, forward) =>
      (await forward(calls)).map((answer, i) => forged(call, calls[i]!, answer)),
    )
    for (let i = 0; i < 4; i++) {
      router.forward(15_000)
      await router.settler.tick()
    }
    expect(await settlementOf(id)).toBe('settling')
    expect([await moves('include'), await moves('settled')]).toEqual([0, 0])
    router.node.behave()
    await stage.mine()
    await router.settle()
    expect(await settlementOf(id)).toBe('settled')
  })

  test('that leaves the logs out of a receipt: the payment waits, and is not given up', async () => {
    const { id } = await router.pay(await stage.payer())
    router.node.behave(async (calls, forward) =>
      (await forward(calls)).map((answer, i) =>
        calls[i]!.method === 'eth_getTransactionReceipt' && answer.result
          ? { ...answer, result: { ...answer.result, logs: [] } }
          : answer,
      ),
    )
    for (let i = 0; i < 4; i++) {
      router.forward(15_000)
      await router.settler.tick()
    }
    expect(await settlementOf(id)).toBe('settling')
    router.node.behave()
    await router.settle()
    expect(await settlementOf(id)).toBe('settled')
  })
})

/** What a node would say of our transaction if it were in a block that is not canonical. */
const forged = (call: Call, { method, params }: NodeCall, answer: NodeAnswer): NodeAnswer => {
  if (method === 'eth_getTransactionCount')
    return { ...answer, result: `0x${(Number(answer.result) + 1).toString(16)}` }
  if (method !== 'eth_getTransactionReceipt') return answer
  const { token, payer: authorizer, payTo: to, nonce, signed } = call
  const at = {
    blockNumber: '0x1',
    blockHash: `0x${'11'.repeat(32)}`,
    transactionHash: params[0],
    transactionIndex: '0x0',
  }
  const use = encodeEventTopics({
    abi: eip3009Abi,
    eventName: 'AuthorizationUsed',
    args: { authorizer, nonce },
  })
  const move = encodeEventTopics({ abi: eip3009Abi, eventName: 'Transfer', args: { from: authorizer, to } })
  const value = encodeAbiParameters([{ type: 'uint256' }], [signed])
  const logs = [
    { ...at, address: token, topics: use, data: '0x', logIndex: '0x0', removed: false },
    { ...at, address: token, topics: move, data: value, logIndex: '0x1', removed: false },
  ]
  return { ...answer, result: { ...at, status: '0x1', gasUsed: '0x5208', effectiveGasPrice: '0x1', logs } }
}

describe('with two nodes, the first of them dead', () => {
  test('everything goes through the second', async () => {
    await router.close()
    router = await stage.open({ urls: (node) => ['http://127.0.0.1:9', node] })
    const payers = await stage.payers(20)
    const paid = await Promise.all(payers.map((payer) => router.pay(payer)))
    await router.settle()
    expect(await Promise.all(paid.map(({ id }) => settlementOf(id)))).toEqual(payers.map(() => 'settled'))
  })
})
