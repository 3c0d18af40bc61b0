import { expect, test } from 'vitest'
import { abilitiesOf } from '../../src/providers/anthropic/models.ts'
import { messagesBody } from '../../src/providers/anthropic/request.ts'
import { UpstreamError } from '../../src/providers/provider.ts'
import { featuresOf } from '../../src/wire/features.ts'
import { chatRequestSchema, forwardBody } from '../../src/wire/openai.ts'

const USER = { role: 'user', content: 'hi' }
const parse = (more: Record<string, unknown>) =>
  chatRequestSchema.parse({ model: 'm', messages: [USER], ...more })
/** What Anthropic is asked for a chat request. */
const asked = (more: Record<string, unknown>, model = 'claude-sonnet-4-6'): Record<string, unknown> => {
  const signal = new AbortController().signal
  return messagesBody(
    { body: forwardBody(parse(more)), model, maxOutput: 4_000, signal },
    abilitiesOf(model),
  ) as Record<string, unknown>
}
const unfit = (more: Record<string, unknown>, model?: string): boolean => {
  try {
    asked(more, model)
    return false
  } catch (error) {
    if (error instanceof UpstreamError && error.fault === 'unfit') return true
    throw error
  }
}
const call = (id: string, name: string, written = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: written },
})
const use = (id: string, name: string, input = {}) => ({ type: 'tool_use', id, name, input })
const schema = { type: 'object', properties: { a: { type: 'string' } } }
const mark = { cache_control: { type: 'ephemeral' } }

test('instructions go apart, whatever they are called; one without a mark is a plain text', () => {
  expect(asked({ messages: [{ role: 'system', content: 'Be brief.' }, USER] })['system']).toBe('Be brief.')
  const two = [
    { role: 'system', content: [{ type: 'text', text: 'A', ...mark }] },
    { role: 'developer', content: 'B' },
  ]
  expect(asked({ messages: [...two, USER] })['system']).toEqual([
    { type: 'text', text: 'A', ...mark },
    { type: 'text', text: 'B' },
  ])
})

test('instructions inside a conversation come after what the user said, or the model is unfit', () => {
  const late = { role: 'system', content: 'Now in French.' }
  const messages = [USER, late]
  expect(asked({ messages }, 'claude-opus-4-8')['messages']).toEqual(messages)
  const answer = { role: 'assistant', content: 'Yes.' }
  const before = asked({ messages: [USER, answer, late, USER] }, 'claude-opus-4-8')['messages']
  expect(before).toEqual([USER, answer, USER, late])
  const two = asked({ messages: [USER, late, { role: 'user', content: 'Well?' }] }, 'claude-opus-4-8')
  expect(two['messages']).toMatchObject([{ content: [{ text: 'hi' }, { text: 'Well?' }] }, late])
  expect(unfit({ messages: [USER, answer, late, answer] }, 'claude-opus-4-8')).toBe(true)
  expect(unfit({ messages }, 'claude-sonnet-4-6')).toBe(true)
  expect(featuresOf(parse({ messages }))).toContain('late_system')
  expect(featuresOf(parse({ messages: messages.toReversed() }))).not.toContain('late_system')
  expect(featuresOf(parse({ messages: [late, late] }))).not.toContain('late_system')
})

test('parallel calls and their results are one turn each, what the user adds included', () => {
  const messages = [
    USER,
    { role: 'assistant', content: 'Looking.', tool_calls: [call('a', 'f', '{"x":1}'), call('b:1', 'g', '')] },
    { role: 'tool', tool_call_id: 'a', content: 'one' },
    { role: 'tool', tool_call_id: 'b:1', content: [{ type: 'text', text: 'two' }], is_error: true },
    { role: 'user', content: 'And now?' },
  ]
  expect(asked({ messages })['messages']).toEqual([
    USER,
    {
      role: 'assistant',
      content: [{ type: 'text', text: 'Looking.' }, use('a', 'f', { x: 1 }), use('b_1', 'g')],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: 'one' },
        { type: 'tool_result', tool_use_id: 'b_1', content: [{ type: 'text', text: 'two' }], is_error: true },
        { type: 'text', text: 'And now?' },
      ],
    },
  ])
})

