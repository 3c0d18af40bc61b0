import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answerOf, type Message } from '../../src/providers/anthropic/answer.ts'
import { classify } from '../../src/providers/anthropic/fault.ts'
import { chunksOf } from '../../src/providers/anthropic/stream.ts'
import { type AnthropicFacts, anthropicProvider } from '../../src/providers/anthropic.ts'
import { type Answer, type Provider, UpstreamError } from '../../src/providers/provider.ts'
import { chatRequestSchema, forwardBody } from '../../src/wire/openai.ts'
import {
  type AnthropicScript,
  type AnthropicUpstream,
  message,
  saying,
  startAnthropicUpstream,
} from '../support/anthropic-upstream.ts'

let upstream: AnthropicUpstream
let opened: Provider[] = []
beforeEach(async () => {
  upstream = await startAnthropicUpstream()
})
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
  opened = []
  await upstream.close()
})

const provider = (more: Partial<AnthropicFacts> = {}): Provider => {
  const clock = { now: () => 1_700_000_000_000, sleep: async () => {} }
  const facts = { id: 'up', baseUrl: upstream.url, key: 'sk-ant', clock, firstByteMs: 300, idleMs: 300 }
  const made = anthropicProvider({ ...facts, ...more })
  opened.push(made)
  return made
}
const ask = (from: Provider, more: Record<string, unknown> = {}, model = 'claude-sonnet-4-5') =>
  from.ask({
    body: forwardBody(
      chatRequestSchema.parse({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more }),
    ),
    model,
    maxOutput: 4_000,
    signal: new AbortController().signal,
  })
const faultOf = async (asking: Promise<unknown>): Promise<[string, number | undefined]> => {
  const error = await asking.then(
    () => new Error('answered'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof UpstreamError)) throw error
  expect(error.message).not.toMatch(/balance|prompt|model|messages/)
  return [error.fault, error.retryAfterMs]
}
const readAll = async (answer: Answer): Promise<string[]> => {
  if (answer.kind !== 'stream') throw new Error('not a stream')
  const all: string[] = []
  for await (const batch of answer.events) all.push(...batch)
  return all
}
const fixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'fixtures/anthropic', name), 'utf8')
const replying =
  (name: string): AnthropicScript =>
  ({ response }) =>
    void response.writeHead(200).end(fixture(name))
const recorded = async (name: string) => {
  upstream.script(replying(name))
  const answer = await ask(provider())
  if (answer.kind !== 'json') throw new Error('not JSON')
  expect(JSON.parse(answer.text)).toEqual(answer.body)
  return answer.body
}
const recordedStream = async (name: string): Promise<unknown[]> => {
  upstream.script(replying(name))
  const events = await readAll(await ask(provider(), { stream: true }))
  expect(events.pop()).toBe('[DONE]')
  return events.map((data) => JSON.parse(data) as unknown)
}
type Chunk = { choices: { delta: Record<string, unknown> }[]; usage?: unknown }
const deltas = (chunks: unknown[]) =>
  (chunks as Chunk[]).flatMap(({ choices }) => choices.map(({ delta }) => delta))

test('the key, the version and the path are those of Anthropic, with or without /v1 in the base URL', async () => {
  for (const baseUrl of [upstream.url, `${upstream.url}/`, `${upstream.url}/v1`, `${upstream.url}/v1/`])
    await ask(provider({ baseUrl }))
  await ask(provider({ baseUrl: `${upstream.url}/anthropic`, key: undefined }))
  expect(upstream.seen.map(({ path }) => path)).toEqual([
    '/v1/messages',
    '/v1/messages',
    '/v1/messages',
    '/v1/messages',
    '/anthropic/v1/messages',
  ])
  expect(upstream.seen[0]!.headers).toMatchObject({
    'x-api-key': 'sk-ant',
    'anthropic-version': '2023-06-01',
  })
  expect(upstream.seen[4]!.headers['x-api-key']).toBeUndefined()
  expect(upstream.seen[0]!.body).toEqual({
    model: 'claude-sonnet-4-5',
    max_tokens: 4_000,
    messages: [{ role: 'user', content: 'hi' }],
  })
})

