import { expect, test } from 'vitest'
import { type Candidate, isStrategy, type Strategy, scoresOf } from '../../src/route/strategies.ts'

const one = (part: Partial<Candidate>): Candidate => ({
  quality: 0.9,
  cost: 0.01,
  latencyMs: 2_000,
  failing: 0.01,
  ...part,
})

const first = (candidates: readonly Candidate[], strategy: Strategy, knob?: number): number => {
  const scores = scoresOf(candidates, strategy, knob)
  return scores.indexOf(Math.max(...scores))
}

const ALL = ['balanced', 'cost', 'latency', 'availability'] as const

test('a strategy is known by its name', () => {
  expect(ALL.every(isStrategy)).toBe(true)
  expect(isStrategy('cheapest')).toBe(false)
})

test('one model at several hosts: cost takes the cheapest, latency the fastest, availability the one that fails least', () => {
  const hosts = [
    one({ cost: 0.01, latencyMs: 1_000, failing: 0.05 }),
    one({ cost: 0.0095, latencyMs: 4_000, failing: 0.04 }),
    one({ cost: 0.012, latencyMs: 3_000, failing: 0.001 }),
  ]
  expect(first(hosts, 'latency')).toBe(0)
  expect(first(hosts, 'cost')).toBe(1)
  expect(first(hosts, 'availability')).toBe(2)
})

test('balanced takes the cheaper of two like hosts, but not one that fails most of the time', () => {
  expect(first([one({ cost: 0.01 }), one({ cost: 0.008 })], 'balanced')).toBe(1)
  expect(first([one({ cost: 0.01 }), one({ cost: 0.008, failing: 0.7 })], 'balanced')).toBe(0)
})

test('a prompt that all models answer well goes to a cheap one, a hard one to the flagship', () => {
  const pool = (small: number) => [
    one({ quality: 0.95, cost: 0.02, flagship: true }),
    one({ quality: small, cost: 0.001 }),
  ]
  expect(first(pool(0.93), 'balanced')).toBe(1)
  expect(first(pool(0.5), 'balanced')).toBe(0)
  expect(first(pool(0.85), 'cost')).toBe(1)
  expect(first(pool(0.85), 'balanced')).toBe(0)
})

test('the knob moves the choice towards the cheaper or the better', () => {
  const pool = [one({ quality: 0.95, cost: 0.02, flagship: true }), one({ quality: 0.85, cost: 0.001 })]
  expect(first(pool, 'balanced', -1)).toBe(1)
  expect(first(pool, 'balanced', 1)).toBe(0)
})

test('a flagship is told from its own hosts by their price, whichever comes first', () => {
  const dear = one({ quality: 0.95, cost: 0.02, flagship: true })
  const cheap = one({ quality: 0.95, cost: 0.015, flagship: true })
  expect(first([dear, cheap], 'cost')).toBe(1)
  expect(first([cheap, dear], 'cost')).toBe(0)
})

test.each(ALL)('%s has an answer for free models, unknown times and a thousand candidates', (strategy) => {
  const free = [one({ cost: 0 }), one({ cost: 0, quality: 0.2 }), one({ cost: 0, latencyMs: Number.NaN })]
  const many = Array.from({ length: 1_000 }, (_, i) =>
    one({ quality: (i % 97) / 97, cost: (i % 31) / 1_000 }),
  )
  expect(scoresOf(free, strategy).every(Number.isFinite)).toBe(true)
  expect(scoresOf(many, strategy).every(Number.isFinite)).toBe(true)
  expect(scoresOf(many, strategy)).toHaveLength(1_000)
  expect(first(free, strategy)).not.toBe(1)
  expect(scoresOf([], strategy)).toEqual([])
})
