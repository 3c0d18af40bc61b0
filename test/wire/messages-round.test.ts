import fc from 'fast-check'
import { expect, test } from 'vitest'
import { abilitiesOf } from '../../src/providers/anthropic/models.ts'
import { messagesBody } from '../../src/providers/anthropic/request.ts'
import { type MessagesRequest, messagesRequestSchema } from '../../src/wire/anthropic.ts'
import { chatOf } from '../../src/wire/messages/request.ts'
import { chatRequestSchema, forwardBody } from '../../src/wire/openai.ts'

const MODEL = 'claude-opus-4-6'

/** Anthropic's request in our form and back. */
const round = (request: MessagesRequest): unknown => {
  const chat = chatRequestSchema.parse(chatOf(request))
  const signal = new AbortController().signal
  const ask = { body: forwardBody(chat), model: MODEL, maxOutput: 10_000_000, signal }
  return messagesBody(ask, abilitiesOf(MODEL))
}

type Blocks = { [key: string]: unknown; type: string; text?: string }[]
const isPlain = (blocks: Blocks) =>
  blocks.length === 1 && blocks[0]!.type === 'text' && !blocks[0]!['cache_control']
const asBlocks = (content: unknown): Blocks =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : (content as Blocks)
const short = (content: unknown): unknown => {
  const blocks = asBlocks(content).map((one) =>
    one['content'] ? { ...one, content: short(one['content']) } : one,
  )
  return isPlain(blocks) ? blocks[0]!.text : blocks
}

/**
 * All that may change: one text is a string, turns of one side are joined, a mark for the whole is on the last block, thinking
 * that may be shown is, and what says nothing is left out.
 */
const normal = ({ cache_control, stream, ...request }: MessagesRequest): unknown => {
  const turns: { role: string; content: Blocks }[] = []
  for (const { role, content } of request.messages) {
    const last = turns.at(-1)
    if (last?.role === role) last.content = [...last.content, ...asBlocks(content)]
    else turns.push({ role, content: [...asBlocks(content)] })
  }
  if (cache_control) {
    const cached = (one: Blocks[number]) => !/thinking/.test(one.type)
    const blocks = turns.findLast(({ content }) => content.some(cached))?.content ?? []
    const at = blocks.findLastIndex(cached)
    if (at !== -1) blocks[at] = { cache_control, ...blocks[at]! }
  }
  const { thinking, system } = request
  return {
    ...request,
    ...(stream && { stream }),
    ...(system !== undefined && { system: short(system) }),
    messages: turns.map(({ role, content }) => ({ role, content: short(content) })),
    ...(thinking?.type === 'adaptive' && { thinking: { display: 'summarized', ...thinking } }),
  }
}

const word = fc.string({ minLength: 1, maxLength: 8 })
const id = fc.stringMatching(/^toolu_[a-zA-Z0-9]{1,6}$/)
const maybe = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((one) => (one === undefined ? {} : { [key]: one }))
const all = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((made) => Object.assign({}, ...made) as object)
const mark = maybe('cache_control', fc.constantFrom({ type: 'ephemeral' }, { type: 'ephemeral', ttl: '5m' }))
const of = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields)

const text = all(of({ type: fc.constant('text'), text: word }), mark)
const image = all(
  of({
    type: fc.constant('image'),
    source: fc.oneof(
      of({
        type: fc.constant('base64'),
        media_type: fc.constantFrom('image/png', 'image/webp'),
        data: fc.base64String({ minLength: 4 }),
      }),
      of({ type: fc.constant('url'), url: fc.webUrl() }),
    ),
  }),
  mark,
)
const result = all(
  of({
    type: fc.constant('tool_result'),
    tool_use_id: id,
    content: fc.oneof(word, fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 2 })),
  }),
  maybe('is_error', fc.boolean()),
  mark,
)
const call = all(
  of({
    type: fc.constant('tool_use'),
    id,
    name: fc.constantFrom('f', 'g'),
    // As it is on the wire, which has no -0.
    input: fc.dictionary(word, fc.jsonValue({ maxDepth: 1 })).map((one) => JSON.parse(JSON.stringify(one))),
  }),
  mark,
)
const thought = fc.oneof(
  of({ type: fc.constant('thinking'), thinking: fc.string({ maxLength: 8 }), signature: word }),
  of({ type: fc.constant('redacted_thinking'), data: word }),
)
const blocks = (...kinds: fc.Arbitrary<object>[]) =>
  fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 4 })
const turn = fc.oneof(
  of({ role: fc.constant('user'), content: fc.oneof(word, blocks(text, image, result)) }),
  of({ role: fc.constant('assistant'), content: fc.oneof(word, blocks(text, call, thought)) }),
)
const schema = fc.constantFrom(
  { type: 'object' },
  { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
)
const alone = maybe('disable_parallel_tool_use', fc.boolean())
const tools = all(
  of({
    tools: fc.array(
      all(
        of({ name: fc.constantFrom('f', 'g'), input_schema: schema }),
        maybe('description', word),
        maybe('strict', fc.boolean()),
        mark,
      ),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  maybe(
    'tool_choice',
    fc.oneof(
      all(of({ type: fc.constantFrom('auto', 'any') }), alone),
      all(of({ type: fc.constant('tool'), name: fc.constant('f') }), alone),
      fc.constant({ type: 'none' }),
    ),
  ),
)
const display = maybe('display', fc.constantFrom('summarized', 'omitted'))
const effort = maybe('effort', fc.constantFrom('low', 'medium', 'high', 'max'))
const format = maybe('format', of({ type: fc.constant('json_schema'), schema }))
const request = all(
  of({
    model: fc.constant(MODEL),
    max_tokens: fc.integer({ min: 1, max: 10_000 }),
    messages: fc.array(turn, { minLength: 1, maxLength: 5 }),
  }),
  maybe('system', fc.oneof(word, fc.array(text, { minLength: 1, maxLength: 2 }))),
  fc.oneof(fc.constant({}), tools),
  maybe(
    'thinking',
    fc.oneof(
      all(
        of({ type: fc.constant('enabled'), budget_tokens: fc.integer({ min: 1_024, max: 9_000 }) }),
        display,
      ),
      all(of({ type: fc.constant('adaptive') }), display),
      fc.constant({ type: 'disabled' }),
    ),
  ),
  all(effort, format).map((output_config) =>
    Object.keys(output_config).length > 0 ? { output_config } : {},
  ),
  fc.oneof(
    maybe('temperature', fc.double({ min: 0, max: 0.99, noNaN: true })),
    maybe('top_p', fc.double({ min: 0, max: 0.99, noNaN: true })),
  ),
  maybe('top_k', fc.integer({ min: 1, max: 500 })),
  maybe('stop_sequences', fc.array(word, { minLength: 1, maxLength: 4 })),
  maybe('metadata', of({ user_id: word })),
  maybe('service_tier', fc.constantFrom('auto', 'standard_only')),
  maybe('stream', fc.boolean()),
  mark,
) as fc.Arbitrary<MessagesRequest>

test("a request comes through our form as it was, but for what Anthropic's own documentation calls the same", () => {
  fc.assert(
    fc.property(request, (given) => {
      const parsed = messagesRequestSchema.parse(given)
      expect(round(parsed)).toEqual(normal(parsed))
    }),
    { numRuns: 500 },
  )
})
