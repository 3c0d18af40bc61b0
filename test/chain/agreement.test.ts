import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { type Hostile, type Stage, startStage } from '../support/hostile.ts'
import { told } from '../support/refused.ts'
import {
  type Behaviour,
  behind,
  type NodeAnswer,
  type RpcProxy,
  startRpcProxy,
} from '../support/rpc-proxy.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello } from '../support/world.ts'

/** Two nodes: the router's own, which may lie, and a second one. Sums above $0.10 need both. */
let stage: Stage
let second: RpcProxy
let router: Hostile
beforeAll(async () => {
  stage = await startStage()
  stage.world.config.chains[0]!.agreeAboveUsd = 100_000n as never
  second = await startRpcProxy(stage.world.net.url)
})
afterAll(async () => {
  await second?.close()
  await stage?.close()
})
beforeEach(async () => {
  await stage.reset()
  stage.world.upstream.script(goodAnswer)
  router = await stage.open({ urls: (node) => [node, second.url] })
})
afterEach(async () => {
  second.behave()
  router.node.behave()
  await router.settle()
  expect(await checkInvariants(router.ledger, { now: Date.now() })).toEqual([])
  await router.close()
})

/** $0.20, so it settles first and needs two nodes. */
const dear = hello({ model: 'test/large', max_tokens: 1_000 })
const asked = () => stage.world.upstream.seen.length

type Receipt = { transactionHash: Hex; blockNumber: Hex; blockHash: Hex }

/** Changes every answer to one method. */
const lying =
  (method: string, lie: (answer: NodeAnswer, params: unknown[]) => unknown): Behaviour =>
  async (calls, forward) => {
    const answers = await forward(calls)
    return answers.map((answer, i) =>
      calls[i]!.method === method ? { ...answer, result: lie(answer, calls[i]!.params) } : answer,
    )
  }

/** A node that shows the transfer of a payment that was never mined: in the newest block, with every log that it needs. */
const invented = async (payer: Hex, nonce: Hex, amount: bigint): Promise<Behaviour> => {
  const block = await stage.rpc<{ number: Hex; hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  const word = (address: string): Hex => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
  const log = (topics: string[], data: string, logIndex: string) => ({
    address: stage.world.token,
    topics,
    data,
    logIndex,
  })
  const used = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
  const moved = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
  const logs = [
    log([used, word(payer), nonce], '0x', '0x0'),
    log(
      [moved, word(payer), word('0x1111111111111111111111111111111111111111')],
      `0x${amount.toString(16).padStart(64, '0')}`,
      '0x1',
    ),
  ]
  return async (calls, forward) => {
    const answers = await forward(calls)
    return answers.map((answer, i) => {
      const { method, params } = calls[i]!
      if (method === 'eth_getTransactionCount') return { ...answer, result: '0x1000' }
      if (method !== 'eth_getTransactionReceipt') return answer
      const receipt = {
        transactionHash: params[0],
        blockNumber: block.number,
        blockHash: block.hash,
        status: '0x1',
        gasUsed: '0x5208',
        logs,
      }
      return { ...answer, result: receipt }
    })
  }
}

const buying = async () => {
  const payer = await stage.payer()
  const answer = router.pay(payer, {}, dear)
  await expect.poll(async () => (await router.ledger.open()).length).toBe(1)
  const [call] = await router.ledger.open()
  await router.sent(call!.id)
  return { answer, payer, call: call! }
}

test('with two nodes that agree a large payment settles as ever', async () => {
  const { answer } = await buying()
  await router.settle()
  const { response, id } = await answer
  expect(response.status).toBe(200)
  expect((await router.call(id)).settlement.at).toBe('settled')
})

test('one node that shows a transfer which is not there settles nothing, and nothing is served', async () => {
  await stage.hold()
  const { answer, call, payer } = await buying()
  const before = asked()
  router.node.behave(await invented(call.payer, call.nonce, call.signed))
  for (let i = 0; i < 3; i++) await router.settler.tick()
  expect((await router.call(call.id)).settlement.at).toBe('settling')
  expect([asked(), await stage.received(payer.address)]).toEqual([before, []])
  router.node.behave()
  await stage.mine()
  await router.settle()
  expect((await answer).response.status).toBe(200)
  expect(await stage.received(payer.address)).toHaveLength(1)
})

test('one node with a block of its own making settles nothing', async () => {
  const fake: Hex = `0x${'f0'.repeat(32)}`
  const { answer, call } = await buying()
  const block = (await stage.rpc<Receipt>('eth_getTransactionReceipt', [(await router.sent(call.id)).hash]))
    .blockNumber
  router.node.behave(async (calls, forward) => {
    const receipts = lying(
      'eth_getTransactionReceipt',
      ({ result }) => result && { ...(result as Receipt), blockHash: fake },
    )
    const blocks = lying('eth_getBlockByNumber', ({ result }, [number]) =>
      number === block ? { ...(result as object), hash: fake } : result,
    )
    return blocks(calls, async (some) => (await receipts(some, forward))!)
  })
  for (let i = 0; i < 3; i++) await router.settler.tick()
  expect((await router.call(call.id)).settlement.at).toBe('settling')
  router.node.behave()
  await router.settle()
  expect((await answer).response.status).toBe(200)
})

test('a second node that is behind only delays', async () => {
  const { answer, call } = await buying()
  second.behave(behind(1))
  for (let i = 0; i < 3; i++) await router.settler.tick()
  expect((await router.call(call.id)).settlement.at).toBe('settling')
  await stage.mine()
  await router.settle()
  expect((await answer).response.status).toBe(200)
  expect((await router.call(call.id)).settlement.at).toBe('settled')
})

test('small payments need one node only', async () => {
  second.behave(async () => undefined)
  const { id } = await router.pay(await stage.payer())
  await router.sent(id)
  await router.settle()
  expect((await router.call(id)).settlement.at).toBe('settled')
})

test('money that one node alone sees buys nothing dear', async () => {
  const poor = await stage.payer(1_000n)
  const rich = lying('eth_call', ({ result }, params) => {
    const { data } = params[0] as { data: string }
    return data.startsWith('0x70a08231') ? `0x${(10n ** 12n).toString(16).padStart(64, '0')}` : result
  })
  router.node.behave(rich)
  const before = asked()
  const { response } = await router.pay(poor, {}, dear)
  expect((await told(response)).says).toMatch(/^503 chain_unavailable /)
  expect(asked()).toBe(before)
  router.node.behave()
  second.behave(rich)
  expect((await told((await router.pay(poor, {}, dear)).response)).says).toMatch(/^503 chain_unavailable /)
  expect(asked()).toBe(before)
})

test('a transfer that would revert is refused with the reason that the token gives', async () => {
  const payer = await stage.payer()
  await stage.rush(stage.world.net.accounts[0]!.address, stage.token('blacklist', [payer.address]))
  const { response } = await router.pay(payer, {}, dear)
  const { says } = await told(response)
  expect(says).toMatch(/^402 settlement_failed .*the token refuses the transfer: \S+/)
  expect(says).not.toContain('transfer: reverted')
})
