import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createChain } from '../../src/chain/chain.ts'
import { createLogReader } from '../../src/chain/logs.ts'
import { createRpc, type Rpc } from '../../src/chain/rpc.ts'
import type { NodeAnswer, NodeCall } from '../support/rpc-proxy.ts'

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

const client = (urls: string[], chainId?: number): Rpc => {
  const rpc = createRpc(urls, chainId)
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
