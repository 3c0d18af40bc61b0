import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { answerOf } from '../../src/providers/gemini/answer.ts'
import { geminiProvider } from '../../src/providers/gemini.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { askOf, faultOf, fixture, readOf, says } from './reading.ts'

let upstream: Upstream
let provider: Provider
beforeEach(async () => {
  upstream = await startUpstream()
  upstream.script(says('gemini/text.json'))
  const clock: Clock = { now: () => 1_700_000_000_000, sleep: async () => {} }
  provider = geminiProvider({
    id: 'up',
    baseUrl: upstream.url.replace('/v1', '/v1beta/'),
    key: 'AIza',
    clock,
    firstByteMs: 2_000,
    idleMs: 2_000,
  })
})
afterEach(async () => {
  await provider.close()
  await upstream.close()
})

// https://ai.google.dev/api/generate-content: any other name is refused
const KNOWN = new Set(
  'contents systemInstruction tools toolConfig generationConfig role parts text thought thoughtSignature inlineData mimeType data functionCall functionResponse id name args response functionDeclarations description parametersJsonSchema functionCallingConfig mode allowedFunctionNames maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty candidateCount stopSequences responseMimeType responseJsonSchema thinkingConfig includeThoughts thinkingBudget thinkingLevel'.split(
    ' ',
  ),
)
const FREE = ['args', 'response', 'parametersJsonSchema', 'responseJsonSchema']
const strangers = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(strangers)
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(KNOWN.has(key) ? [] : [key]),
    ...(FREE.includes(key) ? [] : strangers(inner)),
  ])
}

/** What Google is sent for a request. */
const sent = async (more: Record<string, unknown> = {}, model = 'gemini-2.5-flash') => {
  await provider.ask(askOf(more, { model }))
  const { body } = upstream.seen.at(-1)!
  expect(strangers(body)).toEqual([])
  return body
}
const config = async (more: Record<string, unknown>, model?: string) =>
  (await sent(more, model))['generationConfig'] as Record<string, unknown>
const HELLO = { role: 'user', parts: [{ text: 'Say hello.' }] }
const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'Weather',
    parameters: { type: 'object', properties: { city: {} } },
  },
}

