import fc from 'fast-check'
import { expect, test } from 'vitest'
import { orderAt } from '../../src/wire/doors.ts'
import { featuresOf } from '../../src/wire/features.ts'
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

test('an image that a tool gave back is shown to a host that takes images from tools', () => {
  const image_url = 'data:image/png;base64,AAAA'
  const request = chat({
    input: [
      { role: 'user', content: 'Look.' },
      { type: 'function_call', call_id: 'a', name: 'shot', arguments: '{}' },
      {
        type: 'function_call_output',
        call_id: 'a',
        output: [
          { type: 'input_text', text: 'Here:' },
          { type: 'input_image', image_url, detail: 'low' },
        ],
      },
    ],
  })
  expect(request.messages.at(-1)).toEqual({
    role: 'tool',
    tool_call_id: 'a',
    content: [
      { type: 'text', text: 'Here:' },
      { type: 'image_url', image_url: { url: image_url, detail: 'low' } },
    ],
  })
  expect(featuresOf(request)).toEqual(['vision', 'tool_images'])
})

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

test('two answers in a row stay two messages', () => {
  expect(
    messages([
      { role: 'assistant', content: 'One.' },
      { role: 'assistant', content: 'Two.' },
    ]),
  ).toEqual([
    { role: 'assistant', content: 'One.' },
    { role: 'assistant', content: 'Two.' },
  ])
})

test('what was thought between two words of an answer, or after them, stays with that answer', () => {
  const thought = (text: string) => ({ type: 'reasoning', summary: [{ type: 'summary_text', text }] })
  const one = { role: 'assistant', content: 'One.' }
  const two = { role: 'assistant', content: 'Two.' }
  expect(messages([thought('a'), one, thought('b'), two, thought('c')])).toEqual([
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'One.' },
        { type: 'text', text: 'Two.' },
      ],
      reasoning_details: ['a', 'b', 'c'].map((summary) => ({ type: 'reasoning.summary', summary })),
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

test('how to use tools is not said where there are none', () => {
  const bare = { model: 'test/small', messages: [{ role: 'user', content: 'Hi' }] }
  expect(chat({ tools: [], tool_choice: 'auto', parallel_tool_calls: true })).toEqual(bare)
  expect(chat({ parallel_tool_calls: false })).toEqual(bare)
  // Asking for a call without any tool is a mistake that a host may tell.
  expect(chat({ tool_choice: 'required' })).toEqual({ ...bare, tool_choice: 'required' })
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

let marks = 0
/** A word that stands nowhere else. */
const word = fc.constant(null).map(() => `word${marks++}.`)
const textPart = fc.record({ type: fc.constant('input_text'), text: word })
const picture = word.map((name) => ({ type: 'input_image', image_url: `https://example.com/${name}` }))
const said = fc.oneof(
  fc.record({ type: fc.constant('output_text'), text: word, annotations: fc.constant([]) }),
  fc.record({ type: fc.constant('refusal'), refusal: word }),
)
const listOf = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 })
const called = (id: string) =>
  fc.oneof(
    fc.record({ type: fc.constant('function_call'), call_id: fc.constant(id), name: word, arguments: word }),
    fc.record({ type: fc.constant('custom_tool_call'), call_id: fc.constant(id), name: word, input: word }),
  )
const turn = fc.oneof(
  fc.record({ role: fc.constant('user'), content: fc.oneof(word, listOf(fc.oneof(textPart, picture))) }),
  fc.record({ role: fc.constantFrom('system', 'developer'), content: fc.oneof(word, listOf(textPart)) }),
  fc.record({ role: fc.constant('assistant'), content: fc.oneof(word, listOf(said)) }),
  fc.record({
    type: fc.constant('reasoning'),
    summary: fc.constant([]),
    content: listOf(fc.record({ type: fc.constant('reasoning_text'), text: word })),
  }),
  fc.record({ type: fc.constant('reasoning'), summary: fc.constant([]), encrypted_content: word }),
  called('x'),
  fc.record({
    type: fc.constantFrom('function_call_output', 'custom_tool_call_output'),
    call_id: fc.constant('x'),
    output: fc.oneof(word, listOf(textPart)),
  }),
)

test('nothing that is said in a conversation is lost, and its order stays', () => {
  fc.assert(
    fc.property(called('x'), fc.array(turn, { maxLength: 8 }), (first, turns) => {
      const input = [first, ...turns]
      const words = (value: unknown): string[] => JSON.stringify(value).match(/word\d+\./g) ?? []
      const sent = messages(input)
      expect(words(sent).toSorted()).toEqual(words(input).toSorted())
      // Each item's words stand in one message, and no item comes before the one it followed.
      const places = input.map((item) => sent.findIndex((one) => words(one).includes(words(item)[0]!)))
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    }),
  )
})

test('a field that we do not know is refused wherever it stands', () => {
  const everything = {
    model: 'test/small',
    input: [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] },
      {
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'b' }],
        content: [{ type: 'reasoning_text', text: 'c' }],
      },
      { role: 'assistant', content: [{ type: 'output_text', text: 'd' }] },
      { type: 'function_call', call_id: 'x', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'x', output: [{ type: 'input_text', text: 'e' }] },
    ],
    tools: [{ type: 'custom', name: 'f', format: { type: 'text' } }],
    tool_choice: { type: 'custom', name: 'f' },
    text: { format: { type: 'json_object' } },
    reasoning: { effort: 'low' },
    provider: { max_price: { prompt: '1' } },
  }
  expect(responsesRequestSchema.safeParse(everything).error).toBeUndefined()
  const objects = (value: unknown, path: string[] = []): string[][] =>
    typeof value !== 'object' || value === null
      ? []
      : [
          ...(Array.isArray(value) ? [] : [path]),
          ...Object.entries(value).flatMap(([key, inner]) => objects(inner, [...path, key])),
        ]
  const paths = objects(everything)
  expect(paths.length).toBeGreaterThan(15)
  for (const path of paths) {
    const changed = structuredClone(everything)
    const at = path.reduce<Record<string, unknown>>((inner, key) => inner[key] as never, changed)
    at['surprise'] = true
    expect(responsesRequestSchema.safeParse(changed).success, path.join('.')).toBe(false)
  }
})
