import { Refusal } from '../errors.ts'
import type { Order } from '../wire/order.ts'
import type { Reply } from './reply.ts'

/** Names follow OpenTelemetry; values are metadata, never a word of a question or of an answer. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** Something that takes time, in the trace of one request. */
export type Span = {
  /** 32 hex digits. */
  traceId: string
  /** As the W3C header of a request that is made inside of it; undefined where nobody traces after all. */
  traceparent: () => string | undefined
  /** A span inside this one; `client`: a request to somebody else. */
  child: (name: string, attributes?: Attributes, kind?: 'client') => Span
  set: (attributes: Attributes) => void
  /** Only the first time counts; with `error`, a code of ours, it failed. */
  end: (error?: string) => void
  /** The payment of this call gets a span in here once it settles, which may be long after this one has ended. */
  settles: (call: string) => void
}

/** Who keeps spans; only there where the operator wants traces. */
export type Tracer = {
  /** The span of a request that came in; it goes on with the trace of its caller where there is one. */
  start: (name: string, parent: Parent | undefined, attributes: Attributes) => Span
}

/** A span of somebody else. */
export type Parent = { traceId: string; spanId: string; flags: number }

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** The caller's span, by W3C Trace Context; undefined for anything that is not valid, which is ignored. */
export const parentOf = (header: string | undefined): Parent | undefined => {
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(header ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) }
}

/** Answers a request inside a span of its own, which lasts until the answer is complete. */
export const traced = async (
  tracer: Tracer,
  { order, traceparent }: { order: Order; traceparent?: string | undefined },
  answer: (span: Span) => Promise<Reply>,
): Promise<Reply> => {
  const { path } = order.door
  const about = { 'http.request.method': 'POST', 'http.route': path, 'gen_ai.operation.name': kindOf(order) }
  const span = tracer.start(`POST ${path}`, parentOf(traceparent), about)
  try {
    const reply = await answer(span)
    const end = () => over(span, reply.status, reply.code)
    if (typeof reply.body !== 'string') return { ...reply, body: lasting(reply.body, end) }
    end()
    return reply
  } catch (error) {
    const refused = error instanceof Refusal ? error : undefined
    over(span, refused?.status ?? 500, refused?.code ?? 'internal')
    throw error
  }
}

/** What a request asks for, as the conventions for generative AI call it. */
export const kindOf = ({ kind }: Order): string => (kind === 'chat' ? 'chat' : 'embeddings')

/** Does some work inside a span, where there is one. */
export const within = async <T>(span: Span | undefined, name: string, work: () => Promise<T>): Promise<T> => {
  if (!span) return work()
  const inner = span.child(name)
  try {
    const done = await work()
    inner.end()
    return done
  } catch (error) {
    inner.end(error instanceof Refusal ? error.code : 'internal')
    throw error
  }
}

// A refusal is no failure of the server.
const over = (span: Span, status: number, code: string | undefined): void => {
  span.set({ 'http.response.status_code': status, 'error.type': code })
  span.end(status >= 500 ? code : undefined)
}

async function* lasting(body: AsyncGenerator<string>, end: () => void): AsyncGenerator<string> {
  try {
    yield* body
  } finally {
    end()
  }
}
