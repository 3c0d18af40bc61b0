import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type PayingFetch, payingFetch, printUsd, walletFromKey } from '../client/index.ts'
import { assetOf, type CallOptions, keyOf, schemesOf, type WayOptions, waysOf } from './call.ts'
import { signalled } from './serve.ts'

export type ProxyOptions = WayOptions & {
  url: string
  port: number
  maxUsd: string
  maxTotal: string
  asset: readonly string[]
  env: CallOptions['env']
  out: (line: string) => void
}

const LARGEST_BODY = 8 << 20

// The caller's own key stays here: the router is paid, not logged in to.
const ASKED = ['content-type', 'idempotency-key', 'anthropic-version', 'anthropic-beta']
const TOLD = [
  'content-type',
  'x-farebox-call',
  'x-farebox-model',
  'x-farebox-provider',
  'payment-response',
  'retry-after',
  'x-should-retry',
]

/** `farebox proxy`: an endpoint on loopback that pays for every call, so that any client of OpenAI's or Anthropic's API can use it unchanged. */
export const proxy = async (options: ProxyOptions): Promise<number> => {
  const { url, port, out } = options
  const paying = payingFetch({
    wallet: walletFromKey(keyOf(options.env)),
    ...waysOf(options),
    policy: {
      maxPerCall: options.maxUsd,
      maxTotal: options.maxTotal,
      assets: options.asset.map(assetOf),
      ...schemesOf(options),
    },
    onEvent: (event) => {
      if (event.type === 'paid') out(`paid ≤ $${printUsd(event.usd)}  ${event.callId ?? ''}`)
      if (event.type === 'refused') out(`not paid: ${event.hint}`)
    },
  })
  const server = createServer((request, response) => {
    forward(paying, url, request, response).catch((error: Error) => fail(response, error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  out(
    `OpenAI endpoint at http://127.0.0.1:${(server.address() as { port: number }).port}/v1 (Anthropic's without /v1), paying at ${url}`,
  )
  out(`at most $${options.maxUsd} a call and $${options.maxTotal} in all; Ctrl-C ends it`)
  await signalled()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return 0
}

const forward = async (
  paying: PayingFetch,
  url: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += (part as Buffer).length
    if (size > LARGEST_BODY) throw new Error('the body is too large')
    parts.push(part as Buffer)
  }
  const left = new AbortController()
  response.once('close', () => left.abort())
  const sent = ASKED.flatMap((name) => {
    const value = request.headers[name]
    return typeof value === 'string' ? [[name, value]] : []
  })
  const reply = await paying(`${url}${request.url ?? '/'}`, {
    method: request.method ?? 'GET',
    headers: { 'content-type': 'application/json', ...Object.fromEntries(sent) },
    ...(size > 0 && { body: Buffer.concat(parts).toString('utf8') }),
    signal: left.signal,
  })
  const headers = TOLD.flatMap((name) => (reply.headers.has(name) ? [[name, reply.headers.get(name)!]] : []))
  response.writeHead(reply.status, Object.fromEntries(headers))
  if (reply.body) await pipeline(Readable.fromWeb(reply.body as never), response)
  else response.end()
}

const fail = (response: ServerResponse, error: Error): void => {
  if (response.headersSent) return void response.destroy()
  response.writeHead(502, { 'content-type': 'application/json', 'x-should-retry': 'false' })
  response.end(
    JSON.stringify({ error: { message: error.message, type: 'api_error', code: error.name, param: null } }),
  )
}