describe('the question', () => {
  test('goes to the model’s own path, with the key in its own header', async () => {
    const body = await sent()
    expect(body).toEqual({
      contents: [HELLO],
      generationConfig: { maxOutputTokens: 77, thinkingConfig: { includeThoughts: true } },
    })
    expect(upstream.seen[0]!.url).toBe('/v1beta/models/gemini-2.5-flash:generateContent')
    expect(upstream.seen[0]!.headers['x-goog-api-key']).toBe('AIza')
    expect(upstream.seen[0]!.headers.authorization).toBeUndefined()
    upstream.script(says('gemini/text.sse'))
    await provider.ask(askOf({ stream: true }, { model: 'tunedModels/mine' }))
    expect(upstream.seen[1]!.url).toBe('/v1beta/tunedModels/mine:streamGenerateContent?alt=sse')
  })

  test('says how to write in Gemini’s words', async () => {
    const asked = {
      max_completion_tokens: 50,
      temperature: 1.5,
      top_p: 0.5,
      top_k: 3,
      seed: 2 ** 32 + 5,
      presence_penalty: 0.1,
      frequency_penalty: 0,
      n: 2,
      stop: 'x',
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
      reasoning: { exclude: true },
      user: 'me',
    }
    expect(await config(asked)).toEqual({
      maxOutputTokens: 50,
      temperature: 1.5,
      topP: 0.5,
      topK: 3,
      seed: 5,
      presencePenalty: 0.1,
      candidateCount: 2,
      stopSequences: ['x'],
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object' },
    })
    expect(await config({ response_format: { type: 'json_object' } })).toMatchObject({
      responseMimeType: 'application/json',
    })
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown> | undefined]>([
    ['gemini-2.5-flash', { reasoning_effort: 'none' }, { thinkingBudget: 0 }],
    ['gemini-2.5-flash', { reasoning_effort: 'medium' }, { includeThoughts: true, thinkingBudget: 8_192 }],
    ['gemini-2.5-flash', { reasoning_effort: 'max' }, { includeThoughts: true, thinkingBudget: 24_576 }],
    ['gemini-2.5-pro', { reasoning_effort: 'max' }, { includeThoughts: true, thinkingBudget: 32_768 }],
    [
      'gemini-2.5-flash-lite',
      { reasoning: { enabled: true } },
      { includeThoughts: true, thinkingBudget: -1 },
    ],
    ['gemini-2.5-pro', { reasoning: { max_tokens: 7 } }, { includeThoughts: true, thinkingBudget: 128 }],
    [
      'gemini-3-pro-preview',
      { reasoning_effort: 'medium' },
      { includeThoughts: true, thinkingLevel: 'HIGH' },
    ],
    ['gemini-3.1-pro', { reasoning_effort: 'medium' }, { includeThoughts: true, thinkingLevel: 'MEDIUM' }],
    ['gemini-3-flash', { reasoning_effort: 'minimal' }, { includeThoughts: true, thinkingLevel: 'MINIMAL' }],
    ['gemini-flash-latest', { reasoning: { effort: 'low', exclude: true } }, { thinkingLevel: 'LOW' }],
    ['gemini-2.0-flash', {}, undefined],
    ['gemini-2.5-flash-image', {}, undefined],
    ['gemma-3-27b-it', {}, undefined],
  ])('%s is told to think for %j by %j', async (model, asked, thinkingConfig) => {
    expect((await config(asked, model))['thinkingConfig']).toEqual(thinkingConfig)
  })

  test.each<[string, string, Record<string, unknown>]>([
    ['never not to think', 'gemini-3-pro-preview', { reasoning_effort: 'none' }],
    ['never not to think', 'gemini-2.5-pro', { reasoning_effort: 'none' }],
    ['never not to think', 'gemini-3-flash', { reasoning_effort: 'none' }],
    ['no thoughts at all', 'gemini-2.0-flash', { reasoning_effort: 'low' }],
    [
      'no functions beside JSON',
      'gemini-2.5-flash',
      { tools: [WEATHER], response_format: { type: 'json_object' } },
    ],
    ['one call at a time', 'gemini-3-flash', { tools: [WEATHER], parallel_tool_calls: false }],
    [
      'an image from elsewhere',
      'gemini-3-flash',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.org/a.png' } }] },
        ],
      },
    ],
    [
      'a begun answer',
      'gemini-3-flash',
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hel' },
        ],
      },
    ],
    [
      'a result of nothing',
      'gemini-3-flash',
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'tool', tool_call_id: 'x', content: 'y' },
        ],
      },
    ],
    ['instructions alone', 'gemini-3-flash', { messages: [{ role: 'system', content: 'Be brief.' }] }],
    ['a tool of another form', 'gemini-3-flash', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
  ])('is not asked for %s (%s)', async (_, model, asked) => {
    expect(await faultOf(provider.ask(askOf(asked, { model })))).toEqual(['unfit', undefined])
    expect(upstream.seen).toHaveLength(0)
  })

  test.each<[string, unknown, boolean, unknown]>([
    ['as it likes', undefined, false, undefined],
    ['as it likes, and right', 'auto', true, { mode: 'VALIDATED' }],
    ['not', 'none', false, { mode: 'NONE' }],
    ['surely', 'required', false, { mode: 'ANY' }],
    [
      'by name',
      { type: 'function', function: { name: 'weather' } },
      false,
      { mode: 'ANY', allowedFunctionNames: ['weather'] },
    ],
    [
      'of a list',
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'weather' } }] },
      },
      false,
      { mode: 'VALIDATED', allowedFunctionNames: ['weather'] },
    ],
  ])('lets it call functions %s', async (_, tool_choice, strict, functionCallingConfig) => {
    const tool = { ...WEATHER, function: { ...WEATHER.function, ...(strict && { strict }) } }
    const body = await sent({ tools: [tool], ...(tool_choice !== undefined && { tool_choice }) })
    expect(body['tools']).toEqual([
      {
        functionDeclarations: [
          {
            name: 'weather',
            description: 'Weather',
            parametersJsonSchema: { type: 'object', properties: { city: {} } },
          },
        ],
      },
    ])
    expect(body['toolConfig']).toEqual(functionCallingConfig && { functionCallingConfig })
  })
})

