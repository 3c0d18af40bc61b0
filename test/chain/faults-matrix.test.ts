import { encodeAbiParameters, encodeEventTopics, type Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import type { Call } from '../../src/ledger/call.ts'
import { believed, openTrial, type Trial } from '../campaign/trial.ts'
import type { Signing } from '../campaign/ways.ts'
import { type Stage, startStage } from '../support/hostile.ts'
import { type IllNode, type Illness, startIllNode } from '../support/ill-node.ts'
import { type Behaviour, behind, dead, type NodeAnswer, type NodeCall } from '../support/rpc-proxy.ts'

let stage: Stage
let trial: Trial
let gateway: IllNode
beforeAll(async () => {
  stage = await startStage({ x402: true })
})
afterAll(() => stage?.close())
beforeEach(() => stage.reset())
afterEach(async () => {
  await trial.router.close()
  await gateway.close()
})

type Kind = 'batch' | 'upto'
const WAYS: Readonly<Record<Kind, Signing[]>> = {
  batch: ['exact-3009', 'exact-permit2', 'exact-3009'],
  upto: ['upto'],
}
const isSend = (call: NodeCall) => call.method === 'eth_sendRawTransaction'
const isSent = () => trial.router.node.seen.some(isSend)
/** A healthy node whose answers are changed on their way. */
const changed =
  (change: (call: NodeCall, answer: NodeAnswer) => NodeAnswer): Behaviour =>
  async (calls, forward) =>
    (await forward(calls)).map((answer, i) => change(calls[i]!, answer))
const sendsOnly =
  (ill: Behaviour): Behaviour =>
  (calls, forward) =>
    calls.some(isSend) ? ill(calls, forward) : forward(calls)

type Fault = {
  /** How the node behaves while the call is served and its payment is sent. */
  first?: () => Promise<Behaviour> | Behaviour
  /** And from then on; as at first when left out. */
  later?: () => Behaviour
  gateway?: Illness
  /** Nothing can come into a block before the node is well. */
  held?: boolean
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'takes the transaction and loses its answer': {
    first: () => sendsOnly(async (calls, forward) => void (await forward(calls))),
  },
  'takes the transaction and answers 40 seconds later': { first: () => late() },
  'takes no transaction': { first: () => sendsOnly(dead) },
  'falls three blocks behind': { later: () => behind(3) },
  'shows the same head for ever': { first: () => frozen() },
  'leaves the logs out of its receipts': {
    later: () =>
      changed((call, answer) =>
        withResult(call, answer, 'eth_getTransactionReceipt', (one) => ({ ...one, logs: [] })),
      ),
  },
  'says that every transaction failed, in a block that is not there': {
    later: () =>
      changed((call, answer) =>
        withResult(call, answer, 'eth_getTransactionReceipt', (one) => ({
          ...one,
          status: '0x0',
          logs: [],
          blockHash: FAKE,
        })),
      ),
  },
  'serves another chain from now on': { later: () => elsewhere() },
  'serves another chain from now on and says so': { later: () => renamed() },
  'answers with words': { later: () => changed((_, answer) => ({ ...answer, result: 'busy' })) },
  'shows good receipts of what is in no block': { later: () => forging(), held: true },
  'is over its limit': { gateway: 'limit' },
  'answers with a web page': { gateway: 'page' },
  'answers by halves': { gateway: 'half' },
}

const FAKE: Hex = `0x${'11'.repeat(32)}`
const withResult = (
  call: NodeCall,
  answer: NodeAnswer,
  method: string,
  change: (result: object) => object,
): NodeAnswer =>
  call.method === method && answer.result ? { ...answer, result: change(answer.result as object) } : answer

let release: () => void = () => {}
const late = (): Behaviour => {
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return sendsOnly(async (calls, forward) => {
    const answers = await forward(calls)
    await released
    return answers
  })
}

const frozen = async (): Promise<Behaviour> => {
  const settler = stage.world.net.accounts[1]!.address
  const head = await stage.rpc('eth_getBlockByNumber', ['latest', false])
  const count = await stage.rpc('eth_getTransactionCount', [settler, 'latest'])
  return changed((call, answer) => {
    if (call.method === 'eth_getTransactionCount') return { ...answer, result: count }
    const isHead = call.method === 'eth_getBlockByNumber' && call.params[0] === 'latest'
    return isHead ? { ...answer, result: head } : answer
  })
}

/** A far longer chain on which nothing of ours ever happened. */
const elsewhere = (): Behaviour =>
  changed((call, answer) => {
    if (call.method === 'eth_chainId') return { ...answer, result: '0x1' }
    if (call.method === 'eth_getTransactionCount') return { ...answer, result: '0x3e8' }
    if (call.method === 'eth_getTransactionReceipt') return { ...answer, result: null }
    if (call.method === 'eth_getLogs') return { ...answer, result: [] }
    if (call.method === 'eth_call' || call.method === 'eth_getCode') return { ...answer, result: '0x' }
    if (call.method === 'eth_getBlockByNumber' && answer.result)
      return { ...answer, result: { ...answer.result, number: '0xf4240', hash: FAKE } }
    return answer
  })

/** The same behind a connection that broke once: who asks for the chain's number is told another. */
const renamed = (): Behaviour => {
  let broken = false
  return async (calls, forward) => {
    if (!broken) {
      broken = true
      return undefined
    }
    return elsewhere()(calls, forward)
  }
}

/** Says of our transactions that they are in a block which is in no chain, with every log that they should have. */
const forging = (): Behaviour => {
  const calls: Call[] = []
  const known = (async () => {
    for (const one of await trial.router.ledger.open()) calls.push(one)
  })()
  return async (asked, forward) => {
    await known
    return (await forward(asked)).map((answer, i) => forged(calls, asked[i]!, answer))
  }
}

const forged = (calls: readonly Call[], { method, params }: NodeCall, answer: NodeAnswer): NodeAnswer => {
  if (method === 'eth_getTransactionCount')
    return { ...answer, result: `0x${(Number(answer.result) + 1).toString(16)}` }
  if (method !== 'eth_getTransactionReceipt') return answer
  const at = { blockNumber: '0x1', blockHash: FAKE, transactionHash: params[0], transactionIndex: '0x0' }
  const logs = calls.flatMap(({ token, payer, payTo: to, nonce, signed }, i) => {
    const use = encodeEventTopics({
      abi: eip3009Abi,
      eventName: 'AuthorizationUsed',
      args: { authorizer: payer, nonce },
    })
    const move = encodeEventTopics({ abi: eip3009Abi, eventName: 'Transfer', args: { from: payer, to } })
    const value = encodeAbiParameters([{ type: 'uint256' }], [signed])
    const place = { ...at, address: token, removed: false }
    return [
      { ...place, topics: use, data: '0x', logIndex: `0x${(2 * i).toString(16)}` },
      { ...place, topics: move, data: value, logIndex: `0x${(2 * i + 1).toString(16)}` },
    ]
  })
  return { ...answer, result: { ...at, status: '0x1', gasUsed: '0x5208', effectiveGasPrice: '0x1', logs } }
}

const cases = Object.keys(FAULTS).flatMap((name, i) =>
  (['batch', 'upto'] as const).map((kind, j) => [name, kind, (i + j) % 2 === 0 ? 'json' : 'sse'] as const),
)

describe('a node that', () => {
  test.each(cases)(
    '%s: what is paid for (%s, %s) is settled once, and never taken for settled before',
    async (name, kind, mode) => {
      const fault = FAULTS[name]!
      const ill = await startIllNode()
      gateway = ill
      const urls = (node: string) => {
        ill.aim(node)
        return [fault.gateway ? ill.url : node]
      }
      trial = await openTrial(stage, { batch: kind === 'batch', urls })
      const { node } = trial.router
      const buyings = await trial.buy(WAYS[kind], mode, async () => {
        if (fault.held) await stage.hold()
        node.behave(await fault.first?.())
      })
      expect(buyings.map((one) => one.entry.heard.at(-1)?.status)).toEqual(buyings.map(() => 200))
      await expect.poll(isSent).toBe(true)
      if (fault.later) node.behave(fault.later())
      ill.fall(fault.gateway ?? 'well')
      await trial.look(4)
      expect((await believed(stage, trial, buyings)).unfounded).toBe(0)
      release()
      node.behave()
      ill.fall('well')
      await stage.rpc('evm_setAutomine', [true])
      await stage.mine()
      await trial.settle()
      expect((await believed(stage, trial, buyings)).settled).toBe(buyings.length)
      expect(await trial.verdict()).toEqual([])
    },
  )
})
