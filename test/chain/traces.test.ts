import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Hosts, startHosts } from '../support/hosts.ts'
import { buy } from '../support/pay.ts'
import { chunk, goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const SAID = 'canary-in-the-answer-b1e4'
const ASKED = 'canary-in-the-question-77f0'
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

const exporter = new InMemorySpanExporter()
let world: World
let hosts: Hosts

beforeAll(async () => {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
  world = await startWorld({ extra: 'traces: {}' })
  hosts = await startHosts(world)
})
afterAll(async () => {
  await hosts?.close()
  await world?.close()
  trace.disable()
  context.disable()
})
beforeEach(async () => {
  // What an earlier test bought settles in the trace of that test.
  await hosts.settle()
  exporter.reset()
  hosts.wake()
  hosts.first.script(telling)
  hosts.second.script(telling)
})

const telling: Script = (ask) => {
  if (!ask.body['stream']) return goodAnswer(ask)
  ask.response.writeHead(200, { 'content-type': 'text/event-stream' })
  ask.write(chunk({ content: SAID }))
  ask.write(chunk({}, 'stop'))
  ask.write({
    ...chunk({}),
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  })
  ask.response.end('data: [DONE]\n\n')
}
const failing: Script = ({ response }) => void response.writeHead(500).end(SAID)

const question = (more: Record<string, unknown> = {}) =>
  hello({ model: 'test/two', messages: [{ role: 'user', content: `Say ${ASKED}.` }], ...more })

const bought = async (body: unknown, headers: Record<string, string> = {}): Promise<void> => {
  const response = await hosts.buy(body, headers)
  await response.text()
}

type Tree = { name: string; within: Tree[] }

/** The last trace that was paid for, as a tree; what is side by side is in the order of names. */
const paidTree = (spans: readonly ReadableSpan[]): Tree => {
  const root = spans.find((span) => span.attributes['farebox.call.id'] !== undefined)!
  const inside = (parent: ReadableSpan): Tree => ({
    name: parent.name,
    within: spans
      .filter((span) => span.parentSpanContext?.spanId === parent.spanContext().spanId)
      .map(inside)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  })
  return inside(root)
}
const namesIn = ({ name, within }: Tree): unknown =>
  within.length > 0 ? [name, ...within.map(namesIn)] : name
const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name)
const headerOf = (span: ReadableSpan) => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`

test('a paid stream is one trace from its caller to its provider, and to its proof on the chain', async () => {
  await bought(question({ stream: true }), { traceparent: `00-${TRACE}-${CALLER}-01` })
  await hosts.settle()
  const spans = exporter.getFinishedSpans()
  expect(namesIn(paidTree(spans))).toEqual([
    'POST /v1/chat/completions',
    'bill',
    'chain',
    ['chat first-model', 'stream'],
    'claim',
    'settle',
    'verify',
  ])
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]))
  const [demand, paid] = named('POST /v1/chat/completions')
  expect(demand!.parentSpanContext?.spanId).toBe(CALLER)
  expect(paid!.parentSpanContext?.spanId).toBe(CALLER)
  const [attempt] = named('chat first-model')
  expect(hosts.first.seen.at(-1)!.headers['traceparent']).toBe(headerOf(attempt!))
  expect(attempt!.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'first',
    'gen_ai.request.model': 'first-model',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 2,
  })
  expect(paid!.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/v1/chat/completions',
    'http.response.status_code': 200,
    'gen_ai.request.model': 'test/two',
    'gen_ai.response.model': 'test/two',
    'gen_ai.usage.output_tokens': 2,
    'farebox.outcome': 'served',
  })
  expect(named('settle')[0]!.attributes).toMatchObject({ 'farebox.settlement': 'settled' })
})

test('the price of a request is a trace of its own, in which nothing was claimed', async () => {
  await bought(question())
  const demand = named('POST /v1/chat/completions')[0]!
  expect(demand.attributes).toMatchObject({
    'http.response.status_code': 402,
    'error.type': 'payment_required',
  })
  expect(demand.status.code).toBe(SpanStatusCode.UNSET)
  const inside = exporter
    .getFinishedSpans()
    .filter((span) => span.parentSpanContext?.spanId === demand.spanContext().spanId)
  expect(inside.map(({ name }) => name)).toEqual(['quote'])
})

test('each provider that was asked has a span, which says why it gave no answer', async () => {
  hosts.first.script(failing)
  await bought(question())
  const attempts = exporter.getFinishedSpans().filter(({ name }) => name.startsWith('chat '))
  expect(
    attempts.map(({ name, attributes, status }) => [name, attributes['error.type'], status.code]),
  ).toEqual([
    ...attempts.slice(1).map(() => ['chat first-model', 'unavailable', SpanStatusCode.ERROR]),
    ['chat second-model', undefined, SpanStatusCode.UNSET],
  ])
  expect(attempts.at(-1)!.attributes['farebox.attempt']).toBe('failover')
  expect(hosts.first.seen.at(-1)!.headers['traceparent']).toBe(headerOf(attempts.at(-2)!))
  expect(hosts.second.seen.at(-1)!.headers['traceparent']).toBe(headerOf(attempts.at(-1)!))
})

test('a call that nobody answered is a failed trace with its code, and no settlement', async () => {
  hosts.first.script(failing)
  hosts.second.script(failing)
  await bought(question())
  const paid = named('POST /v1/chat/completions').at(-1)!
  expect(paid.status).toMatchObject({ code: SpanStatusCode.ERROR, message: 'upstream_failed' })
  expect(paid.attributes).toMatchObject({ 'farebox.outcome': 'released', 'http.response.status_code': 502 })
  expect(named('settle')).toEqual([])
})

test('a traceparent that is not valid is ignored, and one that is not sampled stays so', async () => {
  const wrong = [
    'nonsense',
    `00-${'0'.repeat(32)}-${CALLER}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-${CALLER}-01`,
    `00-${TRACE}-${CALLER}-01-more`,
    `00-${TRACE.toUpperCase()}-${CALLER}-01`,
  ]
  for (const traceparent of wrong) {
    exporter.reset()
    await bought(question(), { traceparent })
    const traces = exporter.getFinishedSpans().map((span) => span.spanContext().traceId)
    expect(traces.length, traceparent).toBeGreaterThan(5)
    expect(traces, traceparent).not.toContain(TRACE)
  }
  await hosts.settle()
  exporter.reset()
  await bought(question(), { traceparent: `00-${TRACE}-${CALLER}-00` })
  expect(exporter.getFinishedSpans()).toEqual([])
  expect(hosts.first.seen.at(-1)!.headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
})

test('no span holds a word of a question, an answer or a payment', async () => {
  await bought(question({ stream: true }))
  await bought(question())
  hosts.first.script(failing)
  await bought(question())
  const told = exporter
    .getFinishedSpans()
    .map(({ name, attributes, status, events }) => ({ name, attributes, status, events }))
  expect(told.length).toBeGreaterThan(20)
  expect(JSON.stringify(told)).not.toMatch(/canary|0x[0-9a-f]{130}/)
})

test('without traces in the configuration nothing is traced, and no header goes upstream', async () => {
  const { traces: _, ...config } = world.config
  const plain = await startHosts({ ...world, config })
  try {
    const response = await buy(plain.chat, await world.payer(), question(), {
      traceparent: `00-${TRACE}-${CALLER}-01`,
    })
    expect(response.status).toBe(200)
    expect(exporter.getFinishedSpans()).toEqual([])
    expect(plain.first.seen[0]!.headers['traceparent']).toBeUndefined()
  } finally {
    await plain.close()
  }
})
