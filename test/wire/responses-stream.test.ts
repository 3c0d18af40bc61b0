import fc from 'fast-check'
import OpenAI from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { expect, test } from 'vitest'
import { errorBody } from '../../src/errors.ts'
import type { WireAnswer } from '../../src/wire/openai.ts'
import { type ResponsesRequest, responsesRequestSchema } from '../../src/wire/responses.ts'
import { responsesDoor, responsesOrder } from '../../src/wire/responses-door.ts'

const ABOUT = { id: 'call_1', model: 'test/small', created: 1_700_000_000 }
const USAGE = {
  prompt_tokens: 10,
  completion_tokens: 7,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 3 },
}
const asked = (more: Record<string, unknown> = {}): ResponsesRequest =>
  responsesRequestSchema.parse({ model: 'test/small', input: 'Hi', ...more })
const piece = (delta: object, finish_reason: string | null = null): WireAnswer => ({
  choices: [{ index: 0, delta, finish_reason }],
})

/** The whole stream as it is written to the socket. */
const render = (parts: readonly WireAnswer[], request = asked(), end: 'done' | 'failed' = 'done'): string => {
  const rendering = responsesDoor(request).stream(ABOUT)
  const text = parts.map((part) => rendering.chunk(part, JSON.stringify(part))).join('')
  return text + (end === 'done' ? rendering.done() : rendering.failed(errorBody('stream_broken')))
}
const eventsOf = (text: string): ResponseStreamEvent[] =>
  text
    .split('\n\n')
    .filter(Boolean)
    .map((event) => {
      const [name, data] = event.split('\n')
      const parsed = JSON.parse(data!.slice('data: '.length)) as ResponseStreamEvent
      expect(name).toBe(`event: ${parsed.type}`)
      return parsed
    })
const typesOf = (text: string) => eventsOf(text).map(({ type }) => type.replace('response.', ''))

/** OpenAI's SDK reading these bytes; it checks every event against those before it. */
const sdk = (text: string) => {
  const answer = new Response(text, { headers: { 'content-type': 'text/event-stream' } })
  const client = new OpenAI({ apiKey: 'unused', maxRetries: 0, fetch: async () => answer })
  return client.responses.stream({ model: 'test/small', input: 'Hi' })
}
const whole = (message: object, finish: string, request = asked()) =>
  JSON.parse(
    responsesDoor(request).answer(
      '',
      { choices: [{ index: 0, message, finish_reason: finish }], usage: USAGE },
      ABOUT,
    ),
  )

test('a text is told in the order that OpenAI tells it', async () => {
  const text = render([
    piece({ role: 'assistant', content: '' }),
    piece({ content: 'Hello' }),
    piece({ content: ' there' }),
    piece({}, 'stop'),
    { choices: [], usage: USAGE },
  ])
  expect(typesOf(text)).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'completed',
  ])
  expect(await sdk(text).finalResponse()).toMatchObject({
    id: 'resp_call_1',
    object: 'response',
    status: 'completed',
    model: 'test/small',
    output_text: 'Hello there',
    store: false,
    usage: {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 17,
    },
  })
})

test('calls that are written side by side are told apart, and none is lost', async () => {
  const call = (index: number, more: object) => piece({ tool_calls: [{ index, ...more }] })
  const text = render([
    call(0, { id: 'a', type: 'function', function: { name: 'one', arguments: '' } }),
    call(1, { id: 'b', type: 'function', function: { name: 'two', arguments: '{"x"' } }),
    call(0, { function: { arguments: '{}' } }),
    call(1, { function: { arguments: ':1}' } }),
    piece({}, 'tool_calls'),
  ])
  expect((await sdk(text).finalResponse()).output).toMatchObject([
    { type: 'function_call', call_id: 'a', name: 'one', arguments: '{}', status: 'completed' },
    { type: 'function_call', call_id: 'b', name: 'two', arguments: '{"x":1}', status: 'completed' },
  ])
})

