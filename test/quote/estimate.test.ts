import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inputTokens, measure } from '../../src/quote/estimate.ts'
import { model, orderOf } from '../support/models.ts'
import { everyField, everyTurn } from '../support/requests.ts'

const small = model('a/small')
const user = (content: unknown) => orderOf({ messages: [{ role: 'user', content }] })
const count = (more: Record<string, unknown>) => inputTokens(measure(orderOf(more)), small, 1)

test('the expected number of tokens is never above the ceiling, whatever the text and the learned factor', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('€', '🙂', '中', '\n', '#', 'a') }),
  )
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0.6, max: 1.7, noNaN: true }),
      (texts, factor) => {
        const measured = measure(orderOf({ messages: texts.map((content) => ({ role: 'user', content })) }))
        const tokens = inputTokens(measured, small, factor)
        expect(Number.isSafeInteger(tokens.expected)).toBe(true)
        expect(tokens.expected).toBeLessThanOrEqual(tokens.ceiling)
        expect(tokens.expected).toBeGreaterThan(0)
      },
    ),
    { numRuns: 500 },
  )
})

test('the ceiling never exceeds a token a byte and the framing, however dense the text', () => {
  const measured = measure(user('#'.repeat(1000)))
  expect(inputTokens(measured, small, 1.7).ceiling).toBeLessThanOrEqual(1000 + 2 * measured.framing)
})

test('everything that a provider will read is counted', () => {
  const plain = count({}).expected
  const more: Record<string, unknown>[] = [
    {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello.' },
      ],
    },
    { messages: [{ role: 'user', content: 'Say hello.', name: 'a-long-participant-name' }] },
    { tools: everyField.tools },
    { functions: [{ name: 'f', parameters: { type: 'object' } }] },
    { response_format: everyField.response_format },
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Say hello.' },
            { type: 'text', text: 'And goodbye.' },
          ],
        },
      ],
    },
  ]
  for (const body of more) expect(count(body).expected, JSON.stringify(body)).toBeGreaterThan(plain)
})

test('tool calls, reasoning and annotations that come back in a conversation are counted', () => {
  for (const [i, turn] of everyTurn.entries()) {
    const without = everyTurn.filter((_, j) => j !== i)
    expect(count({ messages: everyTurn }).expected, turn.role).toBeGreaterThan(
      count({ messages: without }).expected,
    )
  }
})

test('an image is priced by its detail and never by its bytes or by fetching it', () => {
  const image = (url: string, detail?: string) => ({
    type: 'image_url',
    image_url: { url, ...(detail && { detail }) },
  })
  const bare = measure(user([{ type: 'text', text: 'x' }]))
  const tokens = (...parts: unknown[]) =>
    inputTokens(measure(user([{ type: 'text', text: 'x' }, ...parts])), small, 1)
  const none = inputTokens(bare, small, 1)
  expect(tokens(image('https://a/b.png', 'low')).expected - none.expected).toBe(300)
  expect(tokens(image('https://a/b.png')).expected - none.expected).toBe(3000)
  expect(tokens(image(`data:image/png;base64,${'A'.repeat(100_000)}`, 'high')).ceiling - none.ceiling).toBe(
    3000,
  )
})

test('a factor learned from reports moves the estimate of text, not that of images', () => {
  const words = 'The quick brown fox jumps over the lazy dog. '.repeat(50)
  const measured = measure(user(words))
  const at = (factor: number) => inputTokens(measured, small, factor).expected - measured.framing
  expect(at(1.5)).toBe(Math.ceil(measured.tokens * 1.5))
  expect(at(0.75)).toBe(Math.ceil(measured.tokens * 0.75))
})

test('a letter repeated a million times is measured at once', () => {
  const start = performance.now()
  measure(user('a'.repeat(1_000_000)))
  expect(performance.now() - start).toBeLessThan(1000)
})

test('a mark that is null marks nothing, so no write to a cache is quoted', () => {
  const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
  const marked = (cache_control: unknown) => [
    measure(orderOf({ messages: [{ role: 'user', content: 'Hi', cache_control }] })).marked,
    measure(
      orderOf({
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: null, tool_calls: [{ ...call, cache_control }] },
          { role: 'tool', tool_call_id: 'a', content: 'x' },
        ],
      }),
    ).marked,
  ]
  expect(marked(null)).toEqual([false, false])
  expect(marked({ type: 'ephemeral' })).toEqual([true, true])
})
