import { expect, test } from 'vitest'
import type { Hex } from '../../src/assets.ts'
import { createAnswers } from '../../src/call/answers.ts'
import type { Route } from '../../src/route/plan.ts'

const route = {} as Route
const start = (capacity = 1 << 20) => {
  let now = 0
  const answers = createAnswers({
    clock: { now: () => now, sleep: async () => {} },
    ttlMs: 1_000,
    capacity,
  })
  return {
    answers,
    pass: (ms: number) => {
      now += ms
    },
  }
}
const text = (payer: Hex, digest: Hex, { answers }: Pick<ReturnType<typeof start>, 'answers'>) =>
  answers.find(payer, digest)?.text

test('an answer is given again to the payer who asked the very same, and to nobody else', () => {
  const own = start()
  own.answers.keep('0xa', '0x1', { text: 'hello', route })
  expect(text('0xa', '0x1', own)).toBe('hello')
  expect(text('0xb', '0x1', own)).toBeUndefined()
  expect(text('0xa', '0x2', own)).toBeUndefined()
})

test('an answer is forgotten after its time', () => {
  const own = start()
  own.answers.keep('0xa', '0x1', { text: 'hello', route })
  own.pass(999)
  expect(text('0xa', '0x1', own)).toBe('hello')
  own.pass(1)
  expect(text('0xa', '0x1', own)).toBeUndefined()
})

test('memory is bounded: the oldest give way, and one that is too large is not kept', () => {
  const own = start(10_000)
  for (let i = 0; i < 100; i++) own.answers.keep('0xa', `0x${i}`, { text: 'x'.repeat(500), route })
  const found = Array.from({ length: 100 }, (_, i) => i).filter((i) => text('0xa', `0x${i}`, own))
  expect(found).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
  own.answers.keep('0xb', '0x1', { text: 'x'.repeat(2_000), route })
  expect(text('0xb', '0x1', own)).toBeUndefined()
})

test('with no memory nothing is kept', () => {
  const own = start(0)
  own.answers.keep('0xa', '0x1', { text: '', route })
  expect(text('0xa', '0x1', own)).toBeUndefined()
})

test('an answer that did not arrive is forgotten, unless it was given again: then it has arrived', () => {
  const own = start()
  own.answers.keep('0xa', '0x1', { text: 'hello', route })
  expect(own.answers.lost('0xa', '0x1')).toBe(false)
  expect(text('0xa', '0x1', own)).toBeUndefined()

  own.answers.keep('0xa', '0x1', { text: 'hello', route })
  expect(text('0xa', '0x1', own)).toBe('hello')
  expect(own.answers.lost('0xa', '0x1')).toBe(true)
  expect(text('0xa', '0x1', own)).toBe('hello')
})
