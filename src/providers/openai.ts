import { Pool } from 'undici'
import type { ForwardBody, WireAnswer } from '../wire/openai.ts'
import { SseOverflow, type SseReader, sseReader } from '../wire/sse.ts'
import { type Incoming, post } from './exchange.ts'
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
/** What is read of a refusal, so that its connection can be used again. */
const LARGEST_REFUSAL = 65_536

/** Any server that speaks POST /chat/completions: OpenAI itself and the many that copy it. */
export const openAiProvider = (facts: OpenAiFacts): Provider => {
  const url = new URL(facts.baseUrl)
  const path = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  // As many connections as calls: how many those are is for the gate to say.
  const pool = new Pool(url.origin, { bodyTimeout: facts.idleMs })
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
      const reply = await post(pool, { path, headers, body, headersTimeout, signal: ask.signal }).catch(
        (error: unknown) => {
          throw faultOf(error)
        },
      )
      if (reply.status !== 200) {
        await reply.text(LARGEST_REFUSAL).catch(() => {})
        throw statusFault(reply.status, reply.header('retry-after'))
      }
      if (ask.body.stream) return { kind: 'stream', events: readEvents(reply.chunks(), facts.idleMs) }
      const text = await readAll(reply)
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

async function* readEvents(
  body: AsyncIterable<readonly Buffer[]>,
  idleMs: number,
): AsyncGenerator<readonly string[]> {
  const reader = sseReader()
  let last = performance.now()
  try {
    for await (const chunks of body) {
      const { events, failure } = readChunks(reader, chunks)
      if (events.length > 0) {
        yield events
        // Not while our own reader was slow.
        last = performance.now()
      } else if (performance.now() - last > idleMs) {
        throw new UpstreamError('timeout', 'only keep-alives')
      }
      if (failure !== undefined) throw failure
    }
  } catch (error) {
    throw faultOf(error)
  }
}

const readChunks = (
  reader: SseReader,
  chunks: readonly Buffer[],
): { events: string[]; failure?: unknown } => {
  const events: string[] = []
  try {
    for (const chunk of chunks) reader.push(chunk, events)
    return { events }
  } catch (failure) {
    return { events, failure }
  }
}

const readAll = async (reply: Incoming): Promise<string> => {
  const text = await reply.text(LARGEST_ANSWER).catch((error: unknown) => {
    throw faultOf(error)
  })
  if (text === undefined) throw new UpstreamError('malformed', 'answer too large')
  return text
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

const statusFault = (status: number, retryAfter: string | undefined): UpstreamError => {
  const after = Number(retryAfter)
  return new UpstreamError(faultByStatus(status), `status ${status}`, after >= 0 ? after * 1000 : undefined)
}

const faultByStatus = (status: number): UpstreamFault => {
  if (status === 429) return 'rate_limited'
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 408 || status === 504) return 'timeout'
  // 404 is our host's fault, not the caller's: the model is not there.
  return status === 400 || status === 413 || status === 422 ? 'rejected' : 'unavailable'
}
