import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { agree } from '../../src/chain/agree.ts'
import { createChain } from '../../src/chain/chain.ts'
import { createLogReader } from '../../src/chain/logs.ts'
import { createRpc, type Rpc, type RpcResult } from '../../src/chain/rpc.ts'
import type { Clock } from '../../src/clock.ts'
import { behind, dead, mute, type NodeAnswer, type NodeCall, startRpcProxy } from '../support/rpc-proxy.ts'

const open: { servers: Server[]; clients: { close: () => Promise<void> }[] } = { servers: [], clients: [] }
afterEach(async () => {
  for (const client of open.clients.splice(0)) await client.close()
  for (const server of open.servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

type Node = { url: string; requests: NodeCall[][] }
type Reaction = (calls: NodeCall[], response: Parameters<RequestListener>[1]) => void

/** A node that answers each request as told. */
const startNode = async (react: Reaction): Promise<Node> => {
  const requests: NodeCall[][] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const part of request) text += part
    const body = JSON.parse(text) as NodeCall | NodeCall[]
    const calls = Array.isArray(body) ? body : [body]
    requests.push(calls)
    react(calls, response)
  })
  open.servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const client = (urls: string[], chainId?: number, clock?: Clock): Rpc => {
  const rpc = createRpc(urls, chainId, clock)
  open.clients.push(rpc)
  return rpc
}
const reply = (calls: NodeCall[], result: (call: NodeCall) => unknown): string => {
  const answers = calls.map(
    ({ id, ...call }): NodeAnswer => ({ jsonrpc: '2.0', id, result: result({ id, ...call }) }),
  )
  return JSON.stringify(calls.length === 1 ? answers[0] : answers)
}
/** A node of chain 1 that repeats the first parameter of every call. */
const good: Reaction = (calls, response) =>
  void response.end(reply(calls, ({ method, params }) => (method === 'eth_chainId' ? '0x1' : params[0])))
const ask = (...params: unknown[]) => params.map((one) => ({ method: 'echo', params: [one] }))
const DEAD = 'http://127.0.0.1:9'

describe('several nodes', () => {
  test('are asked in turn until one answers, also when many questions fail at the same time', async () => {
    const node = await startNode(good)
    const rpc = client([DEAD, node.url])
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => rpc.call('echo', [i])))
    expect(all).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  test('the one that answered last is asked first', async () => {
    const node = await startNode(good)
    const broken = await startNode((_, response) => void response.writeHead(500).end())
    const rpc = client([broken.url, node.url])
    for (let i = 0; i < 3; i++) await rpc.call('echo', [i])
    expect(broken.requests).toHaveLength(1)
  })

  test('when none answers, the caller is told that the chain is unavailable', async () => {
    await expect(client([DEAD, DEAD]).call('echo', [1])).rejects.toMatchObject({ code: 'chain_unavailable' })
  })

  test.each<[string, Reaction]>([
    ['answers with an error page', (_, response) => void response.end('<html>sorry</html>')],
    ['is over its limit', (_, response) => void response.writeHead(429).end()],
    [
      'says that it is over its limit, politely',
      (calls, response) =>
        void response.end(
          JSON.stringify({ jsonrpc: '2.0', id: calls[0]!.id, error: { code: -32005, message: 'slow down' } }),
        ),
    ],
    ['cuts the connection', (_, response) => void response.destroy()],
    ['cuts its answer short', (_, response) => void response.end('[{"jsonrpc":"2.0","id":1,')],
    ['sends more than anyone would read', (_, response) => void response.end(`"${'x'.repeat(17 << 20)}"`)],
    [
      'belongs to another chain',
      (calls, response) =>
        void response.end(reply(calls, ({ method }) => (method === 'eth_chainId' ? '0x5' : 'lies'))),
    ],
  ])('a node that %s is passed over', async (_, reaction) => {
    const [ill, well] = [await startNode(reaction), await startNode(good)]
    const rpc = client([ill.url, well.url], 1)
    expect(await rpc.batch(ask(1, 2))).toEqual([
      { ok: true, value: 1 },
      { ok: true, value: 2 },
    ])
  })
})

describe('a node that is over its limit', () => {
  const clock = { now: () => time, sleep: async () => {} }
  let time = 1_000_000
  const limited = (headers: Record<string, string>, status = 429): Reaction => {
    return (_, response) => void response.writeHead(status, headers).end()
  }

  test.each<[string, Reaction, number]>([
    ['for as long as it asks for', limited({ 'retry-after': '7' }), 7_000],
    ['until the time that it names', limited({ 'retry-after': new Date(1_009_000).toUTCString() }), 8_000],
    ['for a second when it asks for nothing', limited({}), 1_000],
    ['for a second when it asks for less', limited({ 'retry-after': '0' }), 1_000],
    ['for a second when it asks for nonsense', limited({ 'retry-after': 'soon' }), 1_000],
    ['for a minute at most', limited({ 'retry-after': '86400' }), 60_000],
    ['also when it says so by 503', limited({ 'retry-after': '7' }, 503), 7_000],
    [
      'also when it says so politely',
      (calls, response) =>
        void response.writeHead(200, { 'retry-after': '7' }).end(
          JSON.stringify({
            jsonrpc: '2.0',
            id: calls[0]!.id,
            error: { code: -32005, message: 'slow down' },
          }),
        ),
      7_000,
    ],
  ])('is left alone %s', async (_, reaction, rest) => {
    time = 1_001_000
    const node = await startNode(reaction)
    const rpc = client([node.url], undefined, clock)
    const asked = async () => {
      await expect(rpc.call('echo', [1])).rejects.toMatchObject({
        code: 'chain_unavailable',
        details: { why: expect.stringContaining('over its limit') },
      })
      return node.requests.length
    }
    expect(await asked()).toBe(1)
    expect(await asked()).toBe(1)
    time += rest - 1
    expect(await asked()).toBe(1)
    time += 1
    expect(await asked()).toBe(2)
  })

  test('does not rest for a failure of another kind, nor make the others rest', async () => {
    const broken = await startNode((_, response) => void response.writeHead(503).end())
    const alone = client([broken.url], undefined, clock)
    for (let i = 0; i < 3; i++) await alone.call('echo', [i]).catch(() => {})
    expect(broken.requests).toHaveLength(3)
    const [full, well] = [await startNode(limited({})), await startNode(good)]
    const rpc = client([full.url, well.url], 1, clock)
    for (let i = 0; i < 3; i++) expect(await rpc.call('echo', [i])).toBe(i)
    expect(full.requests).toHaveLength(1)
  })
})

describe('what two nodes must agree on', () => {
  const says = (value: unknown, chainId = '0x1'): Reaction => {
    return (calls, response) =>
      void response.end(reply(calls, ({ method }) => (method === 'eth_chainId' ? chainId : value)))
  }
  const refuses =
    (message: string): Reaction =>
    (calls, response) => {
      if (calls[0]!.method === 'eth_chainId') return void response.end(reply(calls, () => '0x1'))
      const { id } = calls[0]!
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: 3, message } }))
    }
  const cuts: Reaction = (_, response) => void response.destroy()
  const full: Reaction = (_, response) => void response.writeHead(429).end()
  const receipt = {
    transactionHash: '0xaa',
    status: '0x1',
    blockHash: '0xbb',
    logs: [{ data: '0x64', logIndex: '0x0' }],
  }

  const told = async (...reactions: Reaction[]) => {
    const nodes = await Promise.all(reactions.map(startNode))
    const rpc = client(
      nodes.map((node) => node.url),
      1,
    )
    const results = await rpc.agreed([{ method: 'read', params: [] }]).catch((error) => error.details.why)
    return {
      results,
      asked: nodes.map((node) => node.requests.flat().filter((call) => call.method === 'read').length),
    }
  }

  test('is asked of two of them, once each', async () => {
    const { results, asked } = await told(says(receipt), says(receipt), says(receipt))
    expect(results).toEqual([{ ok: true, value: receipt }])
    expect(asked).toEqual([1, 1, 0])
  })

  test('is answered although one of three is dead, over its limit or on another chain', async () => {
    for (const ill of [cuts, full, says(receipt, '0x5')]) {
      for (const order of [
        [ill, says(receipt), says(receipt)],
        [says(receipt), ill, says(receipt)],
      ]) {
        expect((await told(...order)).results).toEqual([{ ok: true, value: receipt }])
      }
    }
  })

  test.each<[string, Reaction, string]>([
    ['tells of a payment that is not there', says(null), 'two nodes disagree'],
    [
      'tells another amount',
      says({ ...receipt, logs: [{ data: '0x65', logIndex: '0x0' }] }),
      'two nodes disagree',
    ],
    ['leaves the payment out', says({ ...receipt, logs: [] }), 'two nodes disagree'],
    ['does not say whether it succeeded', says({ ...receipt, status: undefined }), 'two nodes disagree'],
    ['has not seen the block', refuses('header not found'), 'two nodes disagree'],
    ['is dead', cuts, 'only one node answers'],
    ['is over its limit', full, 'only one node answers'],
    ['belongs to another chain', says(receipt, '0x5'), 'only one node answers'],
  ])('is not believed when one of two %s', async (_, ill, why) => {
    expect((await told(says(receipt), ill)).results).toBe(why)
    expect((await told(ill, says(receipt))).results).toBe(why)
  })

  test('is refused when both refuse, whatever their words', async () => {
    const { results } = await told(refuses('execution reverted'), refuses('VM execution error.'))
    expect(results).toMatchObject([{ ok: false }])
  })

  test('is unavailable when none answers', async () => {
    expect((await told(cuts, cuts)).results).toMatch(/closed|socket|ECONN/i)
  })

  test('is one node’s word where only one is configured, though it be listed twice', async () => {
    const node = await startNode(says(receipt))
    expect(await client([node.url, node.url], 1).agreed([{ method: 'read', params: [] }])).toEqual([
      { ok: true, value: receipt },
    ])
    expect(node.requests.flat().filter((call) => call.method === 'read')).toHaveLength(1)
  })

  test('is not settled by a node that lags, that never answers or that died in between', async () => {
    const blocks = 7
    const chain = await startNode((calls, response) => {
      const answers = calls.map(({ id, method, params }) => {
        if (method === 'eth_chainId') return { id, result: '0x1' }
        if (method === 'eth_blockNumber') return { id, result: `0x${blocks}` }
        return { id, result: { number: params[0], hash: `0xb${Number(params[0])}` } }
      })
      response.end(JSON.stringify(answers))
    })
    const [one, other] = [await startRpcProxy(chain.url), await startRpcProxy(chain.url)]
    try {
      const rpc = client([one.url, other.url], 1)
      const block = (number: string) =>
        rpc
          .agreed([{ method: 'eth_getBlockByNumber', params: [number, false] }])
          .catch((error) => error.details.why)
      expect(await block('0x7')).toEqual([{ ok: true, value: { number: '0x7', hash: '0xb7' } }])
      other.behave(behind(2))
      expect(await block('0x7')).toBe('two nodes disagree')
      expect(await block('0x5')).toEqual([{ ok: true, value: { number: '0x5', hash: '0xb5' } }])
      for (const ill of [mute, dead]) {
        other.behave(ill)
        expect(await block('0x5')).toBe('only one node answers')
      }
      other.behave()
      expect(await block('0x7')).toEqual([{ ok: true, value: { number: '0x7', hash: '0xb7' } }])
    } finally {
      await Promise.all([one.close(), other.close()])
    }
  })

  const ok = (value: unknown): RpcResult[] => [{ ok: true, value }]
  test.each<[boolean, string, unknown, unknown]>([
    [true, 'hex in other letters', '0xAB', '0xab'],
    [false, 'other hex', '0xab', '0xac'],
    [
      true,
      'a field that only nodes of one make have',
      { hash: '0xa', totalDifficulty: '0x1' },
      { hash: '0xa' },
    ],
    [false, 'a field that we read and one does not have', { hash: '0xa', l1Fee: '0x1' }, { hash: '0xa' }],
    [false, 'objects of which we read nothing, and which differ', { a: 1 }, { a: 2 }],
    [false, 'objects of which we read nothing, one with more', { a: 1 }, { a: 1, b: 1 }],
    [false, 'nothing and an empty list', null, []],
    [false, 'an empty list and an empty object', [], {}],
    [false, 'lists of other lengths', ['0x1'], ['0x1', '0x1']],
    [false, 'lists in another order', ['0x1', '0x2'], ['0x2', '0x1']],
    [false, 'a number and its text', 1, '1'],
    [true, 'nothing and nothing', null, null],
  ])('is the same, %s: %s', (expected, _, one, other) => {
    expect(agree(ok(one), ok(other))).toBe(expected)
    expect(agree(ok(other), ok(one))).toBe(expected)
  })
})

