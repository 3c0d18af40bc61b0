import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OpenAiFacts, openAiProvider } from '../../src/providers/openai.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { quirksOf } from '../../src/providers/quirks.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { askOf, faultOf, readOf, says } from './reading.ts'

let upstream: Upstream
let opened: Provider[] = []
beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()))
  opened = []
  await upstream.close()
})

const of = (kind: string | undefined, more: Partial<OpenAiFacts> = {}): Provider => {
  const made = openAiProvider({
    id: 'up',
    kind,
    baseUrl: upstream.url,
    key: 'secret',
    firstByteMs: 2_000,
    idleMs: 2_000,
    ...more,
  })
  opened.push(made)
  return made
}
/** What such a server is sent for a request to one of its models. */
const sent = async (kind: string | undefined, model: string, more: Record<string, unknown>) => {
  await of(kind).ask(askOf(more, { model }))
  return upstream.seen.at(-1)!.body
}
const SAY = { role: 'user', content: 'Say hello.' }

describe('what a server is', () => {
  test.each([
    [
      'its kind, whatever its address',
      { id: 'x', kind: 'groq', baseUrl: 'https://api.deepseek.com' },
      'groq',
    ],
    ['its address, whatever its id', { id: 'groq', baseUrl: 'https://api.deepseek.com/v1' }, 'deepseek'],
    ['its id, behind an address of your own', { id: 'groq', baseUrl: 'http://10.0.0.1/v1' }, 'groq'],
  ])('is told by %s', (_, facts, kind) => {
    expect(quirksOf(facts)).toBe(quirksOf({ id: '', kind, baseUrl: 'http://x' }))
  })

  test.each([
    ['https://eu.api.openai.com/v1', 'openai'],
    ['https://mine.openai.azure.com/openai', 'azure'],
    ['https://api.x.ai/v1', 'xai'],
    ['https://api.mistral.ai/v1', 'mistral'],
    ['https://api.groq.com/openai/v1', 'groq'],
    ['https://api.together.xyz/v1', 'togetherai'],
    ['https://api.fireworks.ai/inference/v1', 'fireworks-ai'],
    ['https://api.deepinfra.com/v1/openai', 'deepinfra'],
    ['https://openrouter.ai/api/v1', 'openrouter'],
    ['https://api.cerebras.ai/v1', 'cerebras'],
    ['https://api.moonshot.cn/v1', 'moonshotai'],
    ['https://api.cohere.ai/compatibility/v1', 'cohere'],
    ['https://api.perplexity.ai', 'perplexity'],
    ['https://api.siliconflow.com/v1', 'siliconflow'],
    ['https://dashscope-intl.aliyuncs.com/compatible-mode/v1', 'alibaba'],
    ['https://api.z.ai/api/paas/v4', 'zai'],
    ['https://api.novita.ai/openai', 'novita'],
    ['https://api.voyageai.com/v1', 'voyage'],
    ['http://localhost:11434/v1', 'ollama'],
    ['https://generativelanguage.googleapis.com/v1beta/openai/', 'google'],
    ['https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1', 'bedrock'],
  ])('%s is %s', (baseUrl, kind) => {
    const quirks = quirksOf({ id: 'mine', baseUrl })
    expect(quirks).not.toEqual({})
    expect(quirks).toBe(quirksOf({ id: 'mine', kind, baseUrl: 'http://x' }))
  })

  test('an unknown server lacks nothing and gets everything as it is', async () => {
    const request = {
      messages: [
        {
          role: 'developer',
          content: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
        },
        SAY,
        { role: 'assistant', content: 'Hi', reasoning_content: 'Hm.', extra: 1 },
        SAY,
      ],
      max_completion_tokens: 9,
      top_k: 3,
      seed: 4,
      stop: 'x',
      reasoning: { effort: 'low', exclude: true },
      user: 'me',
      temperature: null,
      verbosity: 'low',
    }
    expect(await sent(undefined, 'any', request)).toEqual({ model: 'any', ...request })
    expect(of('never-heard-of').lacks('any').size).toBe(0)
  })
})

