import { expect, test } from 'vitest'
import { createHealth } from '../../src/route/health.ts'
import { memoryBoard } from '../../src/store/board.ts'

const start = () => {
  let now = 1_000_000
  const clock = { now: () => now, sleep: async () => {} }
  const board = memoryBoard({ clock })
  const health = createHealth({ clock, board })
  const fail = (times: number, model = 'm') => {
    for (let i = 0; i < times; i++) health.failed('p', model)
  }
  return {
    health,
    fail,
    /** Another instance that shares the board. */
    other: () => createHealth({ clock, board }),
    pass: (ms: number) => {
      now += ms
    },
    rests: (model = 'm') => health.resting('p', model),
    probe: () => {
      health.began('p', 'm')
      health.failed('p', 'm')
    },
  }
}

test('one failure is forgiven, the second in a row makes a host rest; each probe that fails twice as long, up to 15 s', () => {
  const { health, fail, probe, pass, rests } = start()
  fail(1)
  expect(rests()).toBe(false)
  fail(1)
  for (const ms of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    expect(health.wakesIn()).toBe(ms)
    pass(ms - 1)
    expect(rests()).toBe(true)
    pass(1)
    expect(rests()).toBe(false)
    probe()
  }
})

test('what was asked before a host began to rest and fails afterwards does not make the rest longer', () => {
  const { health, fail, pass, rests } = start()
  fail(50)
  expect(health.wakesIn()).toBe(500)
  pass(500)
  fail(50)
  expect(rests()).toBe(false)
})

test('after a rest one call probes the host, and it rests for all others until that one has ended', () => {
  const { health, fail, pass, rests } = start()
  fail(2)
  pass(500)
  expect(rests()).toBe(false)
  health.began('p', 'm')
  expect(rests()).toBe(true)
  health.left('p', 'm')
  expect(rests()).toBe(false)
  health.began('p', 'm')
  health.succeeded('p', 'm')
  expect(rests()).toBe(false)
  fail(1)
  expect(rests()).toBe(false)
})

test('a probe that never comes back is given up', () => {
  const { health, fail, pass, rests } = start()
  fail(2)
  pass(500)
  health.began('p', 'm')
  pass(180_000)
  expect(rests()).toBe(false)
})

test('a host that was down is asked again within 15 s of its return', () => {
  const { health, fail, probe, pass, rests } = start()
  fail(2)
  for (let down = 0; down < 60_000; down += 100) {
    pass(100)
    if (!rests()) probe()
  }
  let waited = 0
  for (; rests(); waited += 100) pass(100)
  expect(waited).toBeLessThanOrEqual(15_000)
  health.began('p', 'm')
  health.succeeded('p', 'm')
  expect([rests(), health.wakesIn()]).toEqual([false, 0])
})

test('a busy host rests when half of its calls fail, not at two failures among many', () => {
  const { health, fail, rests } = start()
  for (let i = 0; i < 20; i++) health.succeeded('p', 'm')
  fail(4)
  expect(rests()).toBe(false)
  fail(1)
  expect(rests()).toBe(true)
  const second = start()
  for (let i = 0; i < 12; i++) {
    second.health.succeeded('p', 'm')
    if (i >= 6) second.fail(1)
  }
  expect(second.rests()).toBe(false)
  for (let i = 0; i < 8; i++) {
    second.fail(1)
    if (second.rests()) break
    second.health.succeeded('p', 'm')
    second.fail(1)
  }
  expect(second.rests()).toBe(true)
})

test('a host that asks to be left alone is, from the first failure, for two minutes at most, whatever ends well meanwhile', () => {
  const { health, pass, rests } = start()
  health.failed('p', 'm', { restMs: 30_000 })
  expect([health.wakesIn(), health.barredFor('p', 'm')]).toEqual([30_000, 30_000])
  health.succeeded('p', 'm')
  pass(29_999)
  expect(rests()).toBe(true)
  pass(1)
  expect([rests(), health.barredFor('p', 'm')]).toEqual([false, 0])
  health.failed('p', 'm', { restMs: 3_600_000 })
  expect(health.barredFor('p', 'm')).toBe(120_000)
  pass(120_000)
  health.succeeded('p', 'm')
  health.failed('p', 'm', { restMs: -5 })
  expect(rests()).toBe(false)
})

test('one host resting says nothing about another', () => {
  const { health, fail, rests } = start()
  fail(3)
  expect([rests('n'), health.resting('q', 'm')]).toEqual([false, false])
})

test('a provider that is away altogether rests for all of its models, and comes back for all', () => {
  const { health, pass, rests } = start()
  for (const model of ['m', 'n']) health.failed('p', model, { whole: true })
  expect([rests('m'), rests('n'), rests('never asked')]).toEqual([true, true, true])
  expect(health.resting('q', 'm')).toBe(false)
  pass(500)
  health.began('p', 'm')
  expect(rests('never asked')).toBe(true)
  health.succeeded('p', 'm')
  expect(rests('never asked')).toBe(false)
})

test('a provider that answers again, if only with an error, may be asked by others', () => {
  const { health, pass, rests } = start()
  for (let i = 0; i < 2; i++) health.failed('p', 'm', { whole: true })
  pass(500)
  health.began('p', 'm')
  health.failed('p', 'm')
  expect([rests('m'), rests('n')]).toEqual([true, false])
})

test('one model that is forbidden does not make a provider rest whose other models answer', () => {
  const { health, rests } = start()
  for (let i = 0; i < 10; i++) {
    health.failed('p', 'forbidden', { whole: true })
    health.succeeded('p', 'm')
  }
  expect([rests('forbidden'), rests('m')]).toEqual([true, false])
})

test('instances that share a board know who rests, each probes once, and the first success wakes the host for all', () => {
  const { health, fail, pass, other } = start()
  const second = other()
  fail(1)
  expect(second.resting('p', 'm')).toBe(false)
  fail(1)
  expect(second.resting('p', 'm')).toBe(true)
  pass(500)
  health.began('p', 'm')
  expect([health.resting('p', 'm'), second.resting('p', 'm')]).toEqual([true, false])
  second.began('p', 'm')
  second.succeeded('p', 'm')
  health.left('p', 'm')
  expect([health.resting('p', 'm'), health.wakesIn()]).toEqual([false, 0])
})

test('the share of failures follows what happens, and fades when nobody asks', () => {
  const { health, fail, pass } = start()
  expect(health.failing('p', 'm')).toBe(0)
  fail(40)
  expect(health.failing('p', 'm')).toBeGreaterThan(0.9)
  pass(30_000)
  expect(health.failing('p', 'm')).toBeCloseTo(0.5, 1)
  for (let i = 0; i < 40; i++) health.succeeded('p', 'm')
  expect(health.failing('p', 'm')).toBeLessThan(0.02)
})

test('a provider that is set up anew is asked at once', () => {
  const { health, rests } = start()
  for (let i = 0; i < 3; i++) health.failed('p', 'm', { whole: true, restMs: 60_000 })
  health.failed('pp', 'm', { restMs: 60_000 })
  health.forget('p')
  expect([rests(), health.failing('p', 'm'), health.resting('pp', 'm')]).toEqual([false, 0, true])
})
