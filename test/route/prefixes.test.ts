import { expect, test } from 'vitest'
import { createPrefixes } from '../../src/route/prefixes.ts'
import { orderOf } from '../support/models.ts'

const start = () => {
  let now = 0
  const prefixes = createPrefixes({ clock: { now: () => now, sleep: async () => {} } })
  return {
    prefixes,
    pass: (ms: number) => {
      now += ms
    },
  }
}
const said = (...texts: string[]) =>
  orderOf({
    messages: texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
  })
const first = said('a long question')
const next = said('a long question', 'an answer', 'and then?')

test('the next turn of a conversation is expected to be cached where the last one was read', () => {
  const { prefixes } = start()
  prefixes.read(first, 'up', 'm', 5_000)
  const cached = prefixes.cached(next, 6_000)
  expect([cached('up', 'm'), cached('up', 'other'), cached('down', 'm')]).toEqual([5_000, 0, 0])
  prefixes.read(next, 'up', 'm', 6_000)
  expect(prefixes.cached(said('a long question', 'an answer', 'and then?', 'x', 'y'), 7_000)('up', 'm')).toBe(
    6_000,
  )
})

test('another conversation, other tools, or a changed beginning are not', () => {
  const { prefixes } = start()
  prefixes.read(first, 'up', 'm', 5_000)
  for (const order of [
    said('another question', 'an answer', 'and then?'),
    orderOf({
      messages: next.request.messages,
      tools: [{ type: 'function', function: { name: 'f' } }],
    }),
  ])
    expect(prefixes.cached(order, 6_000)('up', 'm')).toBe(0)
})

test('what a provider does not cache is not counted on: short prompts, and after five minutes', () => {
  const { prefixes, pass } = start()
  prefixes.read(first, 'up', 'm', 900)
  expect(prefixes.cached(next, 6_000)('up', 'm')).toBe(0)
  prefixes.read(first, 'up', 'm', 5_000)
  expect(prefixes.cached(next, 900)('up', 'm')).toBe(0)
  pass(299_999)
  expect(prefixes.cached(next, 6_000)('up', 'm')).toBe(5_000)
  pass(1)
  expect(prefixes.cached(next, 6_000)('up', 'm')).toBe(0)
})
