import { Pool } from 'undici'
import type { Clock } from '../clock.ts'
import type { WireAnswer } from '../wire/openai.ts'
import { type Incoming, post } from './exchange.ts'
import { type EventsFacts, readEither, readEvents, type WholeFacts } from './http-events.ts'
import { type Classify, faultOf, type Name, statusFault, type Wait } from './http-fault.ts'
import { retryAfterOf } from './http-retry.ts'
import { UpstreamError, WHOLE_ANSWER } from './provider.ts'

/** What an adapter that translates needs to know of its host. */
export type SpokenFacts = {
  id: string
  baseUrl: string
  key: string | undefined
  clock: Clock
  /** As in `HostFacts`. */
  firstByteMs: number
  idleMs: number
}

export type HostFacts = {
  /** Such as https://api.openai.com/v1; only its origin counts here. */
  baseUrl: string
  headers: Readonly<Record<string, string>>
  /** Longest wait for the first byte of a stream and longest silence inside one, ms. */
  firstByteMs: number
  idleMs: number
  classify?: Classify | undefined
  wait?: Wait | undefined
  name?: Name | undefined
  keepAlive?: EventsFacts['keepAlive']
  eventError?: EventsFacts['eventError']
  ofWhole?: WholeFacts['ofWhole'] | undefined
}

/** `path` from the root of the host, with its query; `body` is JSON; `trace` is sent as `traceparent`. */
export type HostAsk = { path: string; body: string; signal: AbortSignal; trace?: string | undefined }

/** A server that is asked by POST with JSON; every function throws `UpstreamError`. */
export type Host = {
  /** An answer in one piece, as text. */
  whole: (ask: HostAsk) => Promise<string>
  /** Resolves when the stream has begun; whoever stops reading ends the request. */
  events: (ask: HostAsk) => Promise<AsyncGenerator<readonly string[]>>
  close: () => Promise<void>
}

const LARGEST_ANSWER = 32 << 20
/** What is read of a refusal, so that its connection can be used again and its kind be known. */
const LARGEST_REFUSAL = 65_536

/** Connections to one host: as many as calls; how many those are is for the gate to say. */
export const openHost = (facts: HostFacts): Host => {
  const pool = new Pool(new URL(facts.baseUrl).origin, { bodyTimeout: facts.idleMs })
  const own = {
    'content-type': 'application/json',
    'accept-encoding': 'identity',
    ...facts.headers,
  }
  const send = async ({ path, body, signal, trace }: HostAsk, headersTimeout: number): Promise<Incoming> => {
    const headers = trace === undefined ? own : { ...own, traceparent: trace }
    const reply = await post(pool, { path, headers, body, headersTimeout, signal }).catch(
      (error: unknown) => {
        throw faultOf(error)
      },
    )
    if (reply.status === 200) return reply
    const text = await reply.text(LARGEST_REFUSAL).catch(() => undefined)
    throw statusFault(reply.status, retryAfterOf(reply.header), text, facts)
  }
  return {
    whole: async (ask) => readAll(await send(ask, facts.firstByteMs * WHOLE_ANSWER)),
    events: async (ask) => {
      const reply = await send(ask, facts.firstByteMs)
      const isJson = /^application\/json\b/i.test(reply.header('content-type') ?? '')
      const { ofWhole } = facts
      return isJson && ofWhole
        ? readEither(reply.chunks(), { ...facts, ofWhole, limit: LARGEST_ANSWER })
        : readEvents(reply.chunks(), facts)
    },
    close: () => pool.destroy(),
  }
}

/** Where a path of the API is on its host: the path of the base URL without its last slashes, then `rest`. */
export const pathUnder = (baseUrl: string, rest: string): string =>
  `${new URL(baseUrl).pathname.replace(/\/+$/, '')}${rest}`

/** What a host sent as JSON; throws `malformed` for anything that is not an object. `what` names it in the log. */
export const parseObject = (text: string, what = 'answer'): WireAnswer => {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return parsed as WireAnswer
  } catch {}
  throw new UpstreamError('malformed', `${what} is not JSON`)
}

const readAll = async (reply: Incoming): Promise<string> => {
  const text = await reply.text(LARGEST_ANSWER).catch((error: unknown) => {
    throw faultOf(error)
  })
  if (text === undefined) throw new UpstreamError('malformed', 'answer too large')
  return text
}
