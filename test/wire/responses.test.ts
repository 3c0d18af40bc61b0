import { expect, test } from 'vitest'
import { orderAt } from '../../src/wire/doors.ts'
import { chatRequestSchema } from '../../src/wire/openai.ts'
import { responsesRequestSchema } from '../../src/wire/responses.ts'
import { responsesOrder } from '../../src/wire/responses-door.ts'

const chat = (more: Record<string, unknown>) => {
  const { request } = responsesOrder(
    responsesRequestSchema.parse({ model: 'test/small', input: 'Hi', ...more }),
  )
  // Whatever is taken here, the form inside must take as well.
  expect(chatRequestSchema.parse(request)).toEqual(request)
  return request
}
const messages = (input: unknown, more: Record<string, unknown> = {}) => chat({ input, ...more }).messages
const problem = (more: Record<string, unknown>): string => {
  const parsed = responsesRequestSchema.safeParse({ model: 'test/small', input: 'Hi', ...more })
  return JSON.stringify(parsed.error?.issues ?? 'taken')
}

test('a plain text becomes one message, and instructions stand before it', () => {
  expect(chat({ instructions: 'Be brief.' })).toEqual({
    model: 'test/small',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ],
  })
})

test('texts and pictures of a message keep their order', () => {
  const content = [
    { type: 'input_text', text: 'What is this?' },
    { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' },
  ]
  expect(messages([{ role: 'user', content }])).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
      ],
    },
  ])
})

test('what was thought, said and called in one turn is one message, and the outputs follow it', () => {
  const turn = messages([
    { role: 'user', content: 'Weather in Oslo and Bergen?' },
    { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' },
    {
      type: 'message',
      id: 'msg_1',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'I look.', annotations: [] }],
    },
    {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'a',
      name: 'weather',
      arguments: '{"city":"Oslo"}',
      status: 'completed',
    },
    { type: 'function_call', id: 'fc_2', call_id: 'b', name: 'weather', arguments: '{"city":"Bergen"}' },
    { type: 'function_call_output', call_id: 'a', output: 'rain' },
    { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'more rain' }] },
  ])
  expect(turn.slice(1)).toEqual([
    {
      role: 'assistant',
      content: 'I look.',
      reasoning_details: [
        { type: 'reasoning.encrypted', data: 'gAAAA', id: 'rs_1', format: 'openai-responses-v1' },
      ],
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
        { id: 'b', type: 'function', function: { name: 'weather', arguments: '{"city":"Bergen"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'a', content: 'rain' },
    { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'more rain' }] },
  ])
})

test('two answers in a row stay two messages, and reasoning belongs to the one after it', () => {
  const said = messages([
    { role: 'assistant', content: 'One.' },
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
    { role: 'assistant', content: 'Two.' },
  ])
  expect(said).toEqual([
    { role: 'assistant', content: 'One.' },
    {
      role: 'assistant',
      content: 'Two.',
      reasoning_details: [{ type: 'reasoning.summary', summary: 'Hm.' }],
    },
  ])
})

test('a tool of free text, its call and its output come through', () => {
  const request = chat({
    input: [
      { role: 'user', content: 'Patch it.' },
      { type: 'custom_tool_call', call_id: 'c', name: 'patch', input: '- a\n+ b' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'done' },
    ],
    tools: [
      {
        type: 'custom',
        name: 'patch',
        format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' },
      },
    ],
    tool_choice: { type: 'custom', name: 'patch' },
  })
  expect(request.messages[1]).toMatchObject({
    tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'patch', input: '- a\n+ b' } }],
  })
  expect(request.tools).toEqual([
    {
      type: 'custom',
      custom: {
        name: 'patch',
        format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } },
      },
    },
  ])
  expect(request.tool_choice).toEqual({ type: 'custom', custom: { name: 'patch' } })
})

