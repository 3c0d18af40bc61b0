/**
 * chain/: what is true on-chain. viem encodes and decodes here (server side) and nowhere else. Reads go through our own
 * batching JSON-RPC client because money needs what viem's transports hide: which node said it, and that a repeated
 * `sendRawTransaction` is not an error.
 */
import { Agent, request } from 'undici'
import { fail } from '../errors.ts'

export type RpcCall = { method: string; params: unknown[] }
export type RpcResult = { ok: true; value: unknown } | { ok: false; message: string }

export type Rpc = {
  /** Sends calls as one HTTP request; results in order. Tries the next URL when one cannot be reached; throws `chain_unavailable` when none can. */
  batch: (calls: readonly RpcCall[]) => Promise<RpcResult[]>
  /** One call; throws `chain_unavailable` when the node answers with an error. */
  call: (method: string, params: unknown[]) => Promise<unknown>
  close: () => Promise<void>
}

const TIMEOUT_MS = 3_000
const LARGEST_REPLY = 16 << 20

/** A JSON-RPC client over several equal URLs; the one that answered last is asked first. */
export const createRpc = (urls: readonly string[]): Rpc => {
  const agent = new Agent({ connections: 8, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
  let current = 0
  let id = 0

  const post = async (url: string, calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    const first = id + 1
    id += calls.length
    const body = JSON.stringify(calls.map((call, i) => ({ jsonrpc: '2.0', id: first + i, ...call })))
    const reply = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      dispatcher: agent,
      signal: AbortSignal.timeout(TIMEOUT_MS * 2),
    })
    const text = await readLimited(reply.body)
    if (reply.statusCode !== 200) throw new Error(`status ${reply.statusCode}`)
    const parsed: unknown = JSON.parse(text)
    const answers = new Map((Array.isArray(parsed) ? parsed : [parsed]).map((one: Answer) => [one.id, one]))
    return calls.map((_, i) => toResult(answers.get(first + i)))
  }

  const batch = async (calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    for (let tried = 0; tried < urls.length; tried++) {
      try {
        return await post(urls[current]!, calls)
      } catch {
        current = (current + 1) % urls.length
      }
    }
    throw fail('chain_unavailable')
  }

  return {
    batch,
    call: async (method, params) => {
      const [result] = await batch([{ method, params }])
      if (!result?.ok) throw fail('chain_unavailable', { why: result?.message })
      return result.value
    },
    close: () => agent.destroy(),
  }
}

type Answer = { id?: number; result?: unknown; error?: { message?: unknown } }

const toResult = (answer: Answer | undefined): RpcResult => {
  if (answer && 'result' in answer && answer.error === undefined) return { ok: true, value: answer.result }
  return { ok: false, message: String(answer?.error?.message ?? 'no answer').slice(0, 300) }
}

const readLimited = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > LARGEST_REPLY) throw new Error('the reply is too large')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