test('a text is an answer with its usage', async () => {
  expect(await recorded('text.json')).toEqual({
    id: 'msg_01XFDUDYJgAACzvnptvVoYEL',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'claude-sonnet-4-5-20250929',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hi! My name is Claude.' },
        finish_reason: 'stop',
        native_finish_reason: 'end_turn',
      },
    ],
    service_tier: 'default',
    usage: {
      prompt_tokens: 25,
      completion_tokens: 9,
      total_tokens: 34,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    },
  })
})

test('a stream of text, with pings between, is a stream of chunks that ends with its usage', async () => {
  const chunks = await recordedStream('text.sse')
  expect(deltas(chunks)).toEqual([
    { role: 'assistant', content: '' },
    { content: 'Hello' },
    { content: '!' },
    {},
  ])
  expect(chunks.slice(-2)).toMatchObject([
    { choices: [{ finish_reason: 'stop' }] },
    { choices: [], usage: { prompt_tokens: 25, completion_tokens: 15, total_tokens: 40 } },
  ])
  expect(chunks[1]).toMatchObject({
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'claude-opus-4-6',
  })
})

test('calls of tools are tool calls, one without input among them', async () => {
  const called = [
    { function: { name: 'get_weather', arguments: '{"location":"San Francisco, CA","unit":"celsius"}' } },
    { id: 'toolu_01B', type: 'function', function: { name: 'get_time', arguments: '{}' } },
  ]
  expect(await recorded('tools.json')).toMatchObject({
    choices: [
      {
        message: { content: "I'll check the weather in both places.", tool_calls: called },
        finish_reason: 'tool_calls',
      },
    ],
  })
  const said = deltas(await recordedStream('tools.sse')).flatMap(
    (one) => (one['tool_calls'] ?? []) as object[],
  )
  expect(said).toEqual([
    {
      index: 0,
      id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
      type: 'function',
      function: { name: 'get_weather', arguments: '' },
    },
    { index: 0, function: { arguments: '{"location":' } },
    { index: 0, function: { arguments: ' "San Francisco, CA"}' } },
    { index: 1, id: 'toolu_02', type: 'function', function: { name: 'get_time', arguments: '' } },
    { index: 1, function: { arguments: '{}' } },
  ])
})

test('thinking is shown, with its signature and what nobody may read', async () => {
  const format = 'anthropic-claude-v1'
  const answer = (await recorded('thinking.json')) as { choices: { message: Record<string, unknown> }[] }
  expect(answer.choices[0]!.message).toMatchObject({
    content: 'Based on my analysis...',
    reasoning_content: 'Let me analyze this step by step...',
    reasoning_details: [
      { type: 'reasoning.text', signature: expect.stringMatching(/^WaUj/), format, index: 0 },
      { type: 'reasoning.encrypted', data: expect.stringMatching(/^Emw/), format, index: 1 },
    ],
  })
  expect(answer).toMatchObject({ usage: { completion_tokens_details: { reasoning_tokens: 241 } } })
  const chunks = await recordedStream('thinking.sse')
  const said = deltas(chunks)
  expect(said.map((one) => one['reasoning_content'] ?? '').join('')).toBe(
    'I need to find the GCD of 1071 and 462.',
  )
  expect(said.flatMap((one) => (one['reasoning_details'] ?? []) as object[])).toEqual([
    { type: 'reasoning.text', text: '', format, index: 0 },
    { type: 'reasoning.text', text: 'I need to find the GCD', format, index: 0 },
    { type: 'reasoning.text', text: ' of 1071 and 462.', format, index: 0 },
    { type: 'reasoning.text', signature: expect.stringMatching(/^EqQB/), format, index: 0 },
    { type: 'reasoning.encrypted', data: 'EmwKAhgBEgy3va3pzix', format, index: 1 },
  ])
  expect(chunks.at(-1)).toMatchObject({
    usage: { prompt_tokens: 43, completion_tokens: 120, completion_tokens_details: { reasoning_tokens: 95 } },
  })
})