test('images come along, by data or by address, also in what a tool gave', () => {
  const png = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
  const far = { type: 'image_url', image_url: { url: 'https://example.com/a.jpg', detail: 'low' } }
  const data = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }
  expect(asked({ messages: [{ role: 'user', content: [png, far] }] })['messages']).toEqual([
    {
      role: 'user',
      content: [data, { type: 'image', source: { type: 'url', url: 'https://example.com/a.jpg' } }],
    },
  ])
  const messages = [
    USER,
    { role: 'assistant', tool_calls: [call('a', 'f')] },
    { role: 'tool', tool_call_id: 'a', content: [png] },
  ]
  expect(asked({ messages })['messages']).toMatchObject([{}, {}, { content: [{ content: [data] }] }])
  expect(featuresOf(parse({ messages }))).toEqual(expect.arrayContaining(['vision', 'tool_images']))
  const svg = { type: 'image_url', image_url: { url: 'data:image/svg+xml;utf8,<svg/>' } }
  expect(unfit({ messages: [{ role: 'user', content: [svg] }] })).toBe(true)
})

test.each([
  ['none', { type: 'none' }],
  ['auto', { type: 'auto' }],
  ['required', { type: 'any' }],
  [
    { type: 'function', function: { name: 'f' } },
    { type: 'tool', name: 'f' },
  ],
])('a choice of tools %j is %j', (tool_choice, wanted) => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: schema, strict: true }, ...mark }]
  const body = asked({ tools, tool_choice })
  expect(body['tools']).toEqual([{ name: 'f', input_schema: schema, strict: true, ...mark }])
  expect(body['tool_choice']).toEqual(wanted)
})

test('one call at a time is said with the choice, and a tool without parameters takes an empty object', () => {
  const tools = [{ type: 'function', function: { name: 'f', description: 'd' } }]
  expect(asked({ tools, parallel_tool_calls: false })).toMatchObject({
    tools: [{ name: 'f', description: 'd', input_schema: { type: 'object' } }],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  })
  expect(asked({ tools, parallel_tool_calls: false, tool_choice: 'none' })['tool_choice']).toEqual({
    type: 'none',
  })
  expect(asked({ tool_choice: 'none' })).not.toHaveProperty('tool_choice')
})

test('the cap on output is always said, and never above what was quoted', () => {
  expect(asked({})['max_tokens']).toBe(4_000)
  expect(asked({ max_tokens: 50 })['max_tokens']).toBe(50)
  expect(asked({ max_completion_tokens: 9_000 })['max_tokens']).toBe(4_000)
})

