import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ChatRequest, chatRequestSchema, forwardBody } from '../../src/wire/openai.ts'
import { chatOrder } from '../../src/wire/order.ts'
import { everyField, everyTurn } from '../support/requests.ts'

const parse = (body: unknown) => chatRequestSchema.parse(body)
const base = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }
const refused = (more: Record<string, unknown>) =>
  chatRequestSchema.safeParse({ ...base, ...more }).success === false

test('every field and every kind of message is forwarded as it came', () => {
  expect(parse(everyField)).toEqual(everyField)
  expect(parse({ model: 'm', messages: everyTurn })).toEqual({ model: 'm', messages: everyTurn })
})

test('what steers us is not forwarded, everything else is', () => {
  const steering = {
    models: ['a', 'b'],
    provider: { order: ['x'], allow_fallbacks: false },
    max_price_usd: '0.05',
  }
  expect(forwardBody(parse({ ...everyField, ...steering }))).toEqual(everyField)
})

const text = fc.string({ unit: 'binary', maxLength: 20 })
const extras = fc.dictionary(
  fc.constantFrom('name', 'annotations', 'reasoning_content', 'x', 'audio'),
  fc.jsonValue({ maxDepth: 2 }),
)
const content = fc.oneof(
  text,
  fc.array(fc.record({ type: fc.constant('text'), text }), { minLength: 1, maxLength: 3 }),
)
const message = fc
  .tuple(fc.constantFrom('system', 'developer', 'user', 'assistant'), content, extras)
  .map(([role, said, more]) => ({ ...more, role, content: said }))
const schema = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__'),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 4 },
)
const request = fc.record(
  {
    model: fc.string({ minLength: 1, maxLength: 20 }),
    messages: fc.array(message, { minLength: 1, maxLength: 4 }),
    max_tokens: fc.option(fc.integer({ min: 1, max: 1000 })),
    stream: fc.option(fc.boolean()),
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    stop: fc.oneof(text, fc.array(text, { maxLength: 4 })),
    tools: fc.array(
      fc.record({
        type: fc.constant('function'),
        function: fc.record({ name: fc.constant('f'), parameters: schema }),
      }),
      {
        maxLength: 2,
      },
    ),
    provider: fc.record({ only: fc.constant(['p']), sort: fc.constant('price') }, { requiredKeys: [] }),
  },
  { requiredKeys: ['model', 'messages'] },
)

const digestOf = (request: ChatRequest) => chatOrder(request).digest

test('the digest of a request survives being parsed and written again, in any order of its fields', () => {
  fc.assert(
    fc.property(request, (body) => {
      const once = parse(JSON.parse(JSON.stringify(body)))
      const again = parse(JSON.parse(JSON.stringify(once)))
      expect(digestOf(again)).toBe(digestOf(once))
      const reversed = Object.fromEntries(Object.entries(body).reverse())
      expect(digestOf(parse(JSON.parse(JSON.stringify(reversed))))).toBe(digestOf(once))
    }),
  )
})

test('a request that differs in anything has another digest', () => {
  const digest = digestOf(parse(everyField))
  for (const key of Object.keys(everyField).filter((one) => one !== 'model' && one !== 'messages')) {
    const { [key]: _gone, ...rest } = everyField as Record<string, unknown>
    expect(digestOf(parse(rest)), key).not.toBe(digest)
  }
  expect(digestOf(parse({ ...base, stream: true }))).not.toBe(digestOf(parse(base)))
  expect(digestOf(parse({ ...base, max_price_usd: '1' }))).not.toBe(digestOf(parse(base)))
})

test.each(
  Object.entries({
    n: [0, -1, 9, 1.5, '1'],
    max_tokens: [0, -1, 1e12, 1.5, '50'],
    max_completion_tokens: [0, -1, 1e12, 0.1, Number.MAX_SAFE_INTEGER],
    model: ['', 5, null, 'x'.repeat(201)],
    messages: [[], {}, null, [{ role: 'user' }], [{ role: 'robot', content: 'x' }], [{ content: 'x' }]],
    stream: ['true', 1],
    stream_options: [{ include_usage: 1 }, { continuous: true }],
    temperature: [-1, 2.1, '1', Number.NaN],
    stop: [['a', 'b', 'c', 'd', 'e'], 5],
    modalities: [['audio'], ['text', 'audio'], 'text'],
    service_tier: ['priority', 'flex', 'scale'],
    tools: [
      [{ type: 'web_search' }],
      [{ type: 'function', function: { name: '' } }],
      new Array(129).fill({}),
    ],
    logit_bias: [{ a: '1' }, []],
    metadata: [{ a: 1 }],
    seed: [1.5, 2 ** 60],
    max_price_usd: [0.05, '-1', '1e3', '$1', '0x1', ' 1', '0.0000001'],
    provider: [{ quantizations: ['fp8'] }, { sort: 'speed' }, { max_price: { request: 1 } }, 'openai'],
    models: ['a', new Array(21).fill('a')],
  }).flatMap(([field, values]) => values.map((value) => [field, value] as const)),
)('%s: %j is refused', (field, value) => {
  expect(refused({ [field]: value })).toBe(true)
})

test.each([
  'audio',
  'prediction',
  'web_search_options',
  'max_output_tokens',
  'best_of',
  'plugins',
  'transforms',
  'reasoning_max',
  'thinking',
  'route',
  'usage',
  'prompt',
  'api_base',
  'base_url',
  'extra_body',
  'fallbacks',
])('a field %s that we do not know could cost money and is refused', (field) => {
  const parsed = chatRequestSchema.safeParse({ ...base, [field]: {} })
  expect(parsed.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: [field] }])
})

test.each([
  ['audio', { type: 'input_audio', input_audio: { data: 'x', format: 'wav' } }],
  ['files', { type: 'file', file: { file_id: 'x' } }],
  ['an image by file URL', { type: 'image_url', image_url: { url: 'file:///etc/passwd' } }],
  ['an unknown detail', { type: 'image_url', image_url: { url: 'https://a/b.png', detail: 'ultra' } }],
  ['an unknown key in a part', { type: 'text', text: 'a', citations: { enabled: true } }],
])('%s in a message is refused, because nobody priced it', (_, part) => {
  expect(refused({ messages: [{ role: 'user', content: [part] }] })).toBe(true)
})
