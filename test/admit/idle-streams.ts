/**
 * What an idle stream costs: `node --expose-gc test/admit/idle-streams.ts [streams]`. Opens so many SSE calls through the
 * real server, app, dispatch, gates, providers and meter against an upstream that says one word and then, every few
 * seconds, a comment; callers and upstream live in a process of their own. Not part of it: payments and the ledger, which
 * hold one record for each call. Fails above 60 KB of heap or 100 KB of rss a stream, or when it grows while nothing
 * happens.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createConnections } from '../../src/admit/connections.ts'
import { createGates } from '../../src/admit/gate.ts'
import type { Deps } from '../../src/call/deps.ts'
import { dispatch } from '../../src/call/dispatch.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { createApp } from '../../src/http/app.ts'
import { leaving } from '../../src/http/send.ts'
import { createNodeServer, listen } from '../../src/http/server.ts'
import type { Call } from '../../src/ledger/call.ts'
import { quietLog as log } from '../../src/log.ts'
import { openAiProvider } from '../../src/providers/openai.ts'
import type { Terms } from '../../src/quote/seal.ts'
import { createRetryBudget } from '../../src/route/budget.ts'
import { createHealth } from '../../src/route/health.ts'
import { createTempo } from '../../src/route/tempo.ts'
import { orderOf } from '../support/models.ts'

const STREAMS = Number(process.argv[2] ?? 2_000)
const MOST_HEAP = 60 * 1024
/** V8 keeps room beyond what it uses. */
const MOST_RSS = 100 * 1024
const QUIET_MS = 12_000
/** Providers share the streams, since each has so many connections. */
const PROVIDERS = Math.ceil(STREAMS / 250)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The other process: an upstream that is almost silent, and the callers. */
const otherSide = async (): Promise<void> => {
  const word = { choices: [{ index: 0, delta: { content: 'Hello' }, finish_reason: null }] }
  const upstream = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(word)}\n\n`)
    const timer = setInterval(() => response.write(': \n\n'), 3_000)
    response.on('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  let begun = 0
  let ended = 0
  process.on('message', async ({ port, streams }: { port: number; streams: number }) => {
    for (let i = 0; i < streams; i++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.on('close', () => ended++)
      socket.once('data', () => begun++)
      socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
      if (i % 50 === 49) await pause(20)
    }
  })
  setInterval(() => process.send?.({ begun, ended }), 200)
  process.send?.({ upstream: (upstream.address() as AddressInfo).port })
}

/** Answers as a paid stream does from its dispatch on: the place at the provider, the wait for the first word, the meter, and the reader's pace. */
const openRouter = async (upstream: number) => {
  const baseUrl = `http://127.0.0.1:${upstream}/v1`
  const limits = {
    maxTokensField: 'max_tokens',
    firstByteMs: 30_000,
    idleMs: 60_000,
    key: undefined,
  } as const
  const names = Array.from({ length: PROVIDERS }, (_, i) => `up${i}`)
  const providers = new Map(names.map((id) => [id, openAiProvider({ id, baseUrl, ...limits })]))
  const gates = createGates({ clock, most: () => 512, start: 512 })
  const deps = {
    ledger: { post: async () => ({}) },
    probe: () => {},
    health: createHealth({ clock }),
    retries: createRetryBudget({ clock }),
    tempo: createTempo({ clock }),
    provider: (id: string) => providers.get(id),
    firstByteMs: 30_000,
    gates,
    clock,
    log,
  } as unknown as Deps
  const request = orderOf({ stream: true })
  const call = { id: 'call_idle', settleFirst: true, signed: 0n } as Call
  let asked = 0
  const app = createApp({
    resources: [
      {
        method: 'get',
        path: '/stream',
        summary: 'An idle stream.',
        paid: false,
        answer: async (c) => {
          const routes = [{ provider: names[asked++ % PROVIDERS]!, model: 'a/small', hostModel: 'small' }]
          const terms = { routes, input: 10, maxOutput: 1000, choices: 1 } as unknown as Terms
          const attempt = await dispatch(deps, call, terms, request, leaving(c))
          const body = async function* (): AsyncGenerator<string> {
            try {
              if (attempt.answer.kind !== 'stream') return
              const { events } = attempt.answer
              for (let text = await events.next(); text !== undefined; text = await events.next()) yield text
            } finally {
              attempt.abort()
            }
          }
          return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: body() }
        },
      },
    ],
    publicUrl: 'https://router.test',
    log,
  })
  const server = createNodeServer((asking, env) => app.fetch(asking, env), {
    headersMs: 10_000,
    requestMs: 30_000,
    maxConnections: STREAMS + 100,
    connections: createConnections({ most: STREAMS + 100, isFree: () => false }),
    cut: (why) => console.error('cut', why),
  })
  return { server, gates, port: await listen(server, '127.0.0.1', 0) }
}

