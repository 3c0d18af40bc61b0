import { expect, test } from 'vitest'
import { createHealth } from '../../src/route/health.ts'

const start = () => {
  let now = 1_000_000
  const health = createHealth({ clock: { now: () => now, sleep: async () => {} } })
  return {
    health,
    pass: (ms: number) => {
      now += ms
    },
    rests: () => health.resting('p', 'm'),
  }
}

test('one failure is forgiven, the second in a row makes a host rest, twice as long each time up to 15 s', () => {
  const { health, pass, rests } = start()
  health.failed('p', 'm')
  expect(rests()).toBe(false)
  for (const ms of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    health.failed('p', 'm')
    expect(health.wakesIn()).toBe(ms)
    pass(ms - 1)
    expect(rests()).toBe(true)
    pass(1)
    expect(rests()).toBe(false)
  }
})

test('one success wakes a host and forgets its failures', () => {
  const { health, rests } = start()
  for (let i = 0; i < 5; i++) health.failed('p', 'm')
  expect(rests()).toBe(true)
  health.succeeded('p', 'm')
  expect(rests()).toBe(false)
  health.failed('p', 'm')
  expect(rests()).toBe(false)
})

test('a host that asks to be left alone is, from the first failure, for two minutes at most', () => {
  const { health, pass, rests } = start()
  health.failed('p', 'm', 30_000)
  expect(health.wakesIn()).toBe(30_000)
  pass(29_999)
  expect(rests()).toBe(true)
  pass(1)
  expect(rests()).toBe(false)
  health.failed('p', 'm', 3_600_000)
  expect(health.wakesIn()).toBe(120_000)
  health.succeeded('p', 'm')
  health.failed('p', 'm', -5)
  expect(rests()).toBe(false)
})

test('one host resting says nothing about another', () => {
  const { health } = start()
  for (let i = 0; i < 3; i++) health.failed('p', 'm')
  expect(health.resting('p', 'n')).toBe(false)
  expect(health.resting('q', 'm')).toBe(false)
  expect(health.wakesIn()).toBe(1_000)
})