describe('in its own words', () => {
  test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
    ['openai', 'o3', { max_tokens: 5 }, { max_completion_tokens: 5 }],
    ['openai', 'gpt-5', {}, { max_completion_tokens: 77 }],
    ['openai', 'gpt-5', { max_tokens: 500 }, { max_completion_tokens: 77 }],
    ['nobody', 'any', { max_tokens: 500 }, { max_tokens: 77 }],
    ['mistral', 'any', { temperature: null, seed: null, stop: null }, { max_tokens: 77 }],
    [
      'openai',
      'gpt-5.2',
      { reasoning: { effort: 'high' } },
      { max_completion_tokens: 77, reasoning_effort: 'high' },
    ],
    [
      'openai',
      'gpt-5.2',
      { temperature: 0.5, verbosity: 'max' },
      { max_completion_tokens: 77, temperature: 0.5, verbosity: 'high' },
    ],
    [
      'openai',
      'gpt-4o',
      { prompt_cache_key: 'k', user: 'me' },
      { max_completion_tokens: 77, prompt_cache_key: 'k', user: 'me' },
    ],
    [
      'deepseek',
      'deepseek-v4-pro',
      { reasoning_effort: 'medium' },
      { max_tokens: 77, thinking: { type: 'enabled' }, reasoning_effort: 'high' },
    ],
    [
      'deepseek',
      'deepseek-v4-pro',
      { reasoning_effort: 'none', user: 'me' },
      { max_tokens: 77, thinking: { type: 'disabled' } },
    ],
    [
      'xai',
      'grok-4.3',
      { reasoning_effort: 'xhigh', n: 2 },
      { max_completion_tokens: 77, reasoning_effort: 'high', n: 2 },
    ],
    [
      'xai',
      'grok-3-mini',
      { reasoning_effort: 'medium' },
      { max_completion_tokens: 77, reasoning_effort: 'high' },
    ],
    [
      'mistral',
      'mistral-large-latest',
      { seed: 7, max_completion_tokens: 5, user: 'me' },
      { max_tokens: 5, random_seed: 7 },
    ],
    [
      'groq',
      'openai/gpt-oss-20b',
      { reasoning_effort: 'minimal', metadata: {} },
      { max_completion_tokens: 77, reasoning_effort: 'low' },
    ],
    ['groq', 'qwen/qwen3-32b', { reasoning_effort: 'high' }, { max_completion_tokens: 77 }],
    [
      'groq',
      'qwen/qwen3-32b',
      { reasoning_effort: 'none' },
      { max_completion_tokens: 77, reasoning_effort: 'none' },
    ],
    [
      'togetherai',
      'a',
      { stop: 'x', reasoning_effort: 'none' },
      { max_tokens: 77, stop: ['x'], reasoning: { enabled: false } },
    ],
    [
      'fireworks-ai',
      'a',
      { reasoning: { max_tokens: 100 } },
      { max_tokens: 77, thinking: { type: 'enabled', budget_tokens: 1024 } },
    ],
    [
      'deepinfra',
      'a',
      { reasoning: { effort: 'max' }, service_tier: 'auto' },
      { max_tokens: 77, reasoning_effort: 'high' },
    ],
    [
      'openrouter',
      'a',
      { reasoning_effort: 'max', reasoning: { exclude: true } },
      { max_completion_tokens: 77, reasoning: { effort: 'max', exclude: true } },
    ],
    [
      'cerebras',
      'a',
      { reasoning: { enabled: true }, store: false },
      { max_completion_tokens: 77, reasoning_effort: 'medium' },
    ],
    [
      'moonshotai',
      'kimi-k3',
      { reasoning_effort: 'medium' },
      { max_completion_tokens: 77, reasoning_effort: 'high' },
    ],
    [
      'moonshotai',
      'kimi-k2.6',
      { reasoning_effort: 'none' },
      { max_completion_tokens: 77, thinking: { type: 'disabled' } },
    ],
    [
      'cohere',
      'command-a',
      { reasoning_effort: 'low', parallel_tool_calls: true },
      { max_tokens: 77, reasoning_effort: 'high' },
    ],
    ['perplexity', 'sonar', { tools: [] }, { max_tokens: 77 }],
    [
      'siliconflow',
      'a',
      { reasoning: { max_tokens: 50 } },
      { max_tokens: 77, enable_thinking: true, thinking_budget: 128 },
    ],
    [
      'alibaba',
      'qwen-plus',
      { reasoning: { effort: 'none', max_tokens: 9 } },
      { max_tokens: 77, enable_thinking: false },
    ],
    [
      'alibaba',
      'qwen-plus',
      { reasoning: { max_tokens: 900 } },
      { max_tokens: 77, enable_thinking: true, thinking_budget: 900 },
    ],
    [
      'zai',
      'glm-4.7',
      { stop: 'x', reasoning_effort: 'low', tool_choice: 'auto' },
      { max_tokens: 77, stop: ['x'], thinking: { type: 'enabled' } },
    ],
    ['ollama', 'qwen3', { reasoning_effort: 'minimal' }, { max_tokens: 77, reasoning_effort: 'low' }],
    ['google', 'gemini-2.5-flash', { reasoning_effort: 'max' }, { max_tokens: 77, reasoning_effort: 'high' }],
    ['bedrock', 'openai.gpt-oss-120b', {}, { max_completion_tokens: 77 }],
    ['novita', 'a', { reasoning_effort: 'low', user: 'me' }, { max_tokens: 77, enable_thinking: true }],
  ])('%s (%s) is asked for %j', async (kind, model, request, body) => {
    expect(await sent(kind, model, request)).toEqual({ model, messages: [SAY], ...body })
  })

  test.each([
    ['groq', undefined],
    ['mistral', undefined],
    ['zai', undefined],
    ['cohere', undefined],
    ['perplexity', undefined],
    ['deepseek', { include_usage: true }],
    ['openai', { include_usage: true, include_obfuscation: false }],
    [undefined, { include_usage: true, include_obfuscation: false }],
  ])('in a stream of %s usage comes with %j', async (kind, options) => {
    const body = await sent(kind, 'any', { stream: true, stream_options: { include_obfuscation: false } })
    expect(body['stream_options']).toEqual(options)
  })

  const TALK = [
    {
      role: 'developer',
      content: [
        { type: 'text', text: 'Be', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'brief.' },
      ],
    },
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: 'Let me see.',
      reasoning_content: 'A tool.',
      reasoning_details: [{ type: 'reasoning.text', text: 'A tool.', signature: 's' }],
      annotations: [],
      tool_calls: [
        {
          id: 'call_1',
          type: 'function',
          function: { name: 'weather', arguments: '{}' },
          extra_content: { google: 1 },
        },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'Rain.' },
    { role: 'user', content: 'And now?' },
  ]
  const CALLS = [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{}' } }]
  const PARTS = [
    { type: 'text', text: 'Be' },
    { type: 'text', text: 'brief.' },
  ]
  const MARKED = [
    { type: 'text', text: 'Be', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'brief.' },
  ]
  test.each<[string, unknown, Record<string, unknown>]>([
    ['openai', { role: 'developer', content: PARTS }, { tool_calls: CALLS }],
    ['deepseek', { role: 'system', content: PARTS }, { tool_calls: CALLS, reasoning_content: 'A tool.' }],
    ['groq', { role: 'developer', content: PARTS }, { tool_calls: CALLS, reasoning: 'A tool.' }],
    [
      'togetherai',
      { role: 'system', content: 'Be\nbrief.' },
      { tool_calls: CALLS, reasoning_content: 'A tool.' },
    ],
    ['openrouter', { role: 'developer', content: MARKED }, { ...TALK[2] }],
    ['deepinfra', { role: 'system', content: MARKED }, { ...TALK[2] }],
    ['alibaba', { role: 'system', content: MARKED }, { tool_calls: CALLS, reasoning_content: 'A tool.' }],
    ['cohere', { role: 'developer', content: PARTS }, { tool_calls: CALLS }],
  ])('%s is told what was said before in its own way', async (kind, first, assistant) => {
    const { messages } = await sent(kind, 'any', { messages: TALK })
    expect(messages).toEqual([
      first,
      TALK[1],
      { role: 'assistant', content: 'Let me see.', ...assistant },
      TALK[3],
      TALK[4],
    ])
  })

  test('Mistral is told of thoughts in parts, and of calls by short ids that stay the same', async () => {
    const { messages } = (await sent('mistral', 'any', { messages: TALK })) as {
      messages: Record<string, unknown>[]
    }
    const id = messages[3]!['tool_call_id'] as string
    expect(id).toMatch(/^[a-z0-9]{9}$/)
    expect(messages[2]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'A tool.' }] },
        { type: 'text', text: 'Let me see.' },
      ],
      tool_calls: [{ ...CALLS[0], id }],
    })
    const again = (await sent('mistral', 'any', { messages: TALK })) as {
      messages: Record<string, unknown>[]
    }
    expect(again.messages[3]!['tool_call_id']).toBe(id)
  })

  test('DeepSeek is told that there was no thought where another host gave none', async () => {
    const { messages } = await sent('deepseek', 'any', {
      messages: [SAY, { role: 'assistant', content: 'Hi' }, SAY],
    })
    expect((messages as unknown[])[1]).toEqual({ role: 'assistant', content: 'Hi', reasoning_content: '' })
  })

  test.each([
    ['mistral', { prefix: true }],
    ['moonshotai', { partial: true }],
    ['groq', {}],
  ])('a begun answer is marked for %s as it wants it', async (kind, mark) => {
    const { messages } = await sent(kind, 'kimi-k2.5', {
      messages: [SAY, { role: 'assistant', content: 'Hel' }],
    })
    expect((messages as unknown[])[1]).toEqual({ role: 'assistant', content: 'Hel', ...mark })
  })

  test('only the last message can be a begun one, and what was refused elsewhere is text', async () => {
    const refused = { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] }
    const { messages } = await sent('mistral', 'any', {
      messages: [SAY, { role: 'assistant', content: 'Hi' }, SAY, refused, SAY],
    })
    expect((messages as unknown[])[1]).toEqual({ role: 'assistant', content: 'Hi' })
    expect((messages as unknown[])[3]).toEqual({
      role: 'assistant',
      content: [{ type: 'text', text: 'No.' }],
    })
  })

  test('a tool keeps its mark for the cache only where that is understood', async () => {
    const tool = { type: 'function', function: { name: 'f' }, cache_control: { type: 'ephemeral' } }
    expect((await sent('openai', 'gpt-4o', { tools: [tool] }))['tools']).toEqual([
      { type: 'function', function: { name: 'f' } },
    ])
    expect((await sent('openrouter', 'any', { tools: [tool] }))['tools']).toEqual([tool])
  })
})

