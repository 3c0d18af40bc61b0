/**
 * chain/: what is true on-chain. viem encodes and decodes here (server side) and nowhere else. Reads go through our own
 * batching JSON-RPC client because money needs what viem's transports hide: which node said it, and that a repeated
 * `sendRawTransaction` is not an error.
 */
import { Agent, request } from 'undici'
import { type Clock, systemClock } from '../clock.ts'
import { fail } from '../errors.ts'
import { reasonOf } from '../log.ts'
import { agree } from './agree.ts'

export type RpcCall = { method: string; params: unknown[] }
/** `data`: what a reverted call returned, for `reasonOfRevert`. */
export type RpcResult = { ok: true; value: unknown } | { ok: false; message: string; data?: string }

export type Rpc = {
  /** Sends calls as one HTTP request; results in order. Tries the next URL when one cannot be reached; throws `chain_unavailable` when none can. */
  batch: (calls: readonly RpcCall[]) => Promise<RpcResult[]>
  /**
   * As `batch`, and two nodes at different URLs must say the same: `chain_unavailable` when they differ or only one of
   * them answers. With a single URL it is `batch`. Name blocks by number or hash: of `latest`, honest nodes differ.
   */
  agreed: (calls: readonly RpcCall[]) => Promise<RpcResult[]>
  /** One call; throws `chain_unavailable` when the node answers with an error. */
  call: (method: string, params: unknown[]) => Promise<unknown>
  close: () => Promise<void>
}

const TIMEOUT_MS = 3_000
const LARGEST_REPLY = 16 << 20
const SHORT_REST_MS = 1_000
const LONG_REST_MS = 60_000
const CHAIN_ID: RpcCall = { method: 'eth_chainId', params: [] }

/**
 * A JSON-RPC client over several equal URLs; the one that answered last is asked first, and one that is over its limit
 * rests: as long as it asks for in Retry-After, a second otherwise, a minute at most. With `chainId`, a node is asked
 * for its own before it is believed, and again after every failure: one that serves another chain counts as unreachable.
 * `failed` is told of each request that a node did not answer.
 */
