import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTempo } from '../../src/route/tempo.ts'

const start = () => {
  let now = 1_000_000
  const tempo = createTempo({ clock: { now: () => now, sleep: async () => {} } })
  return {
    tempo,
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('nothing is said of a host before it has answered a few times', () => {
  const { tempo } = start()
  for (let i = 0; i < 7; i++) tempo.began('p', 'm', 300)
  expect(tempo.slowFirstMs('p', 'm')).toBeUndefined()
  tempo.began('p', 'm', 300)
  expect(tempo.slowFirstMs('p', 'm')).toBeDefined()
  expect(tempo.expectMs('p', 'm', 100)).toBeUndefined()
})

test('what is learned is within a step of the truth', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.5, max: 200_000, noNaN: true }), (ms) => {
      const { tempo } = start()
      for (let i = 0; i < 20; i++) tempo.began('p', 'm', ms)
      const told = tempo.slowFirstMs('p', 'm')!
      expect(told / ms).toBeGreaterThanOrEqual(0.999)
      expect(told / ms).toBeLessThanOrEqual(1.21)
    }),
  )
})

test('the slow ones of twenty are told apart from the usual ones', () => {
  const { tempo } = start()
  for (let i = 0; i < 300; i++) tempo.began('p', 'm', i % 10 === 0 ? 4_000 : 200)
  for (let i = 0; i < 20; i++) tempo.ended('p', 'm', { ms: 1_000, tokens: 100 })
  expect(tempo.slowFirstMs('p', 'm')).toBeGreaterThanOrEqual(4_000)
  const expected = tempo.expectMs('p', 'm', 100)!
  expect(expected).toBeGreaterThan(1_100)
  expect(expected).toBeLessThan(1_500)
  expect(tempo.slowMs('p', 'm', 100)).toBeGreaterThan(4_900)
})

test('an answer in one piece took its wait too', () => {
  const { tempo } = start()
  for (let i = 0; i < 20; i++) {
    tempo.began('p', 'm', 1_000)
    tempo.ended('p', 'm', { ms: 3_000, tokens: 100, whole: true })
  }
  const expected = tempo.expectMs('p', 'm', 100)!
  expect(expected).toBeGreaterThan(2_600)
  expect(expected).toBeLessThan(3_600)
})

test('what a host did long ago is forgotten, first by newer answers and then by time', () => {
  const { tempo, pass } = start()
  for (let i = 0; i < 100; i++) tempo.began('p', 'm', 9_000)
  for (let i = 0; i < 400; i++) tempo.began('p', 'm', 100)
  expect(tempo.slowFirstMs('p', 'm')).toBeLessThan(130)
  pass(3_600_000)
  expect(tempo.slowFirstMs('p', 'm')).toBeUndefined()
})

test('it stays exact over millions of answers', () => {
  const { tempo } = start()
  for (let i = 0; i < 100_000; i++) tempo.began('p', 'm', 100)
  for (let i = 0; i < 500; i++) tempo.began('p', 'm', 500)
  expect(tempo.slowFirstMs('p', 'm')).toBeGreaterThanOrEqual(500)
  expect(tempo.slowFirstMs('p', 'm')).toBeLessThan(610)
})

test('one host says nothing of another, nor a short answer of the pace', () => {
  const { tempo } = start()
  for (let i = 0; i < 20; i++) tempo.ended('p', 'm', { ms: 5_000, tokens: 2 })
  expect([tempo.expectMs('p', 'm', 10), tempo.slowFirstMs('p', 'n')]).toEqual([undefined, undefined])
})