describe('what it cannot be asked', () => {
  test.each<[string, string, Record<string, unknown>]>([
    ['openai', 'o3', { temperature: 0.2 }],
    ['openai', 'o4-mini', { stop: 'x' }],
    ['openai', 'gpt-5-mini', { logprobs: true }],
    ['openai', 'gpt-5.2', { temperature: 0.2, reasoning_effort: 'high' }],
    ['openai', 'gpt-4o', { reasoning_effort: 'low' }],
    ['openai', 'gpt-4o', { top_k: 4 }],
    ['azure', 'gpt-5', { top_p: 0.2 }],
    ['deepseek', 'deepseek-v4-pro', { seed: 1 }],
    ['xai', 'grok-4', { reasoning_effort: 'low' }],
    ['xai', 'grok-4.20-0309-reasoning', { stop: 'x' }],
    ['mistral', 'any', { logit_bias: { 1: 1 } }],
    ['groq', 'any', { n: 2 }],
    ['groq', 'any', { messages: [{ role: 'user', name: 'Ann', content: 'Hi' }] }],
    ['togetherai', 'any', { logprobs: true }],
    ['cerebras', 'any', { metadata: { a: 'b' } }],
    ['moonshotai', 'kimi-k2.7-code', { reasoning_effort: 'none' }],
    ['moonshotai', 'kimi-k3', { temperature: 0.2 }],
    ['moonshotai', 'moonshot-v1-8k', { temperature: 1.5 }],
    ['cohere', 'any', { n: 2 }],
    ['perplexity', 'sonar', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['zai', 'glm-4.7', { stop: ['x', 'y'] }],
    ['ollama', 'any', { logit_bias: { 1: 1 } }],
    ['alibaba', 'qwen-plus', { response_format: { type: 'json_schema', json_schema: { name: 'a' } } }],
    ['google', 'any', { reasoning: { max_tokens: 9 } }],
  ])('%s (%s) is not asked %j: another may be', async (kind, model, request) => {
    expect(await faultOf(of(kind).ask(askOf(request, { model })))).toEqual(['unfit', undefined])
    expect(upstream.seen).toHaveLength(0)
  })

  test('what a model lacks is known before it is asked', () => {
    expect(of('openai').lacks('o3').has('temperature')).toBe(true)
    expect(of('openai').lacks('gpt-4o').has('temperature')).toBe(false)
    expect(of('openai').lacks('gpt-5-chat-latest').has('temperature')).toBe(false)
    expect(of('openai').lacks('ft:mine').has('reasoning')).toBe(false)
    expect(of('xai').lacks('grok-4-fast-non-reasoning').has('stop')).toBe(false)
    expect(of('xai').lacks('grok-4.20-multi-agent-0309').has('reasoning')).toBe(false)
  })
})

describe('its answers, in OpenAI’s form', () => {
  test.each<[string, string, Record<string, unknown>, [number, number, number]]>([
    ['deepseek', 'stream.sse', { reasoning: 'A greeting.', finish: 'stop' }, [17, 10, 9]],
    ['groq', 'stream.sse', { finish: 'stop', done: true }, [18, 11, 6]],
    ['mistral', 'stream.sse', { reasoning: 'A greeting.', finish: 'length' }, [16, 0, 8]],
    ['mistral', 'answer.json', { reasoning: 'A greeting.', finish: 'stop' }, [16, 0, 8]],
    ['moonshotai', 'stream.sse', { finish: 'stop' }, [19, 12, 5]],
    ['xai', 'answer.json', { finish: 'stop' }, [32, 6, 103]],
    ['togetherai', 'answer.json', { reasoning: 'A greeting.', finish: 'stop' }, [70, 0, 12]],
    ['zai', 'answer.json', { reasoning: 'A greeting.', finish: 'content_filter' }, [14, 4, 8]],
    ['siliconflow', 'answer.json', { reasoning: 'A greeting.' }, [14, 5, 8]],
    ['alibaba', 'stream.sse', { reasoning: 'A greeting.' }, [1500, 0, 9]],
    ['google', 'answer.json', { finish: 'stop' }, [9, 0, 43]],
    ['openrouter', 'stream.sse', { reasoning: 'A greeting.' }, [194, 20, 12]],
    ['perplexity', 'stream.sse', { finish: 'stop' }, [7, 0, 2]],
    ['cerebras', 'answer.json', { reasoning: 'A greeting.' }, [12, 2, 10]],
  ])('%s (%s) is read and billed as it reports', async (kind, name, found, [input, cached, output]) => {
    upstream.script(says(`${kind}/${name}`))
    const answer = await readOf(of(kind), askOf({ stream: name.endsWith('.sse') }))
    expect(answer).toMatchObject({ text: 'Hello', ...found })
    expect(answer.metered).toMatchObject({ input, cached, output, source: 'reported' })
  })

  test.each([
    [
      'xai',
      {
        prompt_tokens: 5,
        completion_tokens: 2,
        total_tokens: 7,
        completion_tokens_details: { audio_tokens: 0 },
      },
    ],
    [
      'deepseek',
      {
        prompt_tokens: 5,
        completion_tokens: 2,
        prompt_cache_hit_tokens: 4,
        prompt_tokens_details: { cached_tokens: 3 },
      },
    ],
  ])('what %s says in OpenAI’s form already stays as it is, byte for byte', async (kind, usage) => {
    const text = JSON.stringify(
      { choices: [{ index: 0, message: { content: 'Hi' }, finish_reason: 'stop' }], usage },
      null,
      3,
    )
    upstream.script(({ response }) => void response.end(text))
    expect(await of(kind).ask(askOf())).toMatchObject({ kind: 'json', text })
  })

  test('what was written to the cache has one name', async () => {
    upstream.script(says('alibaba/stream.sse'))
    const { usage } = await readOf(of('alibaba'), askOf({ stream: true }))
    expect(usage?.prompt_tokens_details).toMatchObject({ cache_write_tokens: 1480 })
  })

  test('usage that comes inside of Groq’s own field comes in a chunk of its own', async () => {
    upstream.script(says('groq/stream.sse'))
    const answer = await of('groq').ask(askOf({ stream: true }))
    if (answer.kind !== 'stream') throw new Error('not a stream')
    const all: string[] = []
    for await (const batch of answer.events) all.push(...batch)
    expect(all.map((data) => (data === '[DONE]' ? data : JSON.parse(data).choices.length))).toEqual([
      1,
      1,
      1,
      0,
      '[DONE]',
    ])
  })

  test('an answer that its server could not finish is a failure, after what came before', async () => {
    upstream.script(says('deepseek/broken.sse'))
    const answer = await of('deepseek').ask(askOf({ stream: true }))
    if (answer.kind !== 'stream') throw new Error('not a stream')
    const all: string[] = []
    const reading = (async () => {
      for await (const batch of answer.events) all.push(...batch)
    })()
    expect(await faultOf(reading)).toEqual(['unavailable', undefined])
    expect(all).toHaveLength(1)
  })

  test('so is one that Groq stopped early', async () => {
    upstream.script(({ response, write }) => {
      response.writeHead(200)
      write({ choices: [{ index: 0, delta: { content: 'Hel' } }] })
      write({ choices: [], x_groq: { id: 'req_1', error: 'over capacity' } })
      response.end()
    })
    const reading = readOf(of('groq'), askOf({ stream: true }))
    expect(await faultOf(reading)).toEqual(['unavailable', undefined])
  })

  test('reasoning that is not wanted does not come, and is paid for as it is reported', async () => {
    upstream.script(says('deepseek/stream.sse'))
    const ask = askOf({ stream: true, reasoning: { effort: 'low', exclude: true } })
    const answer = await readOf(of('deepseek'), ask)
    expect(answer).toMatchObject({ text: 'Hello', reasoning: '' })
    expect(answer.metered).toMatchObject({ output: 9, source: 'reported' })
  })

  test('a success with an error inside is that error', async () => {
    upstream.script(says('openrouter/error.json'))
    expect(await faultOf(of('openrouter').ask(askOf()))).toEqual(['rate_limited', undefined])
  })
})

describe('Azure', () => {
  const path = async (base: string, run: (one: Provider) => Promise<unknown>) => {
    await run(of('azure', { baseUrl: base }))
    return upstream.seen.at(-1)!
  }
  test.each([
    ['/openai', '/openai/v1/chat/completions'],
    ['/openai/v1/', '/openai/v1/chat/completions'],
    ['/models?api-version=2024-05-01-preview', '/models/chat/completions?api-version=2024-05-01-preview'],
    ['/openai/v1?api-version=preview', '/openai/v1/chat/completions?api-version=preview'],
    [
      '/openai?api-version=2024-10-21',
      '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21',
    ],
  ])('%s is asked at %s, with the key in its own header', async (base, at) => {
    const origin = upstream.url.replace('/v1', '')
    const seen = await path(`${origin}${base}`, (one) => one.ask(askOf({}, { model: 'my gpt' })))
    expect(seen.url).toBe(at)
    expect(seen.headers['api-key']).toBe('secret')
    expect(seen.headers.authorization).toBeUndefined()
  })
})
