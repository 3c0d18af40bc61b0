import Anthropic, { APIError } from '@anthropic-ai/sdk'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { errorBody } from '../../src/errors.ts'
import { answerOf, type Message } from '../../src/providers/anthropic/answer.ts'
import { abilitiesOf } from '../../src/providers/anthropic/models.ts'
import { messagesBody } from '../../src/providers/anthropic/request.ts'
import { chunksOf } from '../../src/providers/anthropic/stream.ts'
import { countTokensSchema, messagesRequestSchema } from '../../src/wire/anthropic.ts'
import { chatOf } from '../../src/wire/messages/request.ts'
import { messagesDoor } from '../../src/wire/messages-door.ts'
import { chatRequestSchema, type WireAnswer } from '../../src/wire/openai.ts'
import { eventsOf, message } from '../support/anthropic-upstream.ts'
import { chunk } from '../support/upstream.ts'

const about = { id: 'call_1', model: 'test/claude', created: 1 }
const telling = { created: 1, format: 'anthropic-claude-v1', hide: false }
const answered = (body: WireAnswer): Anthropic.Message =>
  JSON.parse(messagesDoor.answer(JSON.stringify(body), body, about)) as Anthropic.Message

/** The chunks of a stream as this door writes them. */
const written = (chunks: object[]): string => {
  const rendering = messagesDoor.stream(about)
  return chunks.map((one) => rendering.chunk(one, JSON.stringify(one))).join('') + rendering.done()
}
/** What Anthropic's own SDK makes of a stream. */
const read = (sse: string): Promise<Anthropic.Message> => {
  const fetch = async () => new Response(sse, { headers: { 'content-type': 'text/event-stream' } })
  const client = new Anthropic({ apiKey: 'none', baseURL: 'http://127.0.0.1:1', fetch, maxRetries: 0 })
  return client.messages
    .stream({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'x' }] })
    .finalMessage()
}
const typesOf = (sse: string): string[] => [...sse.matchAll(/^event: (.*)$/gm)].map((match) => match[1]!)
/** The chunks that Anthropic's events of a message become. */
const chunksFor = async (whole: ReturnType<typeof message>): Promise<Chunk[]> => {
  const events = eventsOf(whole).map(([type, fields]) => JSON.stringify({ type, ...fields }))
  const chunks: Chunk[] = []
  for await (const batch of chunksOf([events] as unknown as AsyncIterable<string[]>, telling))
    for (const data of batch) if (data !== '[DONE]') chunks.push(JSON.parse(data) as Chunk)
  return chunks
}
type Chunk = { choices: { delta: Record<string, unknown>; finish_reason: string | null }[]; usage?: unknown }
/** What comes out at the door of a message that Anthropic streamed. */
const relayed = async (whole: ReturnType<typeof message>): Promise<Anthropic.Message> =>
  read(written(await chunksFor(whole)))

/** What a caller of chat makes of chunks: texts end to end, thoughts and calls by their numbers. */
const gathered = (chunks: Chunk[]) => {
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
  const text = (key: string) => deltas.map((one) => one[key] ?? '').join('')
  const details: Record<string, unknown>[] = []
  const calls: { id: string; function: { name: string; arguments: string } }[] = []
  for (const one of deltas) {
    for (const detail of (one['reasoning_details'] ?? []) as { index: number; text?: string }[]) {
      const before = details.find(({ index }) => index === detail.index)
      if (before) Object.assign(before, detail, { text: `${before['text'] ?? ''}${detail.text ?? ''}` })
      else details.push({ ...detail })
    }
    for (const { index, ...call } of (one['tool_calls'] ?? []) as ({
      index: number
    } & (typeof calls)[number])[]) {
      if (calls[index]) calls[index].function.arguments += call.function.arguments
      else calls[index] = call
    }
  }
  return {
    content: text('content'),
    reasoning: text('reasoning_content'),
    details,
    calls,
    ...chunks.at(-2)!.choices[0],
  }
}