describe('the chain a node serves', () => {
  test('is asked once, and again after a failure', async () => {
    let chainId = '0x1'
    let ill = false
    const node = await startNode((calls, response) => {
      if (ill) return void response.destroy()
      response.end(reply(calls, ({ method }) => (method === 'eth_chainId' ? chainId : 'told')))
    })
    const rpc = client([node.url], 1)
    const asked = () => node.requests.flat().filter((call) => call.method === 'eth_chainId').length
    await rpc.call('echo', [1])
    await rpc.call('echo', [1])
    expect(asked()).toBe(1)
    ill = true
    await expect(rpc.call('echo', [1])).rejects.toMatchObject({ code: 'chain_unavailable' })
    ill = false
    chainId = '0x5'
    await expect(rpc.call('echo', [1])).rejects.toMatchObject({ code: 'chain_unavailable' })
  })

  test('is checked at every node before the start, and a wrong one is named without its secret path', async () => {
    const wrong = await startNode((calls, response) => void response.end(reply(calls, () => '0x5')))
    const right = await startNode(good)
    const check = (...urls: string[]) => {
      const chain = createChain('eip155:1', urls)
      open.clients.push(chain)
      return chain.checkId()
    }
    const host = new URL(wrong.url).host
    await expect(check(right.url, `${wrong.url}/v2/secret-key`)).rejects.toThrow(
      `the node at ${host} serves eip155:5, not eip155:1`,
    )
    await expect(check(DEAD, right.url)).resolves.toBeUndefined()
    await expect(check(DEAD)).rejects.toMatchObject({ code: 'chain_unavailable' })
  })
})