describe('the conversation', () => {
  const call = (id: string, city: string, more: object = {}) => ({
    id,
    type: 'function',
    function: { name: 'weather', arguments: `{"city":"${city}"}` },
    ...more,
  })
  const png = 'data:image/png;base64,iVBORw0KGgo='

  test('has its instructions apart, images inside, and results of side by side calls together', async () => {
    const { systemInstruction, contents } = await sent(
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'developer', content: [{ type: 'text', text: 'And kind.' }] },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Where?' },
              { type: 'image_url', image_url: { url: png } },
            ],
          },
          { role: 'assistant', content: null, tool_calls: [call('a', 'Paris'), call('b', 'London')] },
          { role: 'tool', tool_call_id: 'a', content: '{"sky":"blue"}' },
          { role: 'tool', tool_call_id: 'b', content: 'grey', is_error: true },
          { role: 'user', content: 'Thanks.' },
        ],
      },
      'gemini-2.5-flash',
    )
    expect(systemInstruction).toEqual({ parts: [{ text: 'Be brief.' }, { text: 'And kind.' }] })
    const image = { mimeType: 'image/png', data: 'iVBORw0KGgo=' }
    expect(contents).toEqual([
      { role: 'user', parts: [{ text: 'Where?' }, { inlineData: image }] },
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'a', name: 'weather', args: { city: 'Paris' } } },
          { functionCall: { id: 'b', name: 'weather', args: { city: 'London' } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'weather', response: { sky: 'blue' } } },
          { functionResponse: { id: 'b', name: 'weather', response: { error: 'grey' } } },
        ],
      },
      { role: 'user', parts: [{ text: 'Thanks.' }] },
    ])
  })

  test('what a tool saw can be an image, from Gemini 3 on', async () => {
    const messages = [
      { role: 'user', content: 'Look.' },
      { role: 'assistant', tool_calls: [call('a', 'Paris')] },
      {
        role: 'tool',
        tool_call_id: 'a',
        content: [
          { type: 'text', text: 'Here' },
          { type: 'image_url', image_url: { url: png } },
        ],
      },
    ]
    const { contents } = (await sent({ messages }, 'gemini-3-flash')) as { contents: { parts: unknown[] }[] }
    expect(contents[2]!.parts[0]).toMatchObject({
      functionResponse: { response: { output: 'Here' }, parts: [{ inlineData: { data: 'iVBORw0KGgo=' } }] },
    })
    expect(provider.lacks('gemini-2.5-flash').has('tool_images')).toBe(true)
  })

  test('signatures come back where they were, by details or by the calls alone', async () => {
    upstream.script(says('gemini/tools.json'))
    const answer = await provider.ask(askOf({}, { model: 'gemini-3-flash' }))
    if (answer.kind !== 'json') throw new Error('not JSON')
    const message = answer.body.choices![0]!.message as Record<string, unknown>
    const results = ['fc_1', 'fc_2'].map((tool_call_id) => ({ role: 'tool', tool_call_id, content: 'ok' }))
    const { reasoning_details: _, ...bare } = message
    for (const before of [message, bare]) {
      const messages = [{ role: 'user', content: 'Weather?' }, before, ...results]
      const { contents } = (await sent({ messages }, 'gemini-3-flash')) as {
        contents: { parts: unknown[] }[]
      }
      expect(contents[1]!.parts).toEqual([
        { functionCall: { id: 'fc_1', name: 'weather', args: { city: 'Paris' } }, thoughtSignature: 'sigA' },
        { functionCall: { id: 'fc_2', name: 'weather', args: { city: 'London' } } },
      ])
    }
  })

  test('thoughts and the signature of a text come back too; those of other models do not', async () => {
    upstream.script(says('gemini/thinking.json'))
    const answer = await provider.ask(askOf())
    if (answer.kind !== 'json') throw new Error('not JSON')
    const message = answer.body.choices![0]!.message as Record<string, unknown>
    const messages = [{ role: 'user', content: 'Hi' }, message, { role: 'user', content: 'And?' }]
    const { contents } = (await sent({ messages })) as { contents: { parts: unknown[] }[] }
    expect(contents[1]!.parts).toEqual([
      { text: 'A greeting is due.', thought: true },
      { text: 'Hello!', thoughtSignature: 'sigB' },
    ])
    const details = [
      { type: 'reasoning.text', text: 'Hm.', signature: 'x', format: 'anthropic-claude-v1', index: 0 },
    ]
    const other = { role: 'assistant', content: 'Hello!', reasoning_details: details }
    const again = (await sent({ messages: [messages[0], other, messages[2]] })) as {
      contents: { parts: unknown[] }[]
    }
    expect(again.contents[1]!.parts).toEqual([{ text: 'Hello!' }])
  })

  test('calls that another model made are marked so, where every call must be signed', async () => {
    const messages = [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', tool_calls: [call('a', 'Paris'), call('b', 'London')] },
      { role: 'tool', tool_call_id: 'a', content: 'ok' },
      { role: 'tool', tool_call_id: 'b', content: 'ok' },
    ]
    const { contents } = (await sent({ messages }, 'gemini-3-flash')) as {
      contents: { parts: Record<string, unknown>[] }[]
    }
    expect(contents[1]!.parts.map((part) => part['thoughtSignature'])).toEqual([
      'skip_thought_signature_validator',
      undefined,
    ])
  })
})

