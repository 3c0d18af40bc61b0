import { expect, test } from 'vitest'
import { seeded } from '../campaign/crash.ts'
import { HARMLESS, printChaos, runChaos } from './chaos.ts'
import { FAULTS, LOSES, planFaults } from './faults.ts'

const PATIENCE_MS = 240_000

test(
  'a fleet through every fault that loses no data answers nobody twice and loses no payment',
  async () => {
    const result = await runChaos({ seed: 1, seconds: 30, rate: 8, faults: HARMLESS, everyMs: 1_900 })
    expect(result.problems, printChaos(result).join('\n')).toEqual([])
    expect(result.verdict).toMatchObject({ doubles: 0n, forgotten: 0n, unpaidEver: 0n })
    // Well over half of all agents get their answer in spite of everything.
    expect(result.verdict.served).toBeGreaterThan(result.calls * 0.6)
  },
  PATIENCE_MS,
)

test(
  'a fleet whose store is flushed goes on, and what it lost stays within the exposure limit',
  async () => {
    const result = await runChaos({ seed: 5, seconds: 12, rate: 8, faults: ['flush', 'kill'] })
    expect(result.problems, printChaos(result).join('\n')).toEqual([])
    expect(result.verdict.served).toBeGreaterThan(result.calls * 0.6)
  },
  PATIENCE_MS,
)

test('a seed always gives the same plan, in which every fault has its turn', () => {
  const plan = (seed: number, faults = HARMLESS) =>
    planFaults({ random: seeded(seed), seconds: 120, faults, instances: 3 })
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
  expect(new Set(plan(7).map((one) => one.kind))).toEqual(new Set(HARMLESS))
  const losses = plan(7, FAULTS).filter(({ kind }) => LOSES.has(kind))
  expect(losses.length).toBeGreaterThan(0)
  expect(losses.slice(1).every((one, i) => one.at - losses[i]!.at >= 20_000)).toBe(true)
})
