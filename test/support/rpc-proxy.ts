import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export type NodeCall = { id: number; jsonrpc: '2.0'; method: string; params: unknown[] }
export type NodeAnswer = {
  id: number
  jsonrpc: '2.0'
  result?: unknown
  error?: { code: number; message: string }
}

/** Answers one request in a node's place; undefined cuts the connection without an answer. */
export type Behaviour = (
  calls: readonly NodeCall[],
  forward: (calls: readonly NodeCall[]) => Promise<NodeAnswer[]>,
) => Promise<NodeAnswer[] | undefined>

export type RpcProxy = {
  url: string
  /** Every call that came, in order, answered or not. */
  seen: NodeCall[]
  /** How the node behaves from now on; without one it is well. */
  behave: (behaviour?: Behaviour) => void
  close: () => Promise<void>
}

export const healthy: Behaviour = (calls, forward) => forward(calls)
/** The node is down. */
export const dead: Behaviour = async () => undefined
/** The node does as it is told, and its answer never arrives. */
export const mute: Behaviour = async (calls, forward) => {
  await forward(calls)
  return undefined
}

/** A node in front of a node, which can be made to fail. */
export const startRpcProxy = async (target: string): Promise<RpcProxy> => {
  let behaviour = healthy
  const seen: NodeCall[] = []
  const forward = async (calls: readonly NodeCall[]): Promise<NodeAnswer[]> => {
    if (calls.length === 0) return []
    const reply = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(calls),
    })
    return (await reply.json()) as NodeAnswer[]
  }
  const server = createServer(async (request, response) => {
    const body: unknown = JSON.parse(await textOf(request))
    const calls = (Array.isArray(body) ? body : [body]) as NodeCall[]
    seen.push(...calls)
    const answers = await behaviour(calls, forward).catch(() => undefined)
    if (!answers) return void response.destroy()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    behave: (next = healthy) => {
      behaviour = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A node that has not seen the newest `blocks` blocks yet: it knows nothing of what is in them. */
export const behind =
  (blocks: number): Behaviour =>
  async (calls, forward) => {
    const [tip] = await forward([{ id: 0, jsonrpc: '2.0', method: 'eth_blockNumber', params: [] }])
    if (!tip?.result) throw new Error('the node behind the node does not answer')
    const last = Math.max(0, Number(tip.result) - blocks)
    const answers = await forward(
      calls.map((call) => ({ ...call, params: call.params.map((one) => asOf(one, last)) })),
    )
    return answers.map((answer, i) => forget(answer, calls[i]!, last))
  }

const asOf = (param: unknown, last: number): unknown => {
  if (param === 'latest' || param === 'pending') return `0x${last.toString(16)}`
  if (typeof param === 'object' && param !== null && 'toBlock' in param) {
    return { ...param, toBlock: `0x${Math.min(Number(param.toBlock), last).toString(16)}` }
  }
  return param
}

const forget = (answer: NodeAnswer, call: NodeCall, last: number): NodeAnswer => {
  const result = answer.result as { blockNumber?: string; number?: string } | string | null | undefined
  if (call.method === 'eth_blockNumber') return { ...answer, result: `0x${last.toString(16)}` }
  if (typeof result !== 'object' || result === null) return answer
  const block = result.blockNumber ?? result.number
  return block !== undefined && Number(block) > last ? { ...answer, result: null } : answer
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