type Memory = { heap: number; rss: number; external: number }
const measure = async (): Promise<Memory> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await pause(100)
  }
  const { heapUsed, rss, external } = process.memoryUsage()
  return { heap: heapUsed, rss, external }
}
const shown = (name: string, { heap, rss, external }: Memory): void =>
  console.log(
    `${name}: heap ${(heap / 1e6).toFixed(1)} MB, rss ${(rss / 1e6).toFixed(1)} MB, external ${(external / 1e6).toFixed(1)} MB`,
  )

const main = async (): Promise<void> => {
  const child: ChildProcess = fork(import.meta.filename, ['other-side'], { execArgv: [] })
  const state = { begun: 0, ended: 0 }
  const upstream = await new Promise<number>((resolve) => {
    child.on('message', (message: { upstream?: number; begun?: number; ended?: number }) => {
      if (message.upstream !== undefined) resolve(message.upstream)
      Object.assign(state, message)
    })
  })
  const { server, gates, port } = await openRouter(upstream)
  const ask = async (streams: number) => {
    const wanted = state.begun + streams
    child.send({ port, streams })
    while (state.begun < wanted) await pause(100)
  }
  // What is loaded and compiled once is not a stream's.
  await ask(100)
  const before = await measure()
  shown('100 streams', before)
  await ask(STREAMS - 100)
  const open = await measure()
  shown(`${STREAMS} streams`, open)
  await pause(QUIET_MS)
  const after = await measure()
  shown(`${STREAMS} streams, ${QUIET_MS / 1000} s later`, after)
  const each = (key: keyof Memory) => Math.round((after[key] - before[key]) / (STREAMS - 100))
  const heap = each('heap') + each('external')
  const rss = each('rss')
  const grown = after.heap - open.heap
  console.log(
    `a stream: ${(heap / 1024).toFixed(1)} KB of heap and buffers, ${(rss / 1024).toFixed(1)} KB of rss`,
  )
  const held = Object.values(gates.states()).reduce((sum, one) => sum + one.inFlight, 0)
  child.kill()
  server.closeAllConnections()
  await pause(500)
  const left = Object.values(gates.states()).reduce((sum, one) => sum + one.inFlight, 0)
  const problems = [
    ...(state.ended > 0 ? [`${state.ended} streams ended by themselves`] : []),
    ...(held !== STREAMS ? [`${held} places were held at providers`] : []),
    ...(left !== 0 ? [`${left} places were not given back`] : []),
    ...(heap > MOST_HEAP ? [`${heap} bytes of heap a stream`] : []),
    ...(rss > MOST_RSS ? [`${rss} bytes of rss a stream`] : []),
    ...(grown > STREAMS * 1024 ? [`the heap grew by ${grown} bytes while nothing happened`] : []),
  ]
  console.log(problems.length === 0 ? 'flat' : problems.join('\n'))
  process.exit(problems.length === 0 ? 0 : 1)
}

await (process.argv[2] === 'other-side' ? otherSide() : main())