describe('the answer', () => {
  const candidate = (finishReason: string, text = 'Hi') => ({
    candidates: [{ content: { parts: text ? [{ text }] : [] }, finishReason, index: 0 }],
  })
  const say = (body: unknown) => upstream.script(({ response }) => void response.end(JSON.stringify(body)))

  test.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['OTHER', 'content_filter'],
  ])('that ended by %s ended by %s', async (native, finish) => {
    say(candidate(native))
    expect((await readOf(provider, askOf())).finish).toBe(finish)
  })

  test.each([
    ['was filtered before it began', candidate('SAFETY', ''), 'filtered'],
    ['has a call that is none', candidate('MALFORMED_FUNCTION_CALL', ''), 'malformed'],
    ['is no answer', {}, 'malformed'],
    ['is an error', { error: { status: 'UNAVAILABLE' } }, 'unavailable'],
  ])('that %s is none', async (_, body, fault) => {
    say(body)
    expect((await faultOf(provider.ask(askOf())))[0]).toBe(fault)
  })

  test.each(['json', 'sse'])('to a question that is blocked is none (%s)', async (kind) => {
    upstream.script(says(`gemini/blocked.${kind}`))
    expect(await faultOf(readOf(provider, askOf({ stream: kind === 'sse' })))).toEqual([
      'filtered',
      undefined,
    ])
  })

  test('in several choices has each at its place', async () => {
    say({
      candidates: [
        { content: { parts: [{ text: 'a' }] }, finishReason: 'STOP' },
        { content: { parts: [{ text: 'b' }] }, finishReason: 'STOP', index: 1 },
      ],
    })
    const answer = await provider.ask(askOf({ n: 2 }))
    if (answer.kind !== 'json') throw new Error('not JSON')
    expect(answer.body.choices!.map(({ index, message }) => [index, message!.content])).toEqual([
      [0, 'a'],
      [1, 'b'],
    ])
  })

  test('a call without an id gets one', async () => {
    say({
      candidates: [{ content: { parts: [{ functionCall: { name: 'weather' } }] }, finishReason: 'STOP' }],
    })
    const { tools, finish } = await readOf(provider, askOf())
    expect(tools).toEqual([{ id: expect.stringMatching(/^call_/), name: 'weather', arguments: '{}' }])
    expect(finish).toBe('tool_calls')
  })

  test('with a call that was cut short ended by its length', async () => {
    say({
      candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] }, finishReason: 'MAX_TOKENS' }],
    })
    expect((await readOf(provider, askOf())).finish).toBe('length')
  })

  test('is over when its model says so, whatever comes after', async () => {
    upstream.script(({ response }) => void response.end(fixture('gemini/text.sse').repeat(2)))
    const answer = await provider.ask(askOf({ stream: true }))
    if (answer.kind !== 'stream') throw new Error('not a stream')
    const all: string[] = []
    for await (const batch of answer.events) all.push(...batch)
    expect(all.filter((data) => data === '[DONE]')).toHaveLength(1)
    expect(all).toHaveLength(4)
  })

  test('has details that can come back, in a stream as in one piece', async () => {
    upstream.script(says('gemini/thinking.sse'))
    const { details } = await readOf(provider, askOf({ stream: true }))
    expect(details).toEqual([
      { type: 'reasoning.text', text: 'A greeting ', format: 'google-gemini-v1', index: 0 },
      { type: 'reasoning.text', text: 'is due.', format: 'google-gemini-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'sigB', format: 'google-gemini-v1', index: 1 },
    ])
  })

  test('says how long to wait', async () => {
    const [, , body] = (JSON.parse(fixture('gemini/errors.json')) as [number, string, unknown][]).find(
      ([status]) => status === 429,
    )!
    upstream.script(({ response }) => void response.writeHead(429).end(JSON.stringify(body)))
    expect(await faultOf(provider.ask(askOf()))).toEqual(['rate_limited', 34_070])
  })
})