test('tokens from a cache and into one are part of the prompt', async () => {
  expect(await recorded('cache.json')).toMatchObject({
    choices: [{ finish_reason: 'stop', native_finish_reason: 'stop_sequence', stop_sequence: 'END' }],
    service_tier: 'priority',
    usage: {
      prompt_tokens: 190_155,
      completion_tokens: 393,
      prompt_tokens_details: { cached_tokens: 188_086, cache_write_tokens: 2_048 },
    },
  })
})

test.each([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
  ['pause_turn', 'stop'],
  ['model_context_window_exceeded', 'length'],
  ['something_new', 'stop'],
  ['toString', 'stop'],
])('an answer that ends by %s finishes by %s', async (stop_reason, finish_reason) => {
  upstream.script(saying(message([{ type: 'text', text: 'x' }], { stop_reason })))
  expect(await ask(provider())).toMatchObject({ body: { choices: [{ finish_reason }] } })
  const chunks = (await readAll(await ask(provider(), { stream: true })))
    .slice(0, -1)
    .map((data) => JSON.parse(data))
  expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason }] })
})

test.each(JSON.parse(fixture('errors.json')) as [number, string, string, string][])(
  'a refusal by %i %s "%s" is %s',
  async (status, type, words, fault) => {
    upstream.script(({ response }) => {
      const body = { type: 'error', error: { type, message: words }, request_id: 'req_1' }
      response.writeHead(status, { 'retry-after': '7' }).end(JSON.stringify(body))
    })
    expect(await faultOf(ask(provider()))).toEqual([fault, 7_000])
  },
)

test('an error event ends a stream by its own kind, after what came before', async () => {
  upstream.script(replying('error.sse'))
  const answer = await ask(provider(), { stream: true })
  const came: string[] = []
  const reading = (async () => {
    if (answer.kind === 'stream') for await (const batch of answer.events) came.push(...batch)
  })()
  expect(await faultOf(reading)).toEqual(['unavailable', undefined])
  expect(came.at(-1)).toContain('"Hel"')
})

test('an error told with status 200 is one, and anything but a message is malformed', async () => {
  const saysWhole = (text: string) => upstream.script(({ response }) => void response.end(text))
  saysWhole('{"type":"error","error":{"type":"rate_limit_error","message":"x"}}')
  expect(await faultOf(ask(provider()))).toEqual(['rate_limited', undefined])
  for (const text of ['nope', '5', '{"content":"text"}']) {
    saysWhole(text)
    expect(await faultOf(ask(provider()))).toEqual(['malformed', undefined])
  }
  upstream.script(({ response }) => void response.end('data: nope\n\n'))
  expect(await faultOf(readAll(await ask(provider(), { stream: true })))).toEqual(['malformed', undefined])
})

test('a conversation whose thoughts a model does not take goes on without them, once', async () => {
  const refusing: AnthropicScript = (asked) => {
    if (!JSON.stringify(asked.body).includes('of another'))
      return saying(message([{ type: 'text', text: 'x' }]))(asked)
    const error = {
      type: 'invalid_request_error',
      message: 'messages.1.content.0: Invalid `signature` in `thinking` block',
    }
    asked.response.writeHead(400).end(JSON.stringify({ type: 'error', error }))
  }
  upstream.script(refusing)
  const detail = {
    type: 'reasoning.text',
    text: 'Hm.',
    signature: 'of another',
    format: 'anthropic-claude-v1',
    index: 0,
  }
  const user = { role: 'user', content: 'hi' }
  const messages = [user, { role: 'assistant', content: 'Yes.', reasoning_details: [detail] }, user]
  expect(await ask(provider(), { messages })).toMatchObject({ kind: 'json' })
  expect(upstream.seen.map(({ body }) => (body['messages'] as { content: unknown }[])[1]!.content)).toEqual([
    [
      { type: 'thinking', thinking: 'Hm.', signature: 'of another' },
      { type: 'text', text: 'Yes.' },
    ],
    'Yes.',
  ])
  expect(
    await faultOf(ask(provider(), { messages: [user, { role: 'assistant', content: 'of another' }, user] })),
  ).toEqual(['unfit', undefined])
  expect(upstream.seen).toHaveLength(3)
})