test('every parameter has its place in the form inside', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } } }
  const request = chat({
    max_output_tokens: 100,
    stream: true,
    temperature: 0.5,
    top_p: 0.9,
    tools: [{ type: 'function', name: 'weather', description: 'Tells it', parameters: schema, strict: true }],
    tool_choice: { type: 'function', name: 'weather' },
    parallel_tool_calls: false,
    text: { format: { type: 'json_schema', name: 'city', schema, strict: true }, verbosity: 'low' },
    reasoning: { effort: 'high', summary: 'auto' },
    include: ['reasoning.encrypted_content'],
    metadata: { job: '7' },
    user: 'u',
    safety_identifier: 's',
    prompt_cache_key: 'k',
    service_tier: 'auto',
    truncation: 'disabled',
    store: false,
    background: false,
    previous_response_id: null,
    models: ['test/large'],
    max_price_usd: '0.05',
  })
  expect(request).toEqual({
    model: 'test/small',
    messages: [{ role: 'user', content: 'Hi' }],
    max_completion_tokens: 100,
    stream: true,
    temperature: 0.5,
    top_p: 0.9,
    tools: [
      {
        type: 'function',
        function: { name: 'weather', description: 'Tells it', parameters: schema, strict: true },
      },
    ],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    parallel_tool_calls: false,
    response_format: { type: 'json_schema', json_schema: { name: 'city', schema, strict: true } },
    verbosity: 'low',
    reasoning_effort: 'high',
    user: 'u',
    safety_identifier: 's',
    prompt_cache_key: 'k',
    service_tier: 'auto',
    models: ['test/large'],
    max_price_usd: '0.05',
  })
})

test('tools that are not allowed are not sent', () => {
  const tool = (name: string) => ({ type: 'function', name, parameters: {}, strict: null })
  const request = chat({
    tools: [tool('a'), tool('b')],
    tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'b' }] },
  })
  expect(request.tools?.map((one) => (one.type === 'function' ? one.function.name : ''))).toEqual(['b'])
  expect(request.tool_choice).toBe('required')
})

test.each([
  ['a parameter that nobody knows', { surprise: 1 }, 'surprise'],
  ['an answer that is to be kept', { store: true }, 'no answer is kept here'],
  [
    'an answer that was kept elsewhere',
    { previous_response_id: 'resp_1' },
    'the whole conversation in input',
  ],
  ['a conversation', { conversation: 'conv_1' }, 'all of it in input'],
  ['work in the background', { background: true }, 'must be false'],
  ['a kept prompt', { prompt: { id: 'p' } }, 'send instructions and input'],
  ['a reference to an item', { input: [{ type: 'item_reference', id: 'x' }] }, 'send the item itself'],
  ['a tool of the provider', { tools: [{ type: 'web_search' }] }, 'only function and custom tools'],
  ['a choice of such a tool', { tool_choice: { type: 'file_search' } }, 'only function and custom tools'],
  [
    'a file',
    { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] },
    'input_text or input_image',
  ],
  [
    'an output that answers no call',
    { input: [{ type: 'function_call_output', call_id: 'a', output: '' }] },
    'no call of this call_id',
  ],
  ['leaving out what is too long', { truncation: 'auto' }, 'nothing is left out'],
  ['log probabilities', { top_logprobs: 3 }, '/v1/chat/completions'],
  ['sources of a search', { include: ['file_search_call.results'] }, 'only reasoning.encrypted_content'],
  ['another service tier', { service_tier: 'priority' }, 'service_tier'],
  [
    'an unknown field of a tool',
    { tools: [{ type: 'function', name: 'a', defer_loading: true }] },
    'defer_loading',
  ],
])('%s is refused by name', (_what, more, words) => {
  expect(problem(more)).toContain(words)
})

test('the same body at another door is another request', () => {
  const body = { model: 'test/small', input: 'Hi' }
  const here = orderAt('/v1/responses', body)?.digest
  expect(here).toMatch(/^0x[0-9a-f]{64}$/)
  expect(
    orderAt('/v1/chat/completions', { model: 'test/small', messages: [{ role: 'user', content: 'Hi' }] })
      ?.digest,
  ).not.toBe(here)
  expect(orderAt('/v1/responses', { ...body, temperature: 1 })?.digest).not.toBe(here)
})
