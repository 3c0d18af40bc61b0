import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMeter } from '../../src/call/meter.ts'
import type { WireAnswer } from '../../src/wire/openai.ts'

const facts = { input: 20, maxOutput: 50, choices: 1 }
const said = (content: string, more: object = {}): WireAnswer => ({
  choices: [{ delta: { content } }],
  ...more,
})
const usage = (prompt: unknown, completion: unknown, more: object = {}): WireAnswer => ({
  choices: [],
  usage: { prompt_tokens: prompt, completion_tokens: completion, ...more },
})
const metered = (parts: readonly unknown[], more: Partial<typeof facts> = {}) => {
  const meter = createMeter({ ...facts, ...more })
  for (const part of parts) meter.see(part as WireAnswer)
  return meter
}
const hello = [said('so'), said(' it'), said(' is')]
const delivered = { input: 20, cached: 0, output: 3, source: 'delivered' }

test.each([
  ['usage at the end', [...hello, usage(10, 3)], { input: 10, cached: 0, output: 3, source: 'reported' }],
  ['no usage', hello, delivered],
  ['usage of null', [...hello, { choices: [], usage: null }], delivered],
  ['negative usage', [...hello, usage(-10, -3)], delivered],
  ['fractions', [...hello, usage(10.5, 3.5)], delivered],
  ['text for numbers', [...hello, usage('10', '3')], delivered],
  ['half of it missing', [...hello, usage(10, undefined)], { ...delivered, input: 10 }],
  ['the other half missing', [...hello, usage(undefined, 2)], { ...delivered, output: 2 }],
  ['a billion tokens', [...hello, usage(1e9, 1e9)], { ...delivered, source: 'reported' }],
  [
    'a billion tokens that nobody saw',
    [...hello, usage(10, 1e9, { completion_tokens_details: { reasoning_tokens: 1e9 } })],
    { input: 10, cached: 0, output: 50, source: 'reported' },
  ],
  [
    'hidden reasoning within the cap',
    [...hello, usage(10, 43, { completion_tokens_details: { reasoning_tokens: 40 } })],
    { input: 10, cached: 0, output: 43, source: 'reported' },
  ],
  ['an explicit zero', [...hello, usage(0, 0)], { input: 0, cached: 0, output: 0, source: 'reported' }],
  [
    'split over chunks',
    [
      { choices: [], usage: { prompt_tokens: 10 } },
      ...hello,
      { choices: [], usage: { completion_tokens: 3 } },
    ],
    { input: 10, cached: 0, output: 3, source: 'reported' },
  ],
  [
    'in a chunk with choices',
    [hello[0], hello[1], said(' is', { usage: { prompt_tokens: 10, completion_tokens: 3 } })],
    { input: 10, cached: 0, output: 3, source: 'reported' },
  ],
  [
    'in every chunk, the last holds',
    [
      said('so', { usage: { prompt_tokens: 10, completion_tokens: 1 } }),
      said(' it', { usage: { prompt_tokens: 10, completion_tokens: 2 } }),
    ],
    { input: 10, cached: 0, output: 2, source: 'reported' },
  ],
  [
    'only in the first chunk, before the text',
    [usage(10, 0), ...hello],
    { input: 10, cached: 0, output: 3, source: 'delivered' },
  ],
  [
    'twice, the last holds',
    [...hello, usage(10, 3), usage(11, 4)],
    { input: 11, cached: 0, output: 4, source: 'reported' },
  ],
  [
    'cached tokens',
    [...hello, usage(18, 3, { prompt_tokens_details: { cached_tokens: 16 } })],
    { input: 18, cached: 16, output: 3, source: 'reported' },
  ],
  [
    'more cached tokens than tokens',
    [...hello, usage(10, 3, { prompt_tokens_details: { cached_tokens: 99 } })],
    { input: 10, cached: 10, output: 3, source: 'reported' },
  ],
  [
    'absurd details',
    [...hello, usage(10, 3, { prompt_tokens_details: 5, completion_tokens_details: 'x' })],
    { input: 10, cached: 0, output: 3, source: 'reported' },
  ],
])('usage: %s', (_, parts, expected) => {
  expect(metered(parts).usage()).toEqual(expected)
})

test('a provider that writes more than it was allowed is cut, and billed for the quote at most', () => {
  const meter = metered(Array.from({ length: 170 }, () => said(' word')))
  expect(meter.overrun()).toBe(true)
  expect(meter.usage().output).toBe(50)
})

test('a long tool call in tiny pieces is counted by what it says, not by its wrapping', () => {
  const call = (args: string) => ({
    choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: args } }] } }],
  })
  const meter = metered([
    {
      choices: [
        {
          delta: {
            tool_calls: [
              { index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } },
            ],
          },
        },
      ],
    },
    ...'{"city":"Paris","days":[1,2,3]}'.split('').map(call),
  ])
  expect(meter.hasContent()).toBe(true)
  expect(meter.overrun()).toBe(false)
  expect(meter.usage().output).toBeLessThanOrEqual(36)
})