const word = fc.string({ minLength: 1, maxLength: 8 })
const text = fc.record({ type: fc.constant('text'), text: word })
const thought = fc.oneof(
  fc.record({ type: fc.constant('thinking'), thinking: fc.string({ maxLength: 8 }), signature: word }),
  fc.record({ type: fc.constant('redacted_thinking'), data: word }),
)
const use = fc.record({
  type: fc.constant('tool_use'),
  id: fc.stringMatching(/^toolu_[a-z]{2,9}$/),
  name: fc.constantFrom('f', 'g'),
  input: fc.dictionary(
    fc.constantFrom('a', 'b'),
    fc.jsonValue({ maxDepth: 1 }).map((one) => JSON.parse(JSON.stringify(one))),
  ),
})
const ending = fc.constantFrom(
  { stop_reason: 'end_turn', stop_sequence: null },
  { stop_reason: 'stop_sequence', stop_sequence: 'END' },
  { stop_reason: 'max_tokens', stop_sequence: null },
  { stop_reason: 'pause_turn', stop_sequence: null },
  { stop_reason: 'model_context_window_exceeded', stop_sequence: null },
  { stop_reason: 'refusal', stop_sequence: null },
)
const usage = fc.record({
  input_tokens: fc.nat(1_000),
  output_tokens: fc.integer({ min: 1, max: 1_000 }),
  cache_read_input_tokens: fc.nat(1_000),
  cache_creation_input_tokens: fc.nat(1_000),
  output_tokens_details: fc.record({ thinking_tokens: fc.nat(100) }),
})
const made = (content: fc.Arbitrary<object[]>) =>
  fc.record({ content: content, ending, usage }).map((one) => {
    const called = one.content.some((block) => (block as { type: string }).type === 'tool_use')
    const end = called ? { stop_reason: 'tool_use', stop_sequence: null } : one.ending
    return message(one.content, { ...end, usage: one.usage })
  })
const essence = ({ content, stop_reason, stop_sequence, usage: used }: Anthropic.Message) => ({
  content: content.map(({ ...block }) => block),
  stop_reason,
  stop_sequence,
  usage: used,
})

/** Thoughts before, between and behind texts, then calls. */
const spoken = fc
  .tuple(
    fc.array(thought, { maxLength: 2 }),
    fc.array(fc.tuple(text, fc.array(thought, { minLength: 1, maxLength: 2 })), { maxLength: 2 }),
    fc.array(text, { maxLength: 1 }),
    fc.array(use, { maxLength: 2 }),
  )
  .map(([first, pairs, last, calls]): object[] => [...first, ...pairs.flat(2), ...last, ...calls])
  .filter((blocks) => blocks.length > 0)

test('a message of Anthropic comes through our form as it was', () => {
  fc.assert(
    fc.property(made(spoken), (whole) => {
      const came = answered(answerOf(whole as Message, telling))
      expect(came).toMatchObject({ id: 'msg_1', type: 'message', role: 'assistant', model: 'test/claude' })
      expect(essence(came)).toEqual(essence(whole as unknown as Anthropic.Message))
    }),
  )
})

test('a stream tells the same as an answer in one piece', async () => {
  await fc.assert(
    fc.asyncProperty(made(spoken), async (whole) => {
      const { choices, usage } = answerOf(whole as Message, telling)
      const { message: said, ...end } = choices![0] as { message: Record<string, unknown> }
      const chunks = await chunksFor(whole)
      expect(chunks.at(-1)!.usage).toEqual(usage)
      expect(gathered(chunks)).toMatchObject({
        content: said['content'] ?? '',
        reasoning: said['reasoning_content'] ?? '',
        details: said['reasoning_details'] ?? [],
        calls: (said['tool_calls'] ?? []) as object[],
        ...end,
      })
    }),
  )
})

