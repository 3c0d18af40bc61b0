import { createHash } from 'node:crypto'
import { randomId } from '../ids.ts'
import { STRATEGY_HEADER } from '../wire/doors.ts'

/** A request whose body was read once, so that the same bytes can be sent again. */
export type Buffered = {
  url: URL
  /** Names the call: method, URL, body and strategy. The same call sent again has the same key. */
  key: string
  /** How hosts are to be chosen, when its headers say so: part of what is asked. */
  strategy: string | null
  /** Names this call to the router: the caller's own Idempotency-Key, or one of ours. */
  name: string
  send: (
    headers: Record<string, string>,
    redirect?: NonNullable<RequestInit['redirect']>,
  ) => Promise<Response>
  /** GET of a path beside this request's `/v1/`, without the caller's headers; undefined when it does not answer 200 with JSON. */
  beside: (path: string) => Promise<unknown>
  signal: AbortSignal | undefined
  method: string
  body: Uint8Array<ArrayBuffer>
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export const IDEMPOTENCY = 'Idempotency-Key'

const BESIDE_MS = 10_000
const MAX_BESIDE = 1 << 20

/** Reads what `fetch` would send. A stream or a Request is drained here, once. */
export const bufferRequest = async (
  fetch: Fetch,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Buffered> => {
  // A Request knows how every kind of body becomes bytes and which content-type it has.
  const request = new Request(input, { ...init, ...(init.body && { duplex: 'half' }) })
  const body = new Uint8Array(await request.arrayBuffer())
  const url = new URL(request.url)
  const signal = init.signal ?? (input instanceof Request ? input.signal : undefined)
  const base = url.pathname.slice(0, Math.max(0, url.pathname.indexOf('/v1/')))

  const strategy = request.headers.get(STRATEGY_HEADER)

  return {
    url,
    strategy,
    key: createHash('sha256')
      .update(`${request.method} ${url.origin}${url.pathname}${url.search}\n${strategy ?? ''}\n`)
      .update(body)
      .digest('hex'),
    name: request.headers.get(IDEMPOTENCY) ?? randomId(),
    signal,
    method: request.method,
    body,
    send: (extra, redirect) => {
      const headers = new Headers(request.headers)
      for (const [name, value] of Object.entries(extra)) headers.set(name, value)
      return fetch(url.href, {
        ...init,
        method: request.method,
        headers,
        redirect: redirect ?? request.redirect,
        body: body.length > 0 ? body : null,
        ...(signal && { signal }),
      })
    },
    beside: async (path) => {
      try {
        const timeout = AbortSignal.timeout(BESIDE_MS)
        const response = await fetch(`${url.origin}${base}${path}`, { redirect: 'error', signal: timeout })
        const text = await readBytes(response, MAX_BESIDE)
        return response.status === 200 ? parse(text) : undefined
      } catch {
        return undefined
      }
    },
  }
}

/** The bytes of a body, at most `limit` of them: what comes after is cut off. */
export const readBytes = async (response: Response, limit: number): Promise<Uint8Array<ArrayBuffer>> => {
  const reader = response.body?.getReader()
  const parts: Uint8Array[] = []
  let size = 0
  while (reader && size < limit) {
    const { done, value } = await reader.read()
    if (done) break
    parts.push(value)
    size += value.length
  }
  if (size >= limit) await reader?.cancel().catch(() => {})
  return joined(parts, Math.min(size, limit))
}

/** JSON of bytes; undefined when they hold none. */
export const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

const joined = (parts: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    const fits = part.subarray(0, size - at)
    all.set(fits, at)
    at += fits.length
  }
  return all
}
