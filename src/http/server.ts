import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Connections } from '../admit/connections.ts'
import { JSON_TYPE } from '../call/reply.ts'
import { type Code, type Details, errorBody, REFUSALS } from '../errors.ts'
import type { Env } from './send.ts'

type Handler = (request: Request, env: Env['Bindings']) => Response | Promise<Response>

/** Why a connection was cut or turned away. */
export type Cut =
  | 'slow_headers'
  | 'slow_body'
  | 'too_many'
  | 'too_many_of_address'
  | 'pipelined'
  | 'slow_reader'

export type ServerFacts = {
  headersMs: number
  requestMs: number
  maxConnections: number
  connections: Connections
  /** Told of every connection that is cut. */
  cut: (why: Cut) => void
}

/** Requests of one connection that may be open at once; HTTP/1.1 answers them in order. */
const MOST_PIPELINED = 16
const CHECK_MS = 5_000

/** Node's HTTP server with limits that a slow or greedy caller runs into. */
export const createNodeServer = (fetch: Handler, facts: ServerFacts): Server => {
  const { headersMs, requestMs } = facts
  const guarded = createGuard(facts)
  const server = createAdaptorServer({
    fetch: (request, env) => fetch(request, env as Env['Bindings']),
    createServer: ((options: ServerOptions, listener: Listener) =>
      createServer(options, guarded.listener(listener))) as typeof createServer,
    serverOptions: {
      // A payment echoes what its 402 declared, up to 12 KB, beside a signed deposit or approval of its own.
      maxHeaderSize: 32_768,
      headersTimeout: Math.min(headersMs, requestMs),
      requestTimeout: requestMs,
      keepAliveTimeout: 30_000,
      connectionsCheckingInterval: Math.min(CHECK_MS, Math.ceil(Math.min(headersMs, requestMs) / 4)),
    },
  }) as Server
  server.maxConnections = facts.maxConnections
  server.on('drop', () => facts.cut('too_many'))
  server.on('connection', guarded.connected)
  server.on('clientError', guarded.failed)
  return server
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** What is known of an open connection. */
type Visitor = { open: number; last: ServerResponse | undefined }

const createGuard = ({ connections, cut }: ServerFacts) => {
  const visitors = new WeakMap<Socket, Visitor>()

  const connected = (socket: Socket): void => {
    const { remoteAddress } = socket
    if (!connections.open(remoteAddress)) {
      cut('too_many_of_address')
      refuse(socket, 'rate_limited', { by: 'address', retryAfter: 1 })
      return
    }
    visitors.set(socket, { open: 0, last: undefined })
    socket.once('close', () => connections.close(remoteAddress))
  }

  const listener =
    (answer: Listener): Listener =>
    (request, response) => {
      const visitor = visitors.get(request.socket)
      // It has been refused, and is on its way out.
      if (!visitor) return void response.destroy()
      if (visitor.open >= MOST_PIPELINED) {
        cut('pipelined')
        const { head, body } = refusal('rate_limited', { by: 'connection', retryAfter: 1 })
        response.writeHead(429, { ...head, connection: 'close' }).end(body)
        return
      }
      visitor.open++
      visitor.last = response
      response.once('close', () => visitor.open--)
      answer(request, response)
    }

  /** What Node's parser could not read, or what did not come in time. */
  const failed = (error: NodeJS.ErrnoException, socket: Socket): void => {
    const last = visitors.get(socket)?.last
    const isAnswering = last?.headersSent && !last.writableFinished
    const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (isSlow) cut(last?.req.complete === false ? 'slow_body' : 'slow_headers')
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
    const isLarge = error.code === 'HPE_HEADER_OVERFLOW'
    const status = isLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
    if (isSlow) refuse(socket, 'request_too_slow')
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
    socket.destroySoon()
  }
  return { connected, listener, failed }
}

const refusal = (code: Code, details: Details) => {
  const body = JSON.stringify(errorBody(code, details))
  const head = {
    'content-type': JSON_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    'x-should-retry': String(REFUSALS[code].retry),
    ...(details['retryAfter'] !== undefined && { 'retry-after': String(details['retryAfter']) }),
  }
  return { head, body }
}

const STATUS = { rate_limited: '429 Too Many Requests', request_too_slow: '408 Request Timeout' } as const

const refuse = (socket: Socket, code: keyof typeof STATUS, details: Details = {}): void => {
  const { head, body } = refusal(code, details)
  const lines = Object.entries({ ...head, connection: 'close' }).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${STATUS[code]}`, ...lines, '', body].join('\r\n'))
  socket.destroySoon()
}

/** Listens, and resolves with the port: the one that was asked for, or a free one for 0. */
export const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