test('an answer goes back to Anthropic as it came, thoughts in their places, also from the door of chat', () => {
  fc.assert(
    fc.property(made(spoken), (whole) => {
      const said = answerOf(whole as Message, telling).choices![0]!.message as object
      const body = chatRequestSchema.parse({
        model: 'm',
        messages: [{ role: 'user', content: 'x' }, said, { role: 'user', content: 'y' }],
      })
      const model = 'claude-sonnet-4-6'
      const ask = { body, model, maxOutput: 100, signal: new AbortController().signal }
      const { messages } = messagesBody(ask, abilitiesOf(model)) as { messages: { content: unknown }[] }
      const [only] = whole.content as { type: string; text?: string }[]
      const plain = whole.content.length === 1 && only!.type === 'text'
      expect(messages[1]!.content).toEqual(plain ? only!.text : whole.content)
    }),
  )
})

test('a streamed message comes through in the order it was said in, and its SDK reads it', async () => {
  const content = fc.array(fc.oneof(text, thought, use), { minLength: 1, maxLength: 5 })
  // Texts that follow each other are one.
  const joined = (blocks: object[]) => {
    const all: { type: string; text?: string }[] = []
    for (const one of blocks as typeof all) {
      const last = all.at(-1)
      if (last?.type === 'text' && one.type === 'text')
        all[all.length - 1] = { ...one, text: `${last.text}${one.text}` }
      else all.push(one)
    }
    return all
  }
  await fc.assert(
    fc.asyncProperty(made(content), async (whole) => {
      const came = essence(await relayed(whole))
      const wanted = essence({ ...whole, content: joined(whole.content) } as unknown as Anthropic.Message)
      expect(came).toMatchObject(wanted)
      expect(came.content).toHaveLength(wanted.content.length)
    }),
    { numRuns: 50 },
  )
})

test('a stream of another host is events that the SDK reads: thinking, text, calls, usage', async () => {
  const call = (index: number, id: string | undefined, name: string | undefined, args: string) => ({
    tool_calls: [
      { index, ...(id && { id, type: 'function' }), function: { ...(name && { name }), arguments: args } },
    ],
  })
  const sse = written([
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning_content: 'Hm' }),
    chunk({ reasoning: '.' }),
    chunk({ content: 'Let me' }),
    chunk({ content: ' look.' }),
    chunk(call(0, 'a', 'f', '')),
    chunk(call(0, undefined, undefined, '{"x"')),
    chunk(call(0, undefined, undefined, ':1}')),
    chunk(call(1, 'b', 'g', '{}')),
    chunk({}, 'tool_calls'),
    {
      ...chunk({}),
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 4 } },
    },
  ])
  expect(await read(sse)).toMatchObject({
    content: [
      { type: 'thinking', thinking: 'Hm.', signature: '' },
      { type: 'text', text: 'Let me look.' },
      { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } },
      { type: 'tool_use', id: 'b', name: 'g', input: {} },
    ],
    stop_reason: 'tool_use',
    usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 7 },
  })
  expect(typesOf(sse).filter((type) => type !== 'content_block_delta')).toEqual([
    'message_start',
    ...Array.from({ length: 4 }, () => ['content_block_start', 'content_block_stop']).flat(),
    'message_delta',
    'message_stop',
  ])
})

test('calls that are all numbered alike, or not at all, stay apart; who calls and says `stop` means the call', async () => {
  const call = (id: string, more: object = {}) => ({
    tool_calls: [{ ...more, id, type: 'function', function: { name: 'f', arguments: '{}' } }],
  })
  for (const more of [{ index: 0 }, {}]) {
    const came = await read(written([chunk(call('a', more)), chunk(call('b', more)), chunk({}, 'stop')]))
    expect(came.content).toMatchObject([{ id: 'a' }, { id: 'b' }])
    expect(came.stop_reason).toBe('tool_use')
  }
})

