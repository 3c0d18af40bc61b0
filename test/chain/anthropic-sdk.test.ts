import Anthropic, {
  APIError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PaymentRequiredError,
} from '@anthropic-ai/sdk'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type PayingFetch, payingFetch } from '../../src/client/index.ts'
import { agentAnswer, CELSIUS } from '../support/agent-upstream.ts'
import {
  type AnthropicUpstream,
  agentMessage,
  message,
  saying,
  startAnthropicUpstream,
} from '../support/anthropic-upstream.ts'
import { chunk } from '../support/upstream.ts'
import { CHAIN_ID, startWorld, type World } from '../support/world.ts'

let world: World
let claude: AnthropicUpstream
beforeAll(async () => {
  claude = await startAnthropicUpstream()
  world = await startWorld({
    providers: `  - { id: claude, type: anthropic, baseUrl: "${claude.url}", firstByteMs: 2000, idleMs: 2000 }`,
    extra:
      '  - { id: test/claude, hosts: [{ provider: claude, model: claude-sonnet-4-6 }], inputPerMillion: "1", outputPerMillion: "2", context: 200000, maxOutput: 8000 }',
  })
})
afterAll(async () => {
  await world?.close()
  await claude?.close()
})

let pay: PayingFetch
let client: Anthropic
beforeEach(async () => {
  world.upstream.script(agentAnswer)
  claude.script(agentMessage)
  const wallet = await world.payer()
  const assets = [{ chain: `eip155:${CHAIN_ID}` as const, address: world.token, decimals: 6, symbol: 'USDC' }]
  pay = payingFetch({ wallet, policy: { assets } })
  client = new Anthropic({ apiKey: 'unused', baseURL: world.farebox.url, fetch: pay, maxRetries: 0 })
})
/** The receipt of the last call holds, and says this. */
const paid = (says: Record<string, unknown> = {}) =>
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { outcome: 'served', ...says } },
  })
const receiptCame = async () => {
  for (let i = 0; i < 100 && !pay.lastReceipt; i++) await new Promise((resolve) => setTimeout(resolve, 20))
}
const thrown = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'answered',
    (error: unknown) => error,
  )

const messages = [{ role: 'user' as const, content: 'Say hello.' }]
const weather: Anthropic.Tool = {
  name: 'weather',
  description: 'Celsius in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

describe.each([
  ['a host of the OpenAI kind', 'test/small'],
  ['a host of the Anthropic kind', 'test/claude'],
])('over %s', (_, model) => {
  test('a message is bought', async () => {
    const answer = await client.messages.create({ model, max_tokens: 50, messages })
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model,
      content: [{ type: 'text', text: 'Hello there' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 10, output_tokens: 2 },
    })
    expect(answer.id).toMatch(/^msg_/)
    paid({ charged: '14', inputTokens: 10, outputTokens: 2 })
  })

  test('a streamed message is bought, and its receipt holds over every byte', async () => {
    const stream = client.messages.stream({ model, max_tokens: 50, messages })
    let text = ''
    stream.on('text', (piece) => {
      text += piece
    })
    expect(await stream.finalMessage()).toMatchObject({
      content: [{ type: 'text', text: 'Hello there' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 10, output_tokens: 2 },
    })
    expect(text).toBe('Hello there')
    paid({ charged: '14' })
  })

  test('an agent that reads up to the last event only still gets its receipt', async () => {
    const stream = await client.messages.create({ model, max_tokens: 50, messages, stream: true })
    for await (const event of stream) if (event.type === 'message_stop') break
    await receiptCame()
    paid({ charged: '14' })
  })

  test.each([false, true])('a loop of tools runs, thoughts and all; streamed: %s', async (stream) => {
    const history: Anthropic.MessageParam[] = [
      { role: 'user', content: 'Weather in Oslo and Bergen? Think.' },
    ]
    for (let steps = 1; ; steps++) {
      const asked = {
        model,
        max_tokens: 900,
        messages: history,
        tools: [weather],
        thinking: { type: 'adaptive' as const },
      }
      const answer = stream
        ? await client.messages.stream(asked).finalMessage()
        : await client.messages.create(asked)
      paid()
      expect(answer.content[0]).toEqual({
        type: 'thinking',
        thinking: `Step ${steps - 1}.`,
        signature: `signed-${steps - 1}`,
      })
      // What was thought, as it came: the host refuses a step without the thoughts before it.
      history.push({ role: 'assistant', content: answer.content as Anthropic.ContentBlockParam[] })
      const calls = answer.content.filter((block) => block.type === 'tool_use')
      if (calls.length === 0) {
        expect(answer.content.at(-1)).toMatchObject({ type: 'text', text: 'Oslo 7 and Bergen 9' })
        expect([answer.stop_reason, steps]).toEqual(['end_turn', 3])
        return
      }
      expect(answer.stop_reason).toBe('tool_use')
      const results = calls.map(({ id, input }) => {
        const { city } = input as { city: string }
        return { type: 'tool_result' as const, tool_use_id: id, content: `${city} ${CELSIUS[city]}` }
      })
      history.push({ role: 'user', content: results })
    }
  })

  test('an answer in a schema is parsed', async () => {
    const place = z.object({ city: z.string(), celsius: z.number() })
    const answer = await client.messages.parse({
      model,
      max_tokens: 100,
      messages,
      output_config: { format: zodOutputFormat(place) },
    })
    expect(answer.parsed_output).toEqual({ city: 'Oslo', celsius: 7 })
    paid()
  })

  test('tokens are counted for nothing, and as the quote counts them', async () => {
    const before = world.upstream.seen.length + claude.seen.length
    const { input_tokens } = await client.messages.countTokens({
      model,
      messages,
      system: 'Be brief.',
      tools: [weather],
    })
    expect(input_tokens).toBeGreaterThan(20)
    expect(input_tokens).toBeLessThan(150)
    expect(world.upstream.seen.length + claude.seen.length).toBe(before)
    expect(pay.spending().spent).toBe(0n)
  })
})

test('a stream that its host breaks off throws in the SDK, and what came is receipted', async () => {
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'Hel' }))
    setTimeout(() => response.destroy(), 20)
  })
  claude.script(({ response, event }) => {
    response.writeHead(200)
    event('message_start', { message: message([]) })
    event('content_block_start', { index: 0, content_block: { type: 'text', text: 'Hel' } })
    event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })
    response.end()
  })
  for (const model of ['test/small', 'test/claude']) {
    const error = await thrown(client.messages.stream({ model, max_tokens: 50, messages }).finalMessage())
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ type: 'api_error', error: { error: { code: 'stream_broken' } } })
    expect(pay.lastReceipt).toMatchObject({ ok: true, signed: { receipt: { outcome: 'partial' } } })
  }
})

