import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freshLevel, type Level, type Outcome, step } from '../../src/admit/aimd.ts'

const BOUNDS = { start: 64, least: 4, most: 512 }
const level = (more: Partial<Level> = {}): Level => ({ ...freshLevel(BOUNDS, 0), ...more })
const answered = (at: number, firstByteMs?: number): Outcome => ({ kind: 'answered', at, firstByteMs })
const crowded = (at: number): Outcome => ({ kind: 'crowded', at })

const CASES: [
  title: string,
  before: Level,
  outcome: Outcome,
  inFlight: number,
  now: number,
  limit: number,
][] = [
  ['an answer, before the provider ever refused', level(), answered(0), 64, 10, 65],
  ['an answer, half the room being empty', level(), answered(0), 31, 10, 64],
  ['an answer at the most that is configured', level({ limit: 512 }), answered(0), 512, 10, 512],
  ['too many', level({ limit: 100 }), crowded(5), 100, 10, 70],
  ['too many, at the least', level({ limit: 4 }), crowded(5), 4, 10, 4],
  [
    'too many, said to a call from before it was lowered',
    level({ limit: 70, loweredAt: 10 }),
    crowded(5),
    70,
    11,
    70,
  ],
  [
    'too many, said to a call from after it was lowered',
    level({ limit: 70, loweredAt: 10 }),
    crowded(11),
    70,
    12,
    49,
  ],
  ['an answer, just after a refusal', level({ limit: 50, loweredAt: 0 }), answered(1), 50, 10, 50.02],
  [
    'an answer, a calm while after a refusal',
    level({ limit: 50, loweredAt: 0 }),
    answered(1),
    50,
    31_000,
    50.08,
  ],
  [
    'an answer, a long time after a refusal',
    level({ limit: 50, loweredAt: 0 }),
    answered(1),
    50,
    900_000,
    51,
  ],
  ['one slow first byte', level({ least: 100, usual: 100 }), answered(0, 20_000), 64, 10, 65],
  [
    'first bytes that are usually far slower than at its best',
    level({ least: 100, usual: 2_600 }),
    answered(1, 5_000),
    64,
    10,
    44.8,
  ],
  [
    'slow first bytes of a provider that is never fast',
    level({ least: 3_000, usual: 9_000 }),
    answered(1, 9_000),
    64,
    10,
    65,
  ],
]

test.each(CASES)('%s', (_, before, outcome, inFlight, now, limit) => {
  expect(step(before, outcome, BOUNDS, inFlight, now).limit).toBeCloseTo(limit, 6)
})

test('a provider that has become slower for good is judged by what it is now', () => {
  let now = 0
  let state = level()
  for (let i = 0; i < 50; i++) {
    now += 100
    state = step(state, answered(now, 50), BOUNDS, 64, now)
  }
  let lowered = 0
  for (let i = 0; i < 3_000; i++) {
    now += 100
    const after = step(state, answered(now, 4_000), BOUNDS, 600, now)
    if (after.limit < state.limit) lowered = now
    state = after
  }
  expect(lowered).toBeLessThan(200_000)
  expect(state.limit).toBe(512)
})

test('whatever happens, the limit stays within its bounds', () => {
  const event = fc.record({
    wait: fc.integer({ min: 0, max: 20_000 }),
    ago: fc.integer({ min: 0, max: 60_000 }),
    inFlight: fc.integer({ min: 0, max: 600 }),
    bad: fc.boolean(),
    ms: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
  })
  const bounds = fc.constantFrom(BOUNDS, { start: 64, least: 4, most: 2 }, { start: 1, least: 4, most: 10 })
  fc.assert(
    fc.property(bounds, fc.array(event, { maxLength: 300 }), (within, events) => {
      let now = 0
      let state = freshLevel(within, now)
      for (const { wait, ago, inFlight, bad, ms } of events) {
        now += wait
        const outcome = bad ? crowded(now - ago) : answered(now - ago, ms)
        state = step(state, outcome, within, inFlight, now)
        expect(state.limit).toBeLessThanOrEqual(within.most)
        expect(state.limit).toBeGreaterThanOrEqual(Math.min(within.least, within.most, within.start))
      }
    }),
  )
})