test('calls without an index or an id, or with an object for their JSON, are whole and can be answered', async () => {
  const piece = (call: object) => ({
    choices: [{ index: 0, delta: { tool_calls: [call] }, finish_reason: null }],
  })
  const named = (name: string, input: unknown = '') => ({
    type: 'function',
    function: { name, arguments: input },
  })
  const more = (written: string) => ({ function: { arguments: written } })
  const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }
  const forms: object[][] = [
    [{ ...named('a'), id: '1' }, more('{"x"'), more(':1}'), { ...named('b'), id: '2' }, more('{"y":2}')],
    [named('a'), more('{"x"'), more(':1}'), named('b'), more('{"y":2}')],
    [
      { ...named('a', { x: 1 }), index: 0 },
      { ...named('b', { y: 2 }), index: 1 },
    ],
    [
      { ...named('a', '{"x":1}'), index: 0, id: '' },
      { ...named('b', '{"y":2}'), index: 1, id: '' },
    ],
    [
      { ...named('a', '{"x":1}'), index: 0, id: 's' },
      { ...named('b', '{"y":2}'), index: 1, id: 's' },
    ],
    [
      { ...named('a'), index: 0 },
      { ...more('{"x":1}'), index: 0, id: 'late' },
      { ...named('b', '{"y":2}'), index: 1 },
    ],
  ]
  for (const calls of forms) {
    const streamed = await read(written([...calls.map(piece), end]))
    const whole = calls.filter((one) => 'name' in (one as ReturnType<typeof named>).function)
    const isWhole = whole.length === calls.length
    const told = { choices: [{ index: 0, message: { tool_calls: whole }, finish_reason: 'tool_calls' }] }
    for (const { content } of [streamed, ...(isWhole ? [answered(told)] : [])]) {
      expect(content).toMatchObject([
        { type: 'tool_use', name: 'a', input: { x: 1 } },
        { type: 'tool_use', name: 'b', input: { y: 2 } },
      ])
      const ids = content.map((one) => (one.type === 'tool_use' ? one.id : ''))
      expect(new Set(ids).size).toBe(2)
      expect(ids.every((id) => /^[\w-]+$/.test(id))).toBe(true)
    }
  }
})

test('the end waits for the usage, comes once, and comes without it when there is none', () => {
  const rendering = messagesDoor.stream(about)
  const say = (one: object) => typesOf(rendering.chunk(one, ''))
  expect(say(chunk({ content: 'x' }))).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
  ])
  expect(say(chunk({}, 'stop'))).toEqual([])
  const told = { ...chunk({}), choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }
  expect(say(told)).toEqual(['content_block_stop', 'message_delta', 'message_stop'])
  expect(say(told)).toEqual([])
  expect(say(chunk({ content: 'late' }))).toEqual([])
  expect(rendering.done()).toBe('')
  const silent = messagesDoor.stream(about)
  silent.chunk(chunk({ content: 'x' }), '')
  silent.chunk(chunk({}, 'length'), '')
  expect(silent.done()).toContain('"stop_reason":"max_tokens"')
})

test('a stream that ends early says why in an error event, which the SDK throws', async () => {
  const rendering = messagesDoor.stream(about)
  const sse = rendering.chunk(chunk({ content: 'x' }), '') + rendering.failed(errorBody('stream_broken'))
  const error: unknown = await read(sse).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(APIError)
  expect(error).toMatchObject({
    type: 'api_error',
    error: { type: 'error', error: { code: 'stream_broken' } },
  })
})

test("another model's reasoning travels sealed in Anthropic's form, and comes back as it was", async () => {
  const format = 'google-gemini-v1'
  const details = [
    { type: 'reasoning.text', text: 'Hm.', signature: 'sig', format, id: 'r1', index: 0 },
    { type: 'reasoning.encrypted', data: 'abc', format, id: 'call-1', index: 1 },
    { type: 'reasoning.summary', summary: 'In short.', format: 'openai-responses-v1', index: 2 },
  ]
  const said = { role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.', reasoning_details: details }
  const whole = answered({ choices: [{ message: said, finish_reason: 'stop' }] })
  const chunks = details.map((one) => chunk({ reasoning_details: [one] }))
  const streamed = await read(written([...chunks, chunk({ content: 'Yes.' }), chunk({}, 'stop')]))
  for (const { content } of [whole, streamed]) {
    expect(content).toMatchObject([
      { type: 'thinking', thinking: 'Hm.' },
      { type: 'redacted_thinking' },
      { type: 'thinking', thinking: 'In short.' },
      { type: 'text', text: 'Yes.' },
    ])
    const history = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content },
    ]
    const { messages } = chatOf(messagesRequestSchema.parse({ model: 'm', max_tokens: 1, messages: history }))
    expect(messages[1]).toEqual({ role: 'assistant', content: 'Yes.', reasoning_details: details })
  }
})

