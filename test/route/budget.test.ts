import { expect, test } from 'vitest'
import { createRetryBudget } from '../../src/route/budget.ts'

const start = () => {
  let now = 0
  const budget = createRetryBudget({ clock: { now: () => now, sleep: async () => {} } })
  const spend = (most: number): number => {
    let spent = 0
    for (; spent < most && budget.spare('p'); spent++) budget.spent('p')
    return spent
  }
  return {
    budget,
    spend,
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('in quiet times a few retries are free', () => {
  const { spend } = start()
  expect(spend(1_000)).toBe(10)
})

test('in busy times a fifth of the calls may be asked again, so that an outage is hardly made worse', () => {
  const { budget, spend } = start()
  for (let i = 0; i < 1_000; i++) budget.asked('p')
  expect(spend(1_000)).toBe(210)
})

test('a minute of outage at 50 calls a second costs the provider about a fifth more', () => {
  const { budget, spend, pass } = start()
  let retries = 0
  for (let i = 0; i < 3_000; i++) {
    budget.asked('p')
    retries += spend(1)
    pass(20)
  }
  expect(retries).toBeGreaterThan(500)
  expect(retries).toBeLessThan(3_000 * 0.2 + 80)
})

test('what was spent is earned again, and every provider has its own', () => {
  const { budget, spend, pass } = start()
  spend(10)
  expect([budget.spare('p'), budget.spare('q')]).toEqual([false, true])
  pass(10_000)
  expect(spend(1_000)).toBeGreaterThan(5)
})