test.each([
  ['claude-sonnet-4-6', { reasoning_effort: 'high' }, { type: 'adaptive', display: 'summarized' }, 'high'],
  ['claude-opus-5', { reasoning_effort: 'minimal' }, { type: 'adaptive', display: 'summarized' }, 'low'],
  ['claude-opus-4-6', { reasoning_effort: 'xhigh' }, { type: 'adaptive', display: 'summarized' }, 'high'],
  ['claude-opus-4-7', { reasoning_effort: 'xhigh' }, { type: 'adaptive', display: 'summarized' }, 'xhigh'],
  [
    'claude-opus-5',
    { reasoning: { enabled: true, exclude: true } },
    { type: 'adaptive', display: 'omitted' },
    undefined,
  ],
  ['claude-sonnet-4-5', { reasoning_effort: 'medium' }, { type: 'enabled', budget_tokens: 2_000 }, undefined],
  [
    'claude-sonnet-4-5',
    { reasoning_effort: 'minimal' },
    { type: 'enabled', budget_tokens: 1_024 },
    undefined,
  ],
  [
    'claude-haiku-4-5-20251001',
    { reasoning: { max_tokens: 2_500 } },
    { type: 'enabled', budget_tokens: 2_500 },
    undefined,
  ],
  [
    'claude-opus-4-5',
    { reasoning: { max_tokens: 2_500 }, verbosity: 'low' },
    { type: 'enabled', budget_tokens: 2_500 },
    'low',
  ],
  ['claude-opus-4-8', { reasoning_effort: 'none' }, { type: 'disabled' }, undefined],
  ['claude-sonnet-5-5', { reasoning: { enabled: false } }, { type: 'between_tools' }, undefined],
  ['claude-haiku-5-5', { reasoning_effort: 'none' }, { type: 'disabled' }, undefined],
  ['claude-3-5-haiku-20241022', { reasoning_effort: 'none' }, undefined, undefined],
  ['claude-opus-4-8', { verbosity: 'medium' }, undefined, 'medium'],
  [
    'MiniMax-M2.1',
    { reasoning: { effort: 'high', exclude: true } },
    { type: 'enabled', budget_tokens: 3_200 },
    undefined,
  ],
])('%s asked with %j thinks so: %j %s', (model, more, thinking, effort) => {
  const body = asked(more, model)
  expect(body['thinking']).toEqual(thinking)
  expect(body['output_config']).toEqual(effort && { effort })
})

test('what a model cannot be told together is unfit, not left out', () => {
  expect(unfit({ reasoning: { max_tokens: 2_000 } }, 'claude-opus-5')).toBe(true)
  for (const model of ['claude-fable-5', 'claude-opus-5-5', 'claude-mythos-preview'])
    expect(unfit({ reasoning_effort: 'none' }, model), model).toBe(true)
  expect(unfit({ reasoning_effort: 'low', max_tokens: 900 }, 'claude-sonnet-4-5')).toBe(true)
  expect(unfit({ reasoning_effort: 'low', verbosity: 'high' }, 'claude-opus-5')).toBe(true)
  expect(unfit({ temperature: 0.5, top_p: 0.5 }, 'claude-opus-4-5')).toBe(true)
  expect(unfit({ temperature: 0.5, top_p: 0.5 }, 'claude-3-7-sonnet-20250219')).toBe(false)
  expect(unfit({ messages: [{ role: 'function', name: 'f', content: 'x' }] })).toBe(true)
  expect(unfit({ messages: [USER, { role: 'assistant', tool_calls: [call('a', 'f', 'not json')] }] })).toBe(
    true,
  )
})

test('a form of the answer is a schema; without one there is none', () => {
  const json_schema = { name: 'answer', schema, strict: true }
  expect(asked({ response_format: { type: 'json_schema', json_schema } })['output_config']).toEqual({
    format: { type: 'json_schema', schema },
  })
  expect(asked({ response_format: { type: 'text' } })).not.toHaveProperty('output_config')
  expect(unfit({ response_format: { type: 'json_object' } })).toBe(true)
})

test('sampling, stops, the user and the tier keep their meaning; a 1 that says nothing is left out where it is refused', () => {
  expect(
    asked({ temperature: 0.5, top_k: 7, stop: 'END', user: 'u', service_tier: 'default' }),
  ).toMatchObject({
    temperature: 0.5,
    top_k: 7,
    stop_sequences: ['END'],
    metadata: { user_id: 'u' },
    service_tier: 'standard_only',
  })
  expect(asked({ temperature: 1, top_p: 0.5 })).toMatchObject({ top_p: 0.5 })
  expect(asked({ temperature: 1, top_p: 1 }, 'claude-opus-5')).not.toHaveProperty('temperature')
  expect(featuresOf(parse({ temperature: 1, top_p: 1 }))).toEqual([])
})