test('reasoning that nobody signed comes back under the name it had', () => {
  const content = [
    { type: 'thinking', thinking: 'Hm.', signature: '' },
    { type: 'text', text: 'Yes.', citations: null },
    { type: 'tool_use', id: 'a', name: 'f', input: {}, caller: { type: 'direct' } },
  ]
  const request = { model: 'm', max_tokens: 1, messages: [{ role: 'assistant', content }] }
  expect(chatOf(messagesRequestSchema.parse(request)).messages).toEqual([
    {
      role: 'assistant',
      content: 'Yes.',
      reasoning_content: 'Hm.',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
  ])
})

test('whatever a host writes, nothing breaks here', () => {
  const odd = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant({ toString: 1, valueOf: 1 }))
  const some = (...keys: string[]) =>
    fc.record(Object.fromEntries(keys.map((key) => [key, odd])), { requiredKeys: [] })
  const detail = fc.oneof(
    odd,
    fc.record({
      type: fc.constantFrom('reasoning.text', 'reasoning.encrypted'),
      text: odd,
      data: odd,
      signature: odd,
      index: odd,
    }),
  )
  const called = fc.oneof(
    odd,
    fc.record({ index: odd, id: odd, function: fc.oneof(odd, some('name', 'arguments')) }),
  )
  const said = fc.oneof(
    some('content', 'reasoning', 'refusal', 'tool_calls'),
    fc.record({ reasoning_details: fc.array(detail), tool_calls: fc.array(called) }),
  )
  const choice = fc.oneof(
    odd,
    fc.record(
      { delta: said, message: said, finish_reason: odd, native_finish_reason: odd },
      { requiredKeys: [] },
    ),
  )
  const answer = fc.record({ choices: fc.oneof(odd, fc.array(choice)), usage: odd }, { requiredKeys: [] })
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 4 }), (parts) => {
      for (const part of parts) JSON.parse(messagesDoor.answer('', part as WireAnswer, about))
      for (const line of written(parts as object[]).split('\n')) {
        if (line.startsWith('data: ')) JSON.parse(line.slice(6))
      }
    }),
    { numRuns: 500 },
  )
})

const valid = { model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] }
test.each([
  ['no cap on output', { max_tokens: undefined }],
  ['an unknown field', { container: 'c' }],
  ['a cache for an hour', { cache_control: { type: 'ephemeral', ttl: '1h' } }],
  ['a tool of the server', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
  [
    'a document',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }],
        },
      ],
    },
  ],
  [
    'an image that is a file',
    { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] }] },
  ],
  ['thinking of an unknown kind', { thinking: { type: 'often' } }],
  ['no message', { messages: [] }],
])('%s is refused', (_, more) => {
  expect(messagesRequestSchema.safeParse(valid).success).toBe(true)
  expect(messagesRequestSchema.safeParse({ ...valid, ...more }).success).toBe(false)
})

test('what steers us is taken beside, at this door too', () => {
  const steered = { ...valid, models: ['a'], strategy: 'cost', max_price_usd: '0.05' }
  expect(chatOf(messagesRequestSchema.parse(steered))).toMatchObject({
    models: ['a'],
    strategy: 'cost',
    max_price_usd: '0.05',
  })
  expect(countTokensSchema.safeParse({ model: 'm', messages: valid.messages }).success).toBe(true)
})