describe('a batch', () => {
  test('is answered in order, whatever the order of the answers', async () => {
    const node = await startNode(
      (calls, response) => void response.end(reply(calls.toReversed(), ({ params }) => params[0])),
    )
    expect(await client([node.url]).batch(ask('a', 'b', 'c'))).toEqual(
      ['a', 'b', 'c'].map((value) => ({ ok: true, value })),
    )
  })

  test('that is too large for the node is sent in parts, and the next one from the start', async () => {
    const node = await startNode((calls, response) => {
      if (calls.length <= 10) return good(calls, response)
      response.end(
        JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message: 'batch too large' } }),
      )
    })
    const rpc = client([node.url])
    const values = Array.from({ length: 35 }, (_, i) => i)
    const expected = values.map((value) => ({ ok: true, value }))
    expect(await rpc.batch(ask(...values))).toEqual(expected)
    const before = node.requests.length
    expect(await rpc.batch(ask(...values))).toEqual(expected)
    expect(node.requests.slice(before).every((calls) => calls.length <= 10)).toBe(true)
  })

  test('goes to a node that takes no batches one by one', async () => {
    const node = await startNode((calls, response) =>
      calls.length === 1 ? good(calls, response) : void response.writeHead(400).end(),
    )
    expect(await client([node.url]).batch(ask(1, 2, 3))).toEqual(
      [1, 2, 3].map((value) => ({ ok: true, value })),
    )
  })

  test('an answer that is missing is an error of its own, and the others stand', async () => {
    const node = await startNode(
      (calls, response) =>
        void response.end(
          JSON.stringify(calls.slice(1).map(({ id }) => ({ jsonrpc: '2.0', id, result: 'here' }))),
        ),
    )
    expect(await client([node.url]).batch(ask(1, 2))).toEqual([
      { ok: false, message: 'no answer' },
      { ok: true, value: 'here' },
    ])
  })
})

