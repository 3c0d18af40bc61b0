import { Pool } from 'undici'
import type { ForwardBody, WireAnswer } from '../wire/openai.ts'
import { SseOverflow, sseReader } from '../wire/sse.ts'
import { type Ask, type Provider, UpstreamError, type UpstreamFault, WHOLE_ANSWER } from './provider.ts'

export type OpenAiFacts = {
  id: string
  /** Such as https://api.openai.com/v1; no trailing slash needed. */
  baseUrl: string
  key: string | undefined
  /** The field that caps output when the caller set none. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens'
  firstByteMs: number
  idleMs: number
}

const LARGEST_ANSWER = 32 << 20
const CONNECTIONS = 256

/** Any server that speaks POST /chat/completions: OpenAI itself and the many that copy it. */
export const openAiProvider = (facts: OpenAiFacts): Provider => {
  const url = new URL(facts.baseUrl)
  const path = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  const pool = new Pool(url.origin, {
    connections: CONNECTIONS,
    bodyTimeout: facts.idleMs,
  })
  const headers = {
    'content-type': 'application/json',
    'accept-encoding': 'identity',
    ...(facts.key !== undefined && { authorization: `Bearer ${facts.key}` }),
  }

  return {
    id: facts.id,
    ask: async (ask) => {
      const body = JSON.stringify(outgoing(ask, facts.maxTokensField))
      const headersTimeout = facts.firstByteMs * (ask.body.stream ? 1 : WHOLE_ANSWER)
      const reply = await pool
        .request({ method: 'POST', path, headers, body, headersTimeout, signal: ask.signal })
        .catch((error: unknown) => {
          throw faultOf(error)
        })
      if (reply.statusCode !== 200) {
        await reply.body.dump({ limit: 65_536 }).catch(() => {})
        throw statusFault(reply.statusCode, reply.headers['retry-after'])
      }
      if (ask.body.stream) return { kind: 'stream', events: readEvents(reply.body, facts.idleMs) }
      const text = await readAll(reply.body)
      return { kind: 'json', text, body: parseAnswer(text) }
    },
    close: () => pool.destroy(),
  }
}

/** The caller's body for one host: its model name there, a cap on output always, usage in streams always. */
const outgoing = ({ body, model, maxOutput }: Ask, field: OpenAiFacts['maxTokensField']): ForwardBody => {
  const capped = typeof (body.max_completion_tokens ?? body.max_tokens) === 'number'
  return {
    ...body,
    model,
    ...(!capped && { [field]: maxOutput }),
    ...(body.stream && { stream_options: { ...body.stream_options, include_usage: true } }),
  }
}

async function* readEvents(body: AsyncIterable<Buffer>, idleMs: number): AsyncGenerator<readonly string[]> {
  const reader = sseReader()
  let last = performance.now()
  try {
    for await (const chunk of body) {
      const events = reader.push(chunk)
      if (events.length > 0) {
        yield events
        // Not while our own reader was slow.
        last = performance.now()
      } else if (performance.now() - last > idleMs) {
        throw new UpstreamError('timeout', 'only keep-alives')
      }
    }
  } catch (error) {
    throw faultOf(error)
  }
}

const readAll = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of body) {
      size += part.length
      if (size > LARGEST_ANSWER) throw new UpstreamError('malformed', 'answer too large')
      parts.push(part)
    }
  } catch (error) {
    throw faultOf(error)
  }
  return parts.length === 1 ? parts[0]!.toString('utf8') : Buffer.concat(parts).toString('utf8')
}

const parseAnswer = (text: string): WireAnswer => {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return parsed as WireAnswer
  } catch {}
  throw new UpstreamError('malformed', 'answer is not JSON')
}

const faultOf = (error: unknown): UpstreamError => {
  if (error instanceof UpstreamError) return error
  if (error instanceof SseOverflow) return new UpstreamError('malformed', 'an event is too large')
  const code = String((error as { code?: unknown }).code ?? (error as Error).name)
  return new UpstreamError(/TIMEOUT|Timeout/.test(code) ? 'timeout' : 'unavailable', code)
}

const statusFault = (status: number, retryAfter: string | string[] | undefined): UpstreamError => {
  const after = Number(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter)
  return new UpstreamError(faultByStatus(status), `status ${status}`, after >= 0 ? after * 1000 : undefined)
}

const faultByStatus = (status: number): UpstreamFault => {
  if (status === 429) return 'rate_limited'
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 408 || status === 504) return 'timeout'
  // 404 is our host's fault, not the caller's: the model is not there.
  return status === 400 || status === 413 || status === 422 ? 'rejected' : 'unavailable'
}