test('calls with one index, without an index, without an id or with the same id are still calls of their own', async () => {
  const named = (name: string, more: object = {}) => ({ function: { name, arguments: '{}' }, ...more })
  const forms = [
    [named('a', { index: 0, id: '1' }), named('b', { index: 0, id: '2' })],
    [named('a', { id: '1' }), named('b', { id: '2' })],
    [named('a'), named('b')],
    [named('a', { index: 0, id: 'same' }), named('b', { index: 1, id: 'same' })],
  ]
  for (const calls of forms) {
    const streamed = await sdk(render(calls.map((one) => piece({ tool_calls: [one] })))).finalResponse()
    for (const { output } of [streamed, whole({ tool_calls: calls }, 'tool_calls')]) {
      expect(output).toMatchObject([
        { name: 'a', arguments: '{}' },
        { name: 'b', arguments: '{}' },
      ])
      expect(new Set(output.map((one: { call_id?: string }) => one.call_id)).size).toBe(2)
    }
  }
})

test('signed thinking comes back unchanged with the next request', async () => {
  const details = [
    { type: 'reasoning.text', text: 'Let me see', signature: 'sig', format: 'anthropic-claude-v1', index: 0 },
    { type: 'reasoning.encrypted', data: 'xyz', index: 1 },
  ]
  const streamed = render([
    piece({
      reasoning: 'Let me',
      reasoning_details: [
        { type: 'reasoning.text', text: 'Let me', format: 'anthropic-claude-v1', index: 0 },
      ],
    }),
    piece({ reasoning: ' see', reasoning_details: [{ type: 'reasoning.text', text: ' see', index: 0 }] }),
    piece({ reasoning_details: [{ type: 'reasoning.text', signature: 'sig', index: 0 }] }),
    piece({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'xyz', index: 1 }] }),
    piece({ content: 'Yes.' }, 'stop'),
  ])
  const answers = [
    (await sdk(streamed).finalResponse()).output,
    whole({ content: 'Yes.', reasoning_details: details }, 'stop').output,
  ]
  for (const output of answers) {
    expect(output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Let me see' }] },
      { type: 'message' },
    ])
    const next = asked({ input: [...output, { role: 'user', content: 'And?' }] })
    expect(responsesOrder(next).request.messages[0]).toEqual({
      role: 'assistant',
      content: 'Yes.',
      reasoning_details: details,
    })
  }
})

test('reasoning is shown as a summary to who asks for one', async () => {
  const parts = [
    piece({ reasoning_content: 'Hm. ' }),
    piece({ reasoning_content: 'So.' }),
    piece({ content: 'Yes.' }, 'stop'),
  ]
  const text = render(parts, asked({ reasoning: { summary: 'auto' } }))
  expect(typesOf(text).slice(2, 9)).toEqual([
    'output_item.added',
    'reasoning_summary_part.added',
    'reasoning_summary_text.delta',
    'reasoning_summary_text.delta',
    'reasoning_summary_text.done',
    'reasoning_summary_part.done',
    'output_item.done',
  ])
  expect((await sdk(text).finalResponse()).output[0]).toMatchObject({
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: 'Hm. So.' }],
  })
})

test('reasoning that is to come back does so, even where nobody signed it', () => {
  const { output } = whole(
    { content: 'Yes.', reasoning: 'Hm.' },
    'stop',
    asked({ include: ['reasoning.encrypted_content'] }),
  )
  const { request } = responsesOrder(asked({ input: output }))
  expect(request.messages).toEqual([
    { role: 'assistant', content: 'Yes.', reasoning_details: [{ type: 'reasoning.text', text: 'Hm.' }] },
  ])
})

test('a refusal is told as one', async () => {
  const final = await sdk(
    render([piece({ refusal: 'No' }), piece({ refusal: ', sorry.' }, 'stop')]),
  ).finalResponse()
  expect(final.output).toMatchObject([{ content: [{ type: 'refusal', refusal: 'No, sorry.' }] }])
})