describe('logs', () => {
  const filter = { address: '0xaa', topics: [] } as const
  const logNode = (widest: bigint, at: readonly bigint[], tip = 10_000n): Promise<Node> =>
    startNode((calls, response) => {
      const answers = calls.map(({ id, method, params }) => {
        if (method === 'eth_blockNumber') return { id, result: `0x${tip.toString(16)}` }
        if (method === 'eth_getBlockByNumber')
          return { id, result: { number: params[0], hash: '0x', timestamp: params[0] } }
        const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string }
        const [from, to] = [BigInt(fromBlock), BigInt(toBlock)]
        if (to - from + 1n > widest) return { id, error: { code: -32602, message: 'range too wide' } }
        return {
          id,
          result: at
            .filter((block) => block >= from && block <= to)
            .map((blockNumber) => ({ blockNumber: String(blockNumber) })),
        }
      })
      response.end(JSON.stringify(answers.length === 1 ? answers[0] : answers))
    })
  const blocks = (logs: { blockNumber: string }[]) => logs.map((log) => Number(log.blockNumber))

  test.each([5_000n, 500n, 30n, 10n])(
    'are read in ranges of at most %i blocks when the node wants that',
    async (widest) => {
      const node = await logNode(widest, [1n, 7n, 2_000n, 4_999n])
      const reader = createLogReader(client([node.url]))
      expect(blocks(await reader.all({ ...filter, topics: [] }, 1n, 5_000n))).toEqual([1, 7, 2_000, 4_999])
    },
  )

  test('a node that answers no range at all is unavailable', async () => {
    const node = await logNode(0n, [])
    const reader = createLogReader(client([node.url]))
    await expect(reader.all({ ...filter, topics: [] }, 1n, 5n)).rejects.toMatchObject({
      code: 'chain_unavailable',
    })
  })

  test('are searched back to a time and no further', async () => {
    const node = await logNode(1_000n, [3_500n])
    const reader = createLogReader(client([node.url]))
    const newest = (since: number) => reader.newest({ ...filter, topics: [] }, since, 9_000n)
    expect(await newest(3_000)).toMatchObject({ blockNumber: '3500' })
    expect(await newest(8_000)).toBeUndefined()
    expect(await reader.newest({ ...filter, topics: [] }, 0, 3_000n)).toBeUndefined()
  })

  test('that a node has not seen yet are not taken for absent', async () => {
    const node = await logNode(1_000n, [], 8_999n)
    const reader = createLogReader(client([node.url]))
    await expect(reader.newest({ ...filter, topics: [] }, 0, 9_000n)).rejects.toMatchObject({
      code: 'chain_unavailable',
    })
  })
})
