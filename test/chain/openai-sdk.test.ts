import { ExactEvmScheme } from '@x402/evm'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import OpenAI from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions'
import type { ResponseInput } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type PayingFetch, payingFetch } from '../../src/client/index.ts'
import { agentAnswer, CELSIUS, vectorOf } from '../support/agent-upstream.ts'
import {
  type AnthropicUpstream,
  message,
  saying,
  startAnthropicUpstream,
} from '../support/anthropic-upstream.ts'
import { CHAIN_ID, startWorld, type World } from '../support/world.ts'

const CLAUDE =
  '  - { id: test/claude, hosts: [{ provider: claude, model: claude-sonnet-4-6 }], inputPerMillion: "1", outputPerMillion: "2", context: 200000, maxOutput: 8000 }'

let world: World
let claude: AnthropicUpstream
beforeAll(async () => {
  claude = await startAnthropicUpstream()
  world = await startWorld({
    providers: `  - { id: claude, type: anthropic, baseUrl: "${claude.url}", firstByteMs: 2000, idleMs: 2000 }`,
    extra: `${EMBEDDER}\n${CLAUDE}`,
  })
  world.upstream.script(agentAnswer)
})
afterAll(async () => {
  await world?.close()
  await claude?.close()
})

const NETWORK = `eip155:${CHAIN_ID}` as const
const EMBEDDER =
  '  - { id: test/embed, kind: embedding, hosts: [{ provider: up, model: upstream-embed }], inputPerMillion: "1", outputPerMillion: "0", context: 8000 }'

let pay: PayingFetch
let client: OpenAI
beforeEach(async () => {
  const wallet = await world.payer()
  const assets = [{ chain: NETWORK, address: world.token, decimals: 6, symbol: 'USDC' }]
  pay = payingFetch({ wallet, policy: { assets } })
  client = new OpenAI({ apiKey: 'unused', baseURL: `${world.farebox.url}/v1`, fetch: pay, maxRetries: 0 })
})
/** The receipt of the last call holds, and says this. */
const paid = (says: Record<string, unknown> = {}) =>
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { outcome: 'served', ...says } },
  })
/** Nobody waits for a stream that nobody reads on. */
const receiptCame = async () => {
  for (let i = 0; i < 100 && !pay.lastReceipt; i++) await new Promise((resolve) => setTimeout(resolve, 20))
}

const model = 'test/small'
const weather = (city: string) => `${city} ${CELSIUS[city]}`
const tool = {
  type: 'function' as const,
  name: 'weather',
  description: 'Celsius in a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
}

test('a response is bought like any other call', async () => {
  const answer = await client.responses.create({ model, input: 'Say hello.', max_output_tokens: 50 })
  expect(answer).toMatchObject({
    status: 'completed',
    output_text: 'Hello there',
    model,
    usage: { input_tokens: 10, output_tokens: 2, total_tokens: 12 },
  })
  paid({ charged: '14', inputTokens: 10, outputTokens: 2 })
})

test('a streamed response is bought, and its receipt holds over every byte', async () => {
  const stream = client.responses.stream({ model, input: 'Say hello.', max_output_tokens: 50 })
  let text = ''
  for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
  expect(text).toBe('Hello there')
  expect(await stream.finalResponse()).toMatchObject({ status: 'completed', output_text: 'Hello there' })
  paid({ charged: '14' })
})

test('an agent that reads up to the last event only still gets its receipt', async () => {
  const stream = await client.responses.create({
    model,
    input: 'Say hello.',
    stream: true,
    max_output_tokens: 50,
  })
  for await (const event of stream) if (event.type === 'response.completed') break
  await receiptCame()
  paid({ charged: '14' })
})

test.each([false, true])('a loop of tools runs over responses; streamed: %s', async (stream) => {
  const input: ResponseInput = [{ role: 'user', content: 'Weather in Oslo and Bergen? Think.' }]
  let steps = 0
  for (;;) {
    const asked = { model, input, tools: [tool], store: false, max_output_tokens: 100 }
    const answer = stream
      ? await client.responses.stream(asked).finalResponse()
      : await client.responses.create(asked)
    paid()
    steps++
    const calls = answer.output.filter((item) => item.type === 'function_call')
    // What was thought, as it came: the provider refuses a step without the thoughts before it.
    input.push(...(answer.output as ResponseInput))
    if (calls.length === 0) {
      expect([answer.output_text, steps]).toEqual(['Oslo 7 and Bergen 9', 3])
      return
    }
    for (const call of calls) {
      if (call.type !== 'function_call') continue
      const { city } = JSON.parse(call.arguments) as { city: string }
      input.push({ type: 'function_call_output', call_id: call.call_id, output: weather(city) })
    }
  }
})

