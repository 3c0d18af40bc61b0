import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { JSON_TYPE, NO_STORE, type Reply } from '../call/reply.ts'

/** What @hono/node-server passes along; absent under `app.request()`. */
export type Env = { Bindings: { incoming?: IncomingMessage; outgoing?: ServerResponse } }

const STALLED_MS = 60_000

/** How long a reader may take nothing, ms, and who is told that one was cut off. */
type Reading = { stalledMs: number; stalled: (() => void) | undefined }

export const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: { 'content-type': JSON_TYPE, 'cache-control': NO_STORE },
  body: JSON.stringify(value),
})

/**
 * Sends a reply: on a socket by writing to Node's response itself (web streams cost more than everything else on the
 * hot path), else as a web Response. A stream that loses its reader, or whose reader takes nothing for `stalledMs`, is
 * told so by `return()`, never dropped silently; one that throws ends in a broken connection, never as if complete.
 */
export const send = async (
  c: Context<Env>,
  reply: Reply,
  stalledMs = STALLED_MS,
  stalled?: () => void,
): Promise<Response> => {
  const { outgoing } = c.env ?? {}
  // Hono builds a new Response for HEAD, which would be written after ours.
  if (!outgoing || c.req.method === 'HEAD') {
    return new Response(typeof reply.body === 'string' ? reply.body : webStream(reply.body), reply)
  }
  if (outgoing.headersSent) {
    // An answer broke off while it was being sent: all that is left is to say so.
    outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  const { status, headers, body } = reply
  if (typeof body === 'string') {
    if (reply.lost) watch(outgoing, reply.lost)
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    outgoing.end(body)
    guardEnd(outgoing, { stalledMs, stalled })
  } else {
    outgoing.writeHead(status, headers)
    await pump(outgoing, body, { stalledMs, stalled })
  }
  return RESPONSE_ALREADY_SENT
}

// Finished is what the system has taken whole: a caller who resets after that may have read it all.
const watch = (outgoing: ServerResponse, lost: () => void): void => {
  const judge = () => {
    if (!outgoing.writableFinished) lost()
  }
  if (outgoing.destroyed) judge()
  else outgoing.once('close', judge)
}

/** A header of the request as Node read it: making web headers of them all costs more than routing. */
export const headerOf = (c: Context<Env>, name: string): string | undefined => {
  const { incoming } = c.env ?? {}
  if (!incoming) return c.req.header(name)
  const value = incoming.headers[name.toLowerCase()]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Aborts when the caller goes away before its answer is complete. */
export const leaving = (c: Context<Env>): AbortSignal => {
  const { outgoing } = c.env ?? {}
  if (!outgoing) return c.req.raw.signal
  const controller = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort()
  })
  return controller.signal
}

// The generator is always started, even for a caller who has left: only then does its own ending run.
const pump = async (
  outgoing: ServerResponse,
  body: AsyncGenerator<string>,
  reading: Reading,
): Promise<void> => {
  // Node writes a chunk in four parts: framed here it is one write, at half the cost.
  const chunked = outgoing.chunkedEncoding
  outgoing.chunkedEncoding = false
  try {
    for await (const text of body) {
      if (outgoing.destroyed) break
      if (text === '') continue
      const framed = chunked ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text
      if (!outgoing.write(framed) && !outgoing.destroyed) await drained(outgoing, reading)
      // Whoever left while it was waited for is owed nothing more.
      if (outgoing.destroyed) break
    }
  } catch (error) {
    // What was written leaves in the next tick.
    await new Promise(setImmediate)
    outgoing.destroy()
    throw error
  }
  outgoing.end(chunked ? '0\r\n\r\n' : undefined)
  guardEnd(outgoing, reading)
}

// A reader that takes nothing holds a provider's connection, so it is waited for but not for ever.
const drained = (outgoing: ServerResponse, reading: Reading): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => cut(outgoing, reading), reading.stalledMs)
    const done = () => {
      clearTimeout(timer)
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.on('drain', done)
    outgoing.on('close', done)
  })

// What is left to write when all is said. The socket's own timeout knows of every byte that is taken.
const guardEnd = (outgoing: ServerResponse, reading: Reading): void => {
  if (!outgoing.writableFinished && outgoing.socket?.writableLength)
    outgoing.setTimeout(reading.stalledMs, () => cut(outgoing, reading))
}

const cut = (outgoing: ServerResponse, { stalled }: Reading): void => {
  stalled?.()
  outgoing.destroy()
}

const webStream = (body: AsyncGenerator<string>): ReadableStream<Uint8Array> => {
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<string>> | undefined = body.next()
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await (next ?? body.next())
      next = undefined
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    cancel: async () => {
      await body.return(undefined)
    },
  })
}