test('errors are those of the SDK, with what to do next', async () => {
  const asked = { model: 'test/small', max_tokens: 50, messages }
  const poor = new Anthropic({ apiKey: 'unused', baseURL: world.farebox.url, maxRetries: 0 })
  const unpaid = await thrown(poor.messages.create(asked))
  expect(unpaid).toBeInstanceOf(PaymentRequiredError)
  expect(unpaid).toMatchObject({ status: 402, error: { type: 'error', error: { code: 'payment_required' } } })
  expect(await thrown(client.messages.create({ ...asked, model: 'no/such' }))).toBeInstanceOf(NotFoundError)
  const strange = await thrown(client.messages.create({ ...asked, container: 'c' }))
  expect(strange).toBeInstanceOf(BadRequestError)
  expect(strange).toMatchObject({ type: 'invalid_request_error', error: { error: { param: 'container' } } })
  expect(await thrown(client.messages.countTokens({ model: 'no/such', messages }))).toBeInstanceOf(
    NotFoundError,
  )
  claude.script(({ response }) => {
    const error = { type: 'overloaded_error', message: 'Overloaded' }
    response.writeHead(529).end(JSON.stringify({ type: 'error', error }))
  })
  const failed = await thrown(client.messages.create({ ...asked, model: 'test/claude' }))
  expect(failed).toBeInstanceOf(InternalServerError)
  expect(failed).toMatchObject({ error: { type: 'error' } })
})

test('what no host of a model can do is refused before anything is paid, in words', async () => {
  const asked = { model: 'test/claude', max_tokens: 50, response_format: { type: 'json_object' }, messages }
  const response = await pay(world.chat, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asked),
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { message: expect.stringMatching(/json_object/) } })
  expect(pay.spending().spent).toBe(0n)
  const wrongWay = await fetch(`${world.farebox.url}/v1/messages`)
  expect([wrongWay.status, await wrongWay.json()]).toMatchObject([405, { type: 'error', error: {} }])
})

test("the SDK's beta methods come in by the same door", async () => {
  const answer = await client.beta.messages.create({
    model: 'test/claude',
    max_tokens: 50,
    messages,
    betas: ['x-1'],
  })
  expect(answer.content).toMatchObject([{ type: 'text', text: 'Hello there' }])
  paid()
})

test('a host of the one kind stands in for one of the other', async () => {
  claude.script(({ response }) => {
    const error = { type: 'overloaded_error', message: 'Overloaded' }
    response.writeHead(529).end(JSON.stringify({ type: 'error', error }))
  })
  const asked = { model: 'test/claude', models: ['test/small'], max_tokens: 50, messages }
  const answer = await client.messages.create(asked as Anthropic.MessageCreateParamsNonStreaming)
  expect(answer).toMatchObject({ model: 'test/small', content: [{ type: 'text', text: 'Hello there' }] })
  paid({ modelAnswered: 'test/small' })
})

test('what went into a cache and came from one is told, and is billed as input', async () => {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 30,
    output_tokens: 2,
  }
  claude.script(saying(message([{ type: 'text', text: 'Hello there' }], { usage })))
  const system = [
    { type: 'text' as const, text: 'Be brief. '.repeat(20), cache_control: { type: 'ephemeral' as const } },
  ]
  const answer = await client.messages.create({ model: 'test/claude', max_tokens: 50, system, messages })
  expect(answer.usage).toMatchObject(usage)
  expect(claude.seen.at(-1)!.body['system']).toEqual(system)
  paid({ inputTokens: 60, outputTokens: 2 })
})

test('an answer of Anthropic is bought at the door of chat, thoughts included', async () => {
  claude.script(
    saying(
      message([
        { type: 'thinking', thinking: 'Hm.', signature: 's' },
        { type: 'text', text: 'Hello' },
      ]),
    ),
  )
  const body = { model: 'test/claude', max_tokens: 50, reasoning_effort: 'low', messages }
  const response = await pay(world.chat, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(await response.json()).toMatchObject({
    object: 'chat.completion',
    choices: [
      {
        message: {
          content: 'Hello',
          reasoning_content: 'Hm.',
          reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', signature: 's' }],
        },
        finish_reason: 'stop',
      },
    ],
  })
  expect(claude.seen.at(-1)!.body).toMatchObject({
    thinking: { type: 'adaptive', display: 'summarized' },
    output_config: { effort: 'low' },
  })
  paid()
})