test.each([false, true])(
  'what Claude thought and said goes back to it block by block; streamed: %s',
  async (stream) => {
    const blocks = [
      { type: 'thinking', thinking: 'First this.', signature: 'one' },
      { type: 'redacted_thinking', data: 'hidden' },
      { type: 'text', text: 'I look.' },
      { type: 'thinking', thinking: 'Then that.', signature: 'two' },
      { type: 'text', text: 'And there.' },
      { type: 'tool_use', id: 'toolu_0', name: 'weather', input: { city: 'Oslo' } },
    ]
    claude.script(
      saying(message(blocks, { stop_reason: 'tool_use', usage: { input_tokens: 30, output_tokens: 40 } })),
    )
    const input: ResponseInput = [{ role: 'user', content: 'Weather in Oslo?' }]
    const asked = {
      model: 'test/claude',
      input,
      tools: [tool],
      reasoning: { effort: 'low' as const, summary: 'auto' as const },
      max_output_tokens: 4000,
    }
    const answer = stream
      ? await client.responses.stream(asked).finalResponse()
      : await client.responses.create(asked)
    paid({ outputTokens: 40 })
    const thought = answer.output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
    expect(thought.map(({ text }) => text).join(' ')).toContain('First this.')
    input.push(...(answer.output as ResponseInput))
    input.push({ type: 'function_call_output', call_id: 'toolu_0', output: weather('Oslo') })
    claude.script(saying(message([{ type: 'text', text: 'Oslo 7' }])))
    expect((await client.responses.create(asked)).output_text).toBe('Oslo 7')
    expect(claude.seen.at(-1)?.body['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: blocks },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_0' }] },
    ])
  },
)

test('an answer in a schema, and the arguments of a tool, are parsed', async () => {
  const place = z.object({ city: z.string(), celsius: z.number() })
  const answer = await client.responses.parse({
    model,
    input: 'Oslo?',
    text: { format: zodTextFormat(place, 'place') },
    max_output_tokens: 100,
  })
  expect(answer.output_parsed).toEqual({ city: 'Oslo', celsius: 7 })
  paid()
  const called = await client.responses.parse({
    model,
    input: 'Weather?',
    tools: [zodResponsesFunction({ name: 'weather', parameters: z.object({ city: z.string() }) })],
    max_output_tokens: 100,
  })
  expect(called.output[0]).toMatchObject({ type: 'function_call', parsed_arguments: { city: 'Oslo' } })
  // As it came back from the parser, it can be sent again.
  const output = called.output as ResponseInput
  const input: ResponseInput = [
    { role: 'user', content: 'Weather?' },
    ...output,
    { type: 'function_call_output', call_id: 'call_0', output: weather('Oslo') },
  ]
  expect(
    (await client.responses.create({ model, input, tools: [tool], max_output_tokens: 100 })).output[0],
  ).toMatchObject({
    arguments: '{"city":"Bergen"}',
  })
})

test('a response that its provider breaks off throws, and what came is what is charged', async () => {
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write({ choices: [{ index: 0, delta: { content: 'Hel' } }] })
    setTimeout(() => response.destroy(), 20)
  })
  const stream = client.responses.stream({ model, input: 'Say hello.', max_output_tokens: 50 })
  await expect(stream.finalResponse()).rejects.toThrow('broke off')
  world.upstream.script(agentAnswer)
  await receiptCame()
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { outcome: 'partial' } },
  })
})

test.each([
  ['store', { store: true }, 'no answer is kept here'],
  ['previous_response_id', { previous_response_id: 'resp_1' }, 'send the whole conversation'],
  ['input.0.type', { input: [{ type: 'item_reference', id: 'msg_1' }] }, 'send the item itself'],
  [
    'input.0.content.0.type',
    { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] },
    'input_image',
  ],
  ['input.0.surprise', { input: [{ role: 'user', content: 'Hi', surprise: 1 }] }, 'Unknown parameter'],
  ['tools.0.type', { tools: [{ type: 'web_search' }] }, 'only function and custom tools'],
])('%s is refused by name before anybody pays, with what to do', async (param, more, words) => {
  const asked = { model, input: 'Hi', ...more } as Parameters<typeof client.responses.create>[0]
  const refused = await client.responses.create(asked).then(
    () => 'taken',
    (error: unknown) => error,
  )
  expect(refused).toMatchObject({ status: 400, param })
  expect(String(refused)).toContain(words)
  expect(pay.spending()).toMatchObject({ spent: 0n })
})

