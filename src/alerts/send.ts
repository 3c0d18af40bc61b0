import { isIP, type LookupFunction } from 'node:net'
import { buildConnector, Client } from 'undici'
import { judgeAddress } from './address.ts'
import { openResolve, type Resolve, systemResolve } from './resolve.ts'
import { bare, judgeTarget, type Targets } from './target.ts'

export type { Resolve } from './resolve.ts'

export type Outgoing = { url: string; headers: Readonly<Record<string, string>>; body: string }
/** How an attempt ended: nothing is kept of an answer but its status. `why`: for people, when it failed. */
export type Sent = { ms: number; status?: number; why?: string }
/** Rejects only when `signal` aborts. */
export type Send = (out: Outgoing, signal: AbortSignal) => Promise<Sent>
export type SendFacts = {
  targets: () => Targets
  resolve?: Resolve
  /** Why an address must not be connected to; where it is given, also for hosts that the operator trusts. */
  judge?: (address: string) => string | undefined
  /** The longest that all of an attempt may take, ms. */
  timeoutMs?: number
}

const TIMEOUT_MS = 10_000
/** Bytes of an answer that are let in before its connection is closed, so that who is still writing may end. */
const MOST_BODY = 4_096
const MOST_HEADERS = 8_192
const LAST_WORDS_MS = 1_000
/** Not which and why: that would map the network behind the router. */
const NOT_PUBLIC = 'its name leads to an address that is not public'

const strangeResolve = openResolve()

/**
 * Posts to where a customer chose. The name is asked for once, every address that it has must be a public one, and the
 * connection goes to those very addresses; what it is connected to in the end is judged again before a byte is sent.
 * Follows no redirect.
 */
export const createSend = (facts: SendFacts): Send => {
  const { timeoutMs = TIMEOUT_MS } = facts
  return async ({ url: text, headers, body }, stop) => {
    const from = performance.now()
    const over = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([stop, over])
    const ended = (how: Omit<Sent, 'ms'>): Sent => ({ ms: Math.round(performance.now() - from), ...how })
    try {
      const target = judgeTarget(text, facts.targets())
      if (!target.ok) return ended({ why: target.why })
      const { url, trusted } = target
      const isWrong = facts.judge ?? (trusted ? () => undefined : judgeAddress)
      const resolve = facts.resolve ?? (trusted ? systemResolve : strangeResolve)
      const addresses = await abortable(addressesOf(url, resolve), signal)
      if (addresses.some((address) => isWrong(address) !== undefined)) return ended({ why: NOT_PUBLIC })
      const client = new Client(url.origin, {
        connect: connectorTo(addresses, isWrong, timeoutMs),
        pipelining: 0,
        maxHeaderSize: MOST_HEADERS,
        headersTimeout: timeoutMs,
        bodyTimeout: LAST_WORDS_MS,
      })
      try {
        return ended(await ask(client, { path: `${url.pathname}${url.search}`, headers, body, signal }))
      } finally {
        await client.destroy()
      }
    } catch (error) {
      stop.throwIfAborted()
      return ended({ why: over.aborted ? 'no answer in time' : wordsFor(error) })
    }
  }
}

/** Why a webhook could not be sent to a URL, as far as can be said now; undefined also when its name is not known yet. */
export const judgeNow = async (
  text: string,
  { targets, resolve = strangeResolve, judge = judgeAddress, timeoutMs = 2_000 }: SendFacts,
): Promise<string | undefined> => {
  const target = judgeTarget(text, targets())
  if (!target.ok) return target.why
  if (target.trusted) return undefined
  const known = await abortable(addressesOf(target.url, resolve), AbortSignal.timeout(timeoutMs)).catch(
    () => [],
  )
  return known.some((address) => judge(address) !== undefined) ? NOT_PUBLIC : undefined
}

type Asked = { path: string; headers: Outgoing['headers']; body: string; signal: AbortSignal }

const ask = async (client: Client, { path, headers, body, signal }: Asked): Promise<Omit<Sent, 'ms'>> => {
  const answer = await client.request({ method: 'POST', path, headers, body, signal, reset: true })
  const status = answer.statusCode
  const lastWords = AbortSignal.any([signal, AbortSignal.timeout(LAST_WORDS_MS)])
  await answer.body.dump({ limit: MOST_BODY, signal: lastWords }).catch(() => {})
  if (status >= 200 && status < 300) return { status }
  return {
    status,
    why: status >= 300 && status < 400 ? 'redirects are not followed' : `it answered ${status}`,
  }
}

const addressesOf = async (url: URL, resolve: Resolve): Promise<readonly string[]> => {
  const host = bare(url.hostname)
  const addresses = isIP(host) === 0 ? await resolve(host) : [host]
  if (addresses.length === 0) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' })
  return addresses
}

const connectorTo = (
  addresses: readonly string[],
  judge: (address: string) => string | undefined,
  timeout: number,
): buildConnector.connector => {
  const known = addresses.map((address) => ({ address, family: isIP(address) }))
  // Not the name again: what answers for it may have changed its mind since it was judged.
  const pinned: LookupFunction = (_name, { all }, done) =>
    all ? done(null, known) : done(null, known[0]!.address, known[0]!.family)
  const connect = buildConnector({ lookup: pinned, timeout, allowH2: false, maxCachedSessions: 0 } as object)
  return (options, done) =>
    connect(options, (...[error, socket]) => {
      if (error) return done(error, null)
      if (judge(socket.remoteAddress ?? '') === undefined) return done(null, socket)
      socket.destroy()
      done(Object.assign(new Error(NOT_PUBLIC), { code: 'NOT_PUBLIC' }), null)
    })
}

const WORDS: Readonly<Record<string, string>> = {
  NOT_PUBLIC,
  ENOTFOUND: 'its name has no address',
  EAI_AGAIN: 'its name could not be asked for',
  ECONNREFUSED: 'it takes no connections',
  ECONNRESET: 'it broke off',
  UND_ERR_SOCKET: 'it broke off',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_OVERFLOW: 'its answer was too large',
  HPE_HEADER_OVERFLOW: 'its answer was too large',
}

/** A few words of our own: an error's message may hold addresses of our network. */
const wordsFor = (error: unknown): string => {
  const { name, code = '' } = error as { name?: string; code?: string }
  if (name === 'HTTPParserError') return WORDS[code] ?? 'its answer is not HTTP'
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return 'its certificate or TLS is not in order'
  return WORDS[code] ?? 'no connection'
}

const abortable = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