test.each([
  ['length', 'max_output_tokens'],
  ['content_filter', 'content_filter'],
])('an answer that ended by %s is not shown as a whole one', async (finish, reason) => {
  const final = await sdk(render([piece({ content: 'Hel' }), piece({}, finish)])).finalResponse()
  expect(final).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason },
    output: [{ status: 'incomplete' }],
  })
  expect(whole({ content: 'Hel' }, finish)).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason },
  })
})

test('a stream that broke off makes the SDK throw, and says what came', async () => {
  const text = render([piece({ content: 'Hel' })], asked(), 'failed')
  expect(eventsOf(text).at(-1)).toMatchObject({
    type: 'response.failed',
    response: {
      status: 'failed',
      error: { code: 'stream_broken' },
      output: [{ content: [{ text: 'Hel' }] }],
    },
  })
  await expect(sdk(text).finalResponse()).rejects.toThrow('broke off')
})

const words = fc.string({ maxLength: 12 })
const detail = fc.oneof(
  fc.record({ type: fc.constant('reasoning.text'), text: words, index: fc.nat(2) }),
  fc.record({ type: fc.constant('reasoning.text'), signature: words, index: fc.nat(2) }),
  fc.record({ type: fc.constant('reasoning.summary'), summary: words }),
  fc.record({ type: fc.constant('reasoning.encrypted'), data: words }),
)
const call = fc.record(
  {
    index: fc.nat(3),
    id: fc.constantFrom('a', 'b', ''),
    function: fc.record({ name: fc.constantFrom('one', 'two', ''), arguments: words }, { requiredKeys: [] }),
  },
  { requiredKeys: ['function'] },
)
const custom = fc.record({ index: fc.nat(3), id: words, custom: fc.record({ name: words, input: words }) })
const anything = fc.jsonValue({ maxDepth: 2 })
const delta = fc.oneof(
  fc.record({ content: words }),
  fc.record({ refusal: words }),
  fc.record({ reasoning: words }),
  fc.record({ reasoning_content: words }),
  fc.record({ reasoning_details: fc.array(detail, { maxLength: 3 }) }),
  fc.record({ tool_calls: fc.array(fc.oneof(call, custom), { maxLength: 3 }) }),
  fc.record({
    content: anything,
    refusal: anything,
    reasoning: anything,
    reasoning_details: anything,
    tool_calls: anything,
    function_call: anything,
  }),
)
const part = fc.record({
  choices: fc.array(
    fc.record({
      index: fc.constant(0),
      delta,
      finish_reason: fc.constantFrom(null, null, null, null, null, 'stop', 'length'),
    }),
    { maxLength: 1 },
  ),
})

test('whatever a host streams, and wherever it is cut, the SDK takes it and every item ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 12 }), fc.boolean(), async (parts, summary) => {
      const request = asked(summary ? { reasoning: { summary: 'auto' } } : {})
      const text = render(parts as WireAnswer[], request)
      const events = eventsOf(text)
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i))
      const final = await sdk(text).finalResponse()
      const last = events.at(-1) as unknown as { response: { output: unknown[] } }
      expect(final.output).toMatchObject(last.response.output as object[])
      const ended = events.filter(({ type }) => type === 'response.output_item.done')
      expect(ended).toHaveLength(final.output.length)
      const said = parts.flatMap(({ choices }) =>
        choices.map((one) => (one.delta as { content?: unknown }).content),
      )
      const plain = said.filter((one) => typeof one === 'string').join('')
      if (said.every((one) => one === undefined || typeof one === 'string'))
        expect(final.output_text).toBe(plain)
    }),
    { numRuns: 300 },
  )
})

test('what comes back with the next request is always taken', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const last = eventsOf(render(parts as WireAnswer[])).at(-1) as unknown as {
        response: { output: { type: string; name?: string }[] }
      }
      // A call without a name is the host's mistake.
      const output = last.response.output.filter((one) => one.name !== '')
      const next = responsesRequestSchema.safeParse({
        model: 'test/small',
        input: [...output, { role: 'user', content: 'Go on.' }],
      })
      expect(next.error?.issues).toBeUndefined()
    }),
    { numRuns: 300 },
  )
})