test('thoughts come back unchanged and in their places, but only to whose they are', () => {
  const format = 'anthropic-claude-v1'
  const messages = [
    USER,
    {
      role: 'assistant',
      content: 'Let me see.',
      reasoning_content: 'Hm.So.',
      reasoning_details: [
        { type: 'reasoning.text', text: 'Hm.', signature: 's1', format, index: 0 },
        { type: 'reasoning.encrypted', data: 'secret', format, index: 2 },
        { type: 'reasoning.text', text: 'So.', signature: 'other', format: 'google-gemini-v1', index: 3 },
      ],
      tool_calls: [call('a', 'f')],
    },
    { role: 'tool', tool_call_id: 'a', content: 'x' },
  ]
  const turn = (model: string) =>
    (asked({ messages }, model)['messages'] as { content: unknown }[])[1]!.content
  expect(turn('claude-sonnet-4-6')).toEqual([
    { type: 'thinking', thinking: 'Hm.', signature: 's1' },
    { type: 'text', text: 'Let me see.' },
    { type: 'redacted_thinking', data: 'secret' },
    use('a', 'f'),
  ])
  expect(turn('MiniMax-M2.1')).toEqual([{ type: 'text', text: 'Let me see.' }, use('a', 'f')])
})

test.each([
  [
    'claude-opus-5-5',
    ['prefill', 'temperature', 'top_p', 'top_k', 'reasoning_budget', 'forced_tools', 'no_reasoning'],
    ['json_schema', 'verbosity', 'late_system'],
  ],
  ['claude-haiku-5-5', ['prefill', 'temperature'], ['json_schema', 'strict_tools', 'reasoning']],
  ['claude-opus-4-8', ['prefill', 'temperature'], ['late_system', 'forced_tools', 'no_reasoning']],
  ['claude-sonnet-5-5', ['prefill', 'forced_tools'], ['late_system', 'no_reasoning']],
  ['claude-sonnet-5', ['prefill', 'late_system'], ['forced_tools', 'no_reasoning']],
  ['claude-fable-5-1', ['forced_tools', 'no_reasoning'], ['late_system', 'reasoning']],
  ['claude-fable-5', ['no_reasoning'], ['forced_tools']],
  [
    'claude-opus-4-6',
    ['prefill', 'late_system'],
    ['temperature', 'reasoning_budget', 'reasoning', 'verbosity'],
  ],
  [
    'claude-sonnet-4.5',
    ['verbosity', 'late_system'],
    ['prefill', 'temperature', 'json_schema', 'reasoning_budget'],
  ],
  ['claude-sonnet-4-20250514', ['json_schema', 'strict_tools'], ['prefill', 'reasoning']],
  [
    'claude-3-5-haiku-20241022',
    ['reasoning', 'reasoning_budget', 'json_schema'],
    ['tools', 'vision', 'prefill'],
  ],
  ['claude-mythos-preview', ['temperature', 'prefill'], ['json_schema']],
  ['MiniMax-M2.1', ['json_schema', 'top_k', 'image_url'], ['tools', 'temperature', 'reasoning']],
] as const)('%s lacks %j and not %j', (model, lacking, having) => {
  const { lacks } = abilitiesOf(model)
  for (const one of [
    ...lacking,
    'several_choices',
    'seed',
    'hot',
    'penalties',
    'logprobs',
    'logit_bias',
    'json_object',
  ] as const)
    expect(lacks, one).toContain(one)
  for (const one of having) expect(lacks, one).not.toContain(one)
})

test('what must be called and who must not think are features of a request', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }]
  expect(featuresOf(parse({ tools, tool_choice: 'required' }))).toContain('forced_tools')
  expect(featuresOf(parse({ tools, tool_choice: { type: 'function', function: { name: 'f' } } }))).toContain(
    'forced_tools',
  )
  for (const tool_choice of ['auto', 'none'])
    expect(featuresOf(parse({ tools, tool_choice }))).not.toContain('forced_tools')
  expect(featuresOf(parse({ reasoning_effort: 'none' }))).toContain('no_reasoning')
  expect(featuresOf(parse({ reasoning: { enabled: false } }))).toContain('no_reasoning')
  expect(featuresOf(parse({ reasoning_effort: 'low' }))).not.toContain('no_reasoning')
})
