import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { Env } from './send.ts'

type Handler = (request: Request, env: Env['Bindings']) => Response | Promise<Response>

/** Node's HTTP server with limits that a slow or greedy caller runs into. */
export const createNodeServer = (fetch: Handler): Server =>
  createAdaptorServer({
    fetch: (request, env) => fetch(request, env as Env['Bindings']),
    serverOptions: {
      // A payment echoes what its 402 declared, up to 12 KB, beside a signed deposit or approval of its own.
      maxHeaderSize: 32_768,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 30_000,
    },
  }) as Server

/** Listens, and resolves with the port: the one that was asked for, or a free one for 0. */
export const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })

/** Takes no more connections, waits for running requests for at most `ms`, then cuts them off. */
export const drain = (server: Server, ms: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), ms)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