export const createRpc = (
  urls: readonly string[],
  chainId?: number,
  clock: Clock = systemClock,
  failed: (url: string) => void = () => {},
): Rpc => {
  const agent = new Agent({ connections: 8, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
  const known = new Set<string>()
  const largest = new Map<string, number>()
  const resting = new Map<string, number>()
  let current = 0
  let id = 0

  const post = async (url: string, calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    const first = id + 1
    id += calls.length
    const envelopes = calls.map((call, i) => ({ jsonrpc: '2.0', id: first + i, ...call }))
    const reply = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // Alone it is sent bare: some nodes take no batches at all.
      body: JSON.stringify(envelopes.length === 1 ? envelopes[0] : envelopes),
      dispatcher: agent,
      signal: AbortSignal.timeout(TIMEOUT_MS * 2),
    })
    const text = await readLimited(reply.body)
    const refused = calls.length > 1 && (reply.statusCode === 400 || reply.statusCode === 413)
    if (refused) throw new BatchRefused()
    const rest = restMs(reply.headers['retry-after'], clock.now())
    if (reply.statusCode === 429 || (reply.statusCode === 503 && rest !== undefined))
      throw new OverLimit(rest)
    if (reply.statusCode !== 200) throw new Error(`status ${reply.statusCode}`)
    const parsed: unknown = JSON.parse(text)
    const answers: Answer[] = Array.isArray(parsed) ? parsed : [parsed]
    // A node that is over its limit says nothing about the chain: the next one is asked.
    if (answers.some((one) => OVER_LIMIT.has(one.error?.code))) throw new OverLimit(rest)
    if (calls.length > 1 && !Array.isArray(parsed)) throw new BatchRefused()
    const byId = new Map(answers.map((one) => [one.id, one]))
    return calls.map((_, i) => toResult(byId.get(first + i)))
  }

  const ask = async (url: string, calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    if (chainId === undefined || known.has(url)) return post(url, calls)
    const [told] = await post(url, [CHAIN_ID])
    if (!told?.ok || Number(told.value) !== chainId) throw new Error('the node serves another chain')
    known.add(url)
    return post(url, calls)
  }

  /** One request when the node takes it, else as many as it needs: the limit that a node showed is remembered. */
  const parts = async (url: string, calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    if (calls.length > (largest.get(url) ?? Number.POSITIVE_INFINITY)) {
      const half = Math.ceil(calls.length / 2)
      return [...(await parts(url, calls.slice(0, half))), ...(await parts(url, calls.slice(half)))]
    }
    try {
      return await ask(url, calls)
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error
      largest.set(url, Math.floor(calls.length / 2))
      return parts(url, calls)
    }
  }

  /** What one node says; when it says nothing of use, what is known of it is forgotten, or it rests. */
  const tell = async (url: string, calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    if ((resting.get(url) ?? 0) > clock.now()) throw new OverLimit()
    try {
      return await parts(url, calls)
    } catch (error) {
      failed(url)
      if (error instanceof OverLimit)
        resting.set(url, Math.max(resting.get(url) ?? 0, clock.now() + error.restMs))
      else {
        known.delete(url)
        largest.delete(url)
      }
      throw error
    }
  }

  // Each request walks the list by itself: with a shared cursor, requests that fail together would skip live nodes.
  const inTurn = (): string[] => [...urls.slice(current), ...urls.slice(0, current)]

  const batch = async (calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    let why = ''
    for (const url of inTurn()) {
      try {
        const results = await tell(url, calls)
        current = urls.indexOf(url)
        return results
      } catch (error) {
        why = reasonOf(error)
      }
    }
    throw fail('chain_unavailable', { why })
  }

  const agreed = async (calls: readonly RpcCall[]): Promise<RpcResult[]> => {
    const unasked = [...new Set(inTurn())]
    if (unasked.length < 2) return batch(calls)
    let why = ''
    // Two walk down one list, so that no node is asked twice and a dead one is replaced by the next.
    const witness = async (): Promise<RpcResult[] | undefined> => {
      for (let url = unasked.shift(); url !== undefined; url = unasked.shift()) {
        try {
          return await tell(url, calls)
        } catch (error) {
          why = reasonOf(error)
        }
      }
      return undefined
    }
    const [one, other] = await Promise.all([witness(), witness()])
    if (!one && !other) throw fail('chain_unavailable', { why })
    if (!one || !other) throw fail('chain_unavailable', { why: 'only one node answers' })
    if (!agree(one, other)) throw fail('chain_unavailable', { why: 'two nodes disagree' })
    return one
  }

  return {
    batch,
    agreed,
    call: async (method, params) => {
      const [result] = await batch([{ method, params }])
      if (!result?.ok) throw fail('chain_unavailable', { why: result?.message })
      return result.value
    },
    close: () => agent.destroy(),
  }
}

/** The node answered, and not as a batch: it takes fewer calls at once. */
class BatchRefused extends Error {}

/** The node answered that it was asked too much; `restMs` is how long it is left alone. */
class OverLimit extends Error {
  readonly restMs: number
  constructor(restMs = SHORT_REST_MS) {
    super('the node is over its limit')
    this.restMs = restMs
  }
}

type Answer = { id?: number; result?: unknown; error?: { code?: unknown; message?: unknown; data?: unknown } }

/** Characters of revert data that are kept: more is no reason but a stranger's text. */
const LONGEST_REASON = 2_000

const OVER_LIMIT = new Set<unknown>([429, -32_005])

// A header of seconds or of a date; undefined when there is none that can be read.
const restMs = (header: string | string[] | undefined, now: number): number | undefined => {
  if (typeof header !== 'string') return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, SHORT_REST_MS), LONG_REST_MS)
}

const toResult = (answer: Answer | undefined): RpcResult => {
  if (answer && 'result' in answer && answer.error === undefined) return { ok: true, value: answer.result }
  const message = String(answer?.error?.message ?? 'no answer').slice(0, 300)
  const data = answer?.error?.data
  const short = typeof data === 'string' && data.length <= LONGEST_REASON
  return { ok: false, message, ...(short && { data }) }
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