test('a loop of tools runs over chat completions', async () => {
  const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: 'Weather in Oslo and Bergen?' }]
  const { type, ...described } = tool
  for (let steps = 1; ; steps++) {
    const answer = await client.chat.completions.create({
      model,
      messages,
      tools: [{ type, function: described }],
      max_tokens: 100,
    })
    paid()
    const { message } = answer.choices[0]!
    messages.push(message)
    if (!message.tool_calls) {
      expect([message.content, steps]).toEqual(['Oslo 7 and Bergen 9', 3])
      return
    }
    for (const call of message.tool_calls) {
      if (call.type !== 'function') continue
      const { city } = JSON.parse(call.function.arguments) as { city: string }
      messages.push({ role: 'tool', tool_call_id: call.id, content: weather(city) })
    }
  }
})

test("the SDK's own runner of tools buys every step", async () => {
  const { type, ...described } = tool
  const run = async ({ city }: { city: string }) => weather(city)
  const tools = [{ type, function: { ...described, function: run, parse: JSON.parse } }]
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: 'user', content: 'Weather in Oslo and Bergen?' }],
    tools: tools as never,
    stream: true,
    max_tokens: 100,
  })
  expect(await runner.finalContent()).toBe('Oslo 7 and Bergen 9')
  paid()
})

test('any x402 client buys at these doors, ours is not needed', async () => {
  const payer = new x402Client().register(NETWORK, new ExactEvmScheme(await world.payer()))
  payer.setSpendControls({ allowedAssets: [{ network: NETWORK, asset: world.token }] })
  const baseURL = `${world.farebox.url}/v1`
  const openai = new OpenAI({
    apiKey: 'unused',
    baseURL,
    fetch: wrapFetchWithPayment(fetch, payer),
    maxRetries: 0,
  })
  const answer = await openai.responses.create({ model, input: 'Say hello.', max_output_tokens: 50 })
  expect(answer.output_text).toBe('Hello there')
  const vectors = await openai.embeddings.create({ model: 'test/embed', input: 'Oslo' })
  expect([...vectors.data[0]!.embedding]).toEqual(vectorOf('Oslo'))
})

test('vectors are bought as the SDK asks for them, and only the input is charged', async () => {
  const input = ['Oslo', 'Bergen']
  const packed = await client.embeddings.create({ model: 'test/embed', input })
  expect(packed.data.map((one) => [...one.embedding])).toEqual(input.map(vectorOf))
  expect(world.upstream.seen.at(-1)).toMatchObject({
    url: '/v1/embeddings',
    body: { encoding_format: 'base64' },
  })
  paid({ charged: '5', inputTokens: 5, outputTokens: 0 })
  const plain = await client.embeddings.create({ model: 'test/embed', input, encoding_format: 'float' })
  expect(plain.data.map((one) => one.embedding)).toEqual(input.map(vectorOf))
  paid({ charged: '5' })
  const tokens = await client.embeddings.create({
    model: 'test/embed',
    input: [1, 2, 3],
    encoding_format: 'float',
  })
  expect(tokens.data).toHaveLength(1)
  expect(world.upstream.seen.at(-1)!.body['input']).toEqual([1, 2, 3])
})

test('an answer without vectors is a failed attempt, and costs nothing', async () => {
  world.upstream.script(({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"object":"list","data":[],"usage":{"prompt_tokens":5}}')
  })
  const failed = client.embeddings.create({ model: 'test/embed', input: 'Oslo' })
  await expect(failed).rejects.toMatchObject({ status: 502, code: 'upstream_failed' })
  world.upstream.script(agentAnswer)
})

test('a model of chat makes no vectors, and a model of vectors no chat', async () => {
  const vectors = client.embeddings.create({ model, input: 'Oslo' })
  await expect(vectors).rejects.toMatchObject({
    status: expect.toSatisfy((status) => status === 400 || status === 404),
  })
  const chat = client.responses.create({ model: 'test/embed', input: 'Oslo' })
  await expect(chat).rejects.toMatchObject({
    status: expect.toSatisfy((status) => status === 400 || status === 404),
  })
})

test('every door has its price, without asking for an answer', async () => {
  const quote = async (path: string, body: object) => {
    const reply = await fetch(`${world.farebox.url}/v1/quote?for=${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return ((await reply.json()) as { accepts: { amount: string }[] }).accepts[0]!.amount
  }
  const asked = { model, input: 'Say hello.', max_output_tokens: 50 }
  const chat = { model, messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 50 }
  expect(await quote('/v1/responses', asked)).toBe(await quote('/v1/chat/completions', chat))
  expect(BigInt(await quote('/v1/embeddings', { model: 'test/embed', input: 'Oslo' }))).toBeGreaterThan(0n)
})
