import { expect, test } from 'vitest'
import { DOORS } from '../../src/wire/doors.ts'

const many = (count: number, one: (i: number) => unknown) => Array.from({ length: count }, (_, i) => one(i))
const parse = (path: string, body: object) => DOORS.find((one) => one.path === path)!.safeParse(body)
const chat = (more: object) => parse('/v1/chat/completions', { model: 'test/small', ...more })
const messages = (content: unknown[]) =>
  parse('/v1/messages', {
    model: 'test/small',
    max_tokens: 9,
    messages: [
      { role: 'assistant', content },
      { role: 'user', content: 'Hi' },
    ],
  })
const responses = (input: unknown[]) => parse('/v1/responses', { model: 'test/small', input })

/** The least of a few, ms: what it costs when nothing else runs. */
const cost = (work: () => unknown): number =>
  Math.min(
    ...many(3, () => {
      const from = performance.now()
      work()
      return performance.now() - from
    }).map(Number),
  )

test.each([
  ['tool calls', () => chat({ messages: [{ role: 'assistant', tool_calls: many(40_000, () => ({})) }] })],
  ['parts', () => chat({ messages: [{ role: 'user', content: many(40_000, () => ({})) }] })],
  ['messages', () => chat({ messages: many(10_000, () => ({ role: 'user', content: [{}] })) })],
  ['blocks', () => messages(many(40_000, () => ({ type: 'nope' })))],
])('of forty thousand mistakes in %s the first is told and the others are not looked for', (_, parsed) => {
  expect(parsed().error?.issues).toHaveLength(1)
})

test.each([
  ['calls', (count: number) => responses(many(count, callAt))],
  ['thoughts', (count: number) => responses(many(count, thoughtAt))],
  [
    'answers after a call',
    (count: number) =>
      responses([callAt(0), ...many(count - 1, () => ({ role: 'assistant', content: 'a' }))]),
  ],
  [
    'thoughts that nobody signed',
    (count: number) =>
      messages([
        ...many(count, () => ({ type: 'thinking', thinking: 'a', signature: '' })),
        ...many(count, () => ({ type: 'text', text: 'b' })),
      ]),
  ],
])('a turn of ten thousand %s costs ten times one of a thousand, not a hundred times', (_, parsed) => {
  expect(parsed(10_000).success).toBe(true)
  const few = cost(() => parsed(1_000))
  expect(cost(() => parsed(10_000))).toBeLessThan(Math.max(few * 40, 60))
})

const callAt = (i: number) => ({ type: 'function_call', call_id: `c${i}`, name: 'f', arguments: '{}' })
const thoughtAt = () => ({ type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: 'a' }] })

test('what comes back packed is read as strictly as what is not: too deep is a text like any other', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const pack = (json: string) => Buffer.from(json).toString('base64url')
  const encrypted_content = `fbx1.${pack(`[{"type":"reasoning.text","a":${deep}}]`)}`
  expect(responses([{ type: 'reasoning', id: 'r', summary: [], encrypted_content }]).success).toBe(true)
  const signature = `farebox.${pack(`{"type":"reasoning.text","a":${deep}}`)}`
  expect(messages([{ type: 'thinking', thinking: 'a', signature }]).success).toBe(true)
})