describe('embeddings', () => {
  const embed = (body: Record<string, unknown>) =>
    provider.embed!({
      body: { model: 'ours', input: ['a', 'b'], ...body },
      model: 'gemini-embedding-001',
      signal: new AbortController().signal,
    })

  test('are asked for in one batch and come in OpenAI’s form', async () => {
    upstream.script(says('gemini/embeddings.json'))
    const { body, text } = await embed({ dimensions: 2 })
    expect(upstream.seen[0]!.url).toBe('/v1beta/models/gemini-embedding-001:batchEmbedContents')
    const of = (text: string) => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 2,
    })
    expect(upstream.seen[0]!.body).toEqual({ requests: [of('a'), of('b')] })
    expect(body).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [0.25, -0.5] },
        { object: 'embedding', index: 1, embedding: [0.5, 0.125] },
      ],
      model: 'gemini-embedding-001',
      usage: { prompt_tokens: 6, total_tokens: 6 },
    })
    expect(JSON.parse(text)).toEqual(body)
  })

  test('of more than a hundred texts are asked for in several', async () => {
    upstream.script(says('gemini/embeddings.json'))
    await embed({ input: Array.from({ length: 101 }, (_, i) => `t${i}`) })
    expect(upstream.seen.map(({ body }) => (body['requests'] as unknown[]).length)).toEqual([100, 1])
  })

  test('of tokens are for another host', async () => {
    expect(await faultOf(embed({ input: [1, 2] }))).toEqual(['unfit', undefined])
  })

  test('come as base64 where that is asked for', async () => {
    upstream.script(says('gemini/embeddings.json'))
    const { body } = await embed({ encoding_format: 'base64' })
    const [first] = body.data as { embedding: string }[]
    const bytes = Buffer.from(first!.embedding, 'base64')
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.25, -0.5])
  })
})

test('a reason for giving no answer is told by its name; what is no name is not repeated', () => {
  const why = (response: object): string => {
    try {
      answerOf(response, 1)
      return 'answered'
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(why({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } })).toBe('PROHIBITED_CONTENT')
  expect(why({ promptFeedback: { blockReason: 'You asked: my secret' } })).toBe('another reason')
  for (const finishReason of ['MALFORMED: my secret', 'my secret'])
    expect(why({ candidates: [{ finishReason }] })).toBe('another reason')
})