test('whatever a host sends, it is an answer or malformed', async () => {
  const odd = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant({ toString: 1, valueOf: 1 }))
  const some = (...keys: string[]) =>
    fc.record(Object.fromEntries(keys.map((key) => [key, odd])), { requiredKeys: [] })
  const block = fc.oneof(
    odd,
    fc.record({
      type: fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use'),
      text: odd,
      thinking: odd,
      signature: odd,
      data: odd,
      id: odd,
      name: odd,
      input: odd,
    }),
  )
  const type = fc.constantFrom(
    ...[
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'error',
    ],
  )
  const delta = fc.oneof(odd, some('type', 'text', 'stop_reason', 'partial_json'))
  const event = fc.oneof(
    odd,
    fc.record({ type, index: odd, message: odd, content_block: block, delta, usage: odd, error: odd }),
  )
  const telling = { created: 1, format: 'f', hide: false }
  const orFault = (read: () => void) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
    }
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(block),
      some('id', 'usage', 'stop_reason'),
      fc.array(event),
      async (content, more, events) => {
        orFault(() => answerOf({ ...more, content } as Message, telling))
        const sent = [events.map((one) => JSON.stringify(one))] as unknown as AsyncIterable<string[]>
        try {
          for await (const batch of chunksOf(sent, telling))
            for (const data of batch) if (data !== '[DONE]') JSON.parse(data)
        } catch (error) {
          if (!(error instanceof UpstreamError)) throw error
        }
      },
    ),
    { numRuns: 500 },
  )
  fc.assert(fc.property(fc.nat(599), odd, (status, body) => void classify({ status, text: '', body })))
})

test('pings alone are silence', async () => {
  upstream.script(({ response, event }) => {
    response.writeHead(200)
    const timer = setInterval(() => event('ping'), 30)
    response.on('close', () => clearInterval(timer))
  })
  expect(await faultOf(readAll(await ask(provider(), { stream: true })))).toEqual(['timeout', undefined])
  await expect.poll(() => upstream.seen[0]!.closedEarly).toBe(true)
})

test('a model that thinks and shows none of it is alive while it pings', async () => {
  upstream.script(({ response, event }) => {
    response.writeHead(200)
    event('message_start', { message: message([]) })
    event('content_block_start', {
      index: 0,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    })
    const timer = setInterval(() => event('ping'), 30)
    response.on('close', () => clearInterval(timer))
    setTimeout(() => {
      event('content_block_delta', { index: 0, delta: { type: 'signature_delta', signature: 's' } })
      event('content_block_stop', { index: 0 })
      event('content_block_start', { index: 1, content_block: { type: 'text', text: 'At last.' } })
    }, 600)
  })
  const came: string[] = []
  const reading = ask(provider(), { stream: true }).then(async (answer) => {
    if (answer.kind === 'stream') for await (const batch of answer.events) came.push(...batch)
  })
  // Once it writes, pings alone are silence again.
  expect(await faultOf(reading)).toEqual(['timeout', undefined])
  expect(came.at(-1)).toContain('At last.')
})

test('a stream that takes too long to begin is a timeout, and nobody at the address is unavailable', async () => {
  upstream.script(() => {})
  expect(await faultOf(ask(provider({ firstByteMs: 100 }), { stream: true }))).toEqual(['timeout', undefined])
  expect((await faultOf(ask(provider({ baseUrl: 'http://127.0.0.1:1' }))))[0]).toBe('unavailable')
})
