import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  type EmbeddingModel,
  embed,
  embedMany,
  generateObject,
  generateText,
  isStepCount,
  type LanguageModel,
  type ModelMessage,
  Output,
  streamText,
  tool,
} from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type PayingFetch, payingFetch } from '../../src/client/index.ts'
import { agentAnswer, CELSIUS, vectorOf } from '../support/agent-upstream.ts'
import { CHAIN_ID, startWorld, type World } from '../support/world.ts'

const EMBEDDER =
  '  - { id: test/embed, kind: embedding, hosts: [{ provider: up, model: upstream-embed }], inputPerMillion: "1", outputPerMillion: "0", context: 8000 }'

let world: World
beforeAll(async () => {
  world = await startWorld({ extra: EMBEDDER })
  world.upstream.script(agentAnswer)
  ;(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false
})
afterAll(() => world?.close())

let pay: PayingFetch
let before = 0
beforeEach(async () => {
  const wallet = await world.payer()
  const assets = [{ chain: `eip155:${CHAIN_ID}` as const, address: world.token, decimals: 6, symbol: 'USDC' }]
  pay = payingFetch({ wallet, policy: { assets } })
  before = world.upstream.seen.length
})

const MODEL = 'test/small'
const base = () => ({ apiKey: 'unused', baseURL: `${world.farebox.url}/v1`, fetch: pay })
const compatible = () =>
  createOpenAICompatible({ name: 'farebox', supportsStructuredOutputs: true, includeUsage: true, ...base() })
const DOORS: Record<string, (id?: string) => LanguageModel> = {
  'responses of @ai-sdk/openai': (id = MODEL) => createOpenAI(base())(id),
  'chat of @ai-sdk/openai': (id = MODEL) => createOpenAI(base()).chat(id),
  '@ai-sdk/openai-compatible': (id = MODEL) => compatible()(id),
  '@ai-sdk/anthropic': (id = MODEL) => createAnthropic(base())(id),
}

const weather = tool({
  description: 'Celsius in a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city} ${CELSIUS[city]}`,
})
const place = z.object({ city: z.string(), celsius: z.number() })
const ask = (model: LanguageModel, prompt: string) => ({ model, prompt, maxOutputTokens: 100, maxRetries: 0 })
/** Every call was paid for by a receipt that holds, and the provider saw so many. */
const bought = (calls: number) => {
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { outcome: 'served' } },
  })
  expect(pay.spending()).toMatchObject({ reserved: 0n })
  expect(world.upstream.seen.length - before).toBe(calls)
}

describe.each(Object.entries(DOORS))('%s', (_name, model) => {
  test('buys a text', async () => {
    const { text, usage, finishReason } = await generateText(ask(model(), 'Say hello.'))
    expect([text, usage.inputTokens, usage.outputTokens, finishReason]).toEqual([
      'Hello there',
      10,
      2,
      'stop',
    ])
    bought(1)
  })

  test('buys a stream', async () => {
    const stream = streamText(ask(model(), 'Say hello.'))
    let text = ''
    for await (const piece of stream.textStream) text += piece
    expect([text, await stream.finishReason, (await stream.usage).outputTokens]).toEqual([
      'Hello there',
      'stop',
      2,
    ])
    bought(1)
  })

  test('runs a loop of tools over several paid calls', async () => {
    const asked = {
      ...ask(model(), 'Weather in Oslo and Bergen?'),
      tools: { weather },
      stopWhen: isStepCount(5),
    }
    const { text, steps } = await generateText(asked)
    expect([text, steps.length]).toEqual(['Oslo 7 and Bergen 9', 3])
    bought(3)
  })

  test('runs the same loop streamed', async () => {
    const asked = {
      ...ask(model(), 'Weather in Oslo and Bergen?'),
      tools: { weather },
      stopWhen: isStepCount(5),
    }
    const stream = streamText(asked)
    expect([await stream.text, (await stream.steps).length]).toEqual(['Oslo 7 and Bergen 9', 3])
    bought(3)
  })

  test('buys an object of a schema', async () => {
    const { object } = await generateObject({ ...ask(model(), 'Oslo?'), schema: place })
    expect(object).toEqual({ city: 'Oslo', celsius: 7 })
    const { output } = await generateText({
      ...ask(model(), 'Oslo?'),
      output: Output.object({ schema: place }),
    })
    expect(output).toEqual({ city: 'Oslo', celsius: 7 })
    const streamed = streamText({ ...ask(model(), 'Oslo?'), output: Output.object({ schema: place }) })
    const parts: unknown[] = []
    for await (const part of streamed.partialOutputStream) parts.push(part)
    expect(parts.at(-1)).toEqual({ city: 'Oslo', celsius: 7 })
    bought(3)
  })

  test('is told why, and pays nothing, when there is no such model', async () => {
    await expect(generateText(ask(model('test/none'), 'Hi'))).rejects.toMatchObject({ statusCode: 404 })
    expect(pay.spending()).toMatchObject({ spent: 0n })
  })
})

test.each([false, true])(
  'thoughts go along from step to step over responses; streamed: %s',
  async (streamed) => {
    const asked = {
      ...ask(createOpenAI(base())(MODEL), 'Weather in Oslo and Bergen? Think.'),
      tools: { weather },
      stopWhen: isStepCount(5),
      // Nothing is kept here, so the SDK sends what it has.
      providerOptions: { openai: { store: false } },
    }
    const text = streamed ? await streamText(asked).text : (await generateText(asked)).text
    expect(text).toBe('Oslo 7 and Bergen 9')
    bought(3)
  },
)

test('a conversation over responses goes on once the SDK knows that nothing is kept', async () => {
  const model = createOpenAI(base())(MODEL)
  const first = await generateText(ask(model, 'Say hello.'))
  const messages: ModelMessage[] = [
    { role: 'user', content: 'Say hello.' },
    ...first.response.messages,
    { role: 'user', content: 'Again.' },
  ]
  const more = { model, messages, maxOutputTokens: 100, maxRetries: 0 }
  await expect(generateText(more)).rejects.toMatchObject({
    statusCode: 400,
    message: expect.stringContaining('providerOptions.openai.store = false'),
  })
  expect(world.upstream.seen.length - before).toBe(1)
  await generateText({ ...more, providerOptions: { openai: { store: false } } })
  expect(world.upstream.seen.at(-1)?.body['messages']).toMatchObject([
    { role: 'user' },
    { role: 'assistant', content: 'Hello there' },
    { role: 'user' },
  ])
  bought(2)
})

test.each<[string, () => EmbeddingModel]>([
  ['@ai-sdk/openai', () => createOpenAI(base()).embedding('test/embed')],
  ['@ai-sdk/openai-compatible', () => compatible().embeddingModel('test/embed')],
])('%s buys vectors', async (_name, model) => {
  const { embedding, usage } = await embed({ model: model(), value: 'Oslo', maxRetries: 0 })
  expect([embedding, usage.tokens]).toEqual([vectorOf('Oslo'), 5])
  const { embeddings } = await embedMany({ model: model(), values: ['Oslo', 'Bergen'], maxRetries: 0 })
  expect(embeddings).toEqual([vectorOf('Oslo'), vectorOf('Bergen')])
  bought(2)
})