test.each([
  ['text', { content: 'a' }],
  ['a refusal', { refusal: 'No.' }],
  ['reasoning', { reasoning_content: 'Hm' }],
  ['reasoning by its other name', { reasoning: 'Hm' }],
  ['a tool call', { tool_calls: [{ index: 0, function: { name: 'f', arguments: '' } }] }],
  ['a custom tool call', { tool_calls: [{ index: 0, custom: { name: 'f', input: 'x' } }] }],
  ['an old function call', { function_call: { name: 'f' } }],
  ['content in parts', { content: [{ type: 'text', text: 'a' }] }],
  ['reasoning that is not shown', { reasoning_details: [{ type: 'reasoning.text', text: '' }] }],
])('%s is an answer', (_, delta) => {
  expect(metered([{ choices: [{ delta }] }]).hasContent()).toBe(true)
  expect(metered([{ choices: [{ message: delta }] }]).hasContent()).toBe(true)
})

test.each([
  ['a role', { role: 'assistant', content: '' }],
  ['nothing', {}],
  ['null', null],
  ['empty lists', { content: null, tool_calls: [], refusal: null, function_call: null }],
  ['empty parts', { content: [] }],
  ['no reasoning', { reasoning_details: [] }],
])('%s is no answer yet', (_, delta) => {
  expect(metered([{ choices: [{ delta }] }]).hasContent()).toBe(false)
})

test('an answer is finished when every choice said so, and one that says it twice counts once', () => {
  const end = (index: number) => ({ choices: [{ index, delta: {}, finish_reason: 'stop' }] })
  expect(metered([end(0)]).finished()).toBe(true)
  expect(metered([end(0), end(0)], { choices: 2 }).finished()).toBe(false)
  expect(metered([end(0), end(1)], { choices: 2 }).finished()).toBe(true)
  expect(
    metered(
      [
        {
          choices: [
            { index: 0, finish_reason: 'stop' },
            { index: 1, finish_reason: 'length' },
          ],
        },
      ],
      { choices: 2 },
    ).finished(),
  ).toBe(true)
})

test('whatever a provider sends, metering never throws and never passes the cap', () => {
  const odd = fc.jsonValue({ maxDepth: 3 })
  const part = fc.oneof(
    fc.record({ choices: odd, usage: odd }, { requiredKeys: [] }),
    fc.record({
      choices: fc.array(
        fc.record({ index: odd, delta: odd, message: odd, finish_reason: odd }, { requiredKeys: [] }),
      ),
    }),
    fc.record({
      choices: fc.array(
        fc.record({ delta: fc.record({ content: odd, tool_calls: odd, function_call: odd, refusal: odd }) }),
      ),
    }),
    fc.record({
      usage: fc.record({
        prompt_tokens: odd,
        completion_tokens: fc.oneof(fc.integer(), odd),
        prompt_tokens_details: odd,
        completion_tokens_details: fc.oneof(fc.record({ reasoning_tokens: fc.integer() }), odd),
      }),
    }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const meter = metered(parts)
      const { input, cached, output } = meter.usage()
      for (const count of [input, cached, output])
        expect(Number.isSafeInteger(count) && count >= 0).toBe(true)
      expect(output).toBeLessThanOrEqual(50)
      expect(cached).toBeLessThanOrEqual(input)
      expect(input).toBeLessThanOrEqual(20 * 4 + 2_000)
      meter.finished()
      meter.overrun()
    }),
    { numRuns: 1000 },
  )
})

test('the digest is that of everything that was sent, in however many pieces, and may be asked for on the way', () => {
  const meter = createMeter(facts)
  let all = ''
  for (let i = 0; i < 100; i++) {
    const piece = `é${i}`.repeat(i % 7 === 0 ? 2_000 : 1)
    meter.sent(piece)
    all += piece
    expect(meter.digest()).toBe(`0x${hash('sha256', all)}`)
  }
})

test('the digest is that of everything that was sent', () => {
  const meter = createMeter(facts)
  meter.sent('Hello')
  meter.sent(' there')
  const other = createMeter(facts)
  other.sent('Hello there')
  expect(meter.digest()).toBe(other.digest())
  expect(meter.digest()).toMatch(/^0x[0-9a-f]{64}$/)
})

test('an answer whose tokens all went into hidden thoughts is one, and billed; one that is just empty is none', () => {
  const empty = (finish_reason: string, reasoning_tokens: number) => {
    const meter = createMeter({ input: 10, maxOutput: 500, choices: 1 })
    meter.see({
      choices: [{ index: 0, message: { content: '' }, finish_reason }],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 500,
        completion_tokens_details: { reasoning_tokens },
      },
    })
    return { isAnswer: meter.hasContent(), output: meter.usage().output }
  }
  expect(empty('length', 500)).toEqual({ isAnswer: true, output: 500 })
  expect(empty('length', 0).isAnswer).toBe(false)
  expect(empty('stop', 500).isAnswer).toBe(false)
})
