import { afterAll, beforeAll, expect, test } from 'vitest'
import { buy } from '../support/pay.ts'
import { everyField, everyTurn } from '../support/requests.ts'
import { chunk, goodAnswer } from '../support/upstream.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** Buys an answer and returns what the provider was asked. */
const forwarded = async (body: Record<string, unknown>, headers?: Record<string, string>) => {
  world.upstream.script(goodAnswer)
  const response = await buy(world.chat, await world.payer(), body, headers)
  expect(response.status).toBe(200)
  await response.text()
  return world.upstream.seen.at(-1)!
}
const small = (more: Record<string, unknown> = {}) => ({
  model: 'test/small',
  messages: [{ role: 'user', content: 'hi' }],
  ...more,
})

test('every field reaches the provider with exactly the value it was sent with, but for the name of the model', async () => {
  const { body } = await forwarded(everyField)
  expect(body).toEqual({ ...everyField, model: 'upstream-model' })
})

test('a stream asks for its usage, and keeps its other options', async () => {
  const { body } = await forwarded({
    ...everyField,
    stream: true,
    stream_options: { include_obfuscation: false },
  })
  expect(body).toEqual({
    ...everyField,
    model: 'upstream-model',
    stream: true,
    stream_options: { include_obfuscation: false, include_usage: true },
  })
})

test('a conversation with tool calls, reasoning, annotations and refusals goes out as it came', async () => {
  const { body } = await forwarded({ ...small(), messages: everyTurn, max_tokens: 20 })
  expect(body['messages']).toEqual(everyTurn)
})

test.each([
  ['none was given', {}, { max_tokens: 1000 }],
  ['it was null', { max_tokens: null }, { max_tokens: 1000 }],
  ['max_tokens was given', { max_tokens: 7 }, { max_tokens: 7 }],
  ['max_completion_tokens was given', { max_completion_tokens: 7 }, { max_completion_tokens: 7 }],
  [
    'both were given, and a host might hear the other one',
    { max_completion_tokens: 7, max_tokens: 9 },
    { max_completion_tokens: 7, max_tokens: 7 },
  ],
])('output is always capped by what was quoted: %s', async (_, asked, sent) => {
  const { body } = await forwarded(small(asked))
  expect(body).toEqual({ ...small(), model: 'upstream-model', ...sent })
})

test('what steers the router is not the provider’s business', async () => {
  const { body } = await forwarded(
    small({
      max_tokens: 5,
      models: ['test/large'],
      provider: { order: ['up'], max_price: { prompt: 5 } },
      max_price_usd: '0.05',
    }),
  )
  expect(body).toEqual(small({ model: 'upstream-model', max_tokens: 5 }))
})

test('no header of the caller reaches the provider', async () => {
  const { headers } = await forwarded(small(), {
    authorization: 'Bearer of-the-caller',
    'openai-organization': 'org-x',
    cookie: 'a=b',
    'x-forwarded-for': '10.0.0.1',
    'user-agent': 'caller/1',
    'accept-encoding': 'gzip',
    'idempotency-key': 'k',
  })
  expect(Object.keys(headers).toSorted()).toEqual([
    'accept-encoding',
    'connection',
    'content-length',
    'content-type',
    'host',
  ])
  expect(headers['accept-encoding']).toBe('identity')
  expect(JSON.stringify(headers)).not.toMatch(/caller|org-x|10\.0/)
})

test('a stream comes back event by event as the provider wrote it', async () => {
  const events = [
    {
      ...chunk({ role: 'assistant', content: '' }),
      system_fingerprint: 'fp_1',
      'x-unknown': { a: [1, 2.5e-7, null] },
    },
    chunk({ content: 'é 🙂 \u2028 "' }),
    {
      ...chunk({ tool_calls: [{ index: 0, id: 'call_1', function: { name: 'f', arguments: '{' } }] }),
      logprobs: null,
    },
    chunk({}, 'tool_calls'),
  ]
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events) write(event)
    response.end('data: [DONE]\n\n')
  })
  const response = await buy(world.chat, await world.payer(), small({ stream: true }))
  const lines = (await response.text()).split('\n\n').filter((line) => line.startsWith('data: {'))
  expect(lines).toEqual(events.map((event) => `data: ${JSON.stringify(event)}`))
})

test('a JSON answer comes back byte by byte as the provider wrote it', async () => {
  const text =
    '{ "id":"x", "choices":[ {"index":0,"message":{"role":"assistant","content":"\\u00e9 hi"},"finish_reason":"stop","n":1.0} ],"extra":null }\n'
  world.upstream.script(
    ({ response }) => void response.writeHead(200, { 'content-type': 'application/json' }).end(text),
  )
  const response = await buy(world.chat, await world.payer(), small())
  expect(await response.text()).toBe(text)
})
