import { expect, test } from 'vitest'
import { ATTACK, createLockout, LONGEST } from '../../src/accounts/lockout.ts'
import { Refusal } from '../../src/errors.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { handClock } from '../support/desk.ts'

const lockoutOf = () => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  return { clock, records, lockout: createLockout({ records, clock }) }
}
/** Seconds to wait; undefined when the try was let in. */
const waitOf = async (act: Promise<unknown>): Promise<number | undefined> => {
  try {
    await act
    return undefined
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'login_locked') throw error
    expect(error.status).toBe(429)
    return Number(error.details['retryAfter'])
  }
}
const HERE = '192.0.2.1'
const THERE = '198.51.100.9'

test('five tries are free, then each failure doubles the wait, up to 15 minutes', async () => {
  const { clock, lockout } = lockoutOf()
  for (let i = 0; i < 5; i++) expect(await waitOf(lockout.take('ann', HERE))).toBe(undefined)
  const waits: number[] = []
  for (let i = 0; i < 9; i++) {
    const wait = (await waitOf(lockout.take('ann', HERE)))!
    waits.push(wait)
    clock.pass(wait * 1000 - 1)
    expect(await waitOf(lockout.take('ann', HERE))).toBe(1)
    clock.pass(1)
    expect(await waitOf(lockout.take('ann', HERE))).toBe(undefined)
  }
  expect(waits).toEqual([15, 30, 60, 120, 240, 480, 900, 900, 900])
  expect(Math.max(...waits) * 1000).toBe(LONGEST)
})

test('tries beyond the lock are refused without being made', async () => {
  const { records, lockout } = lockoutOf()
  for (let i = 0; i < 5; i++) await lockout.take('ann', HERE)
  const before = await records.revision('lockouts')
  for (let i = 0; i < 100; i++) await waitOf(lockout.take('ann', HERE))
  expect(await records.revision('lockouts')).toBe(before)
})

test('a stranger who locks a name at his address locks it nowhere else', async () => {
  const { lockout } = lockoutOf()
  for (let i = 0; i < 30; i++) await waitOf(lockout.take('ann', HERE))
  expect(await waitOf(lockout.take('ann', HERE))).toBeGreaterThan(0)
  expect(await waitOf(lockout.take('ann', THERE))).toBe(undefined)
})

test('while a name is attacked from everywhere, a new address still has its one try', async () => {
  const { lockout } = lockoutOf()
  for (let i = 0; i < ATTACK; i++) await lockout.take('ann', `10.0.${i}.1`)
  expect(await waitOf(lockout.take('ann', THERE))).toBe(undefined)
  expect(await waitOf(lockout.take('ann', THERE))).toBe(15)
  // Other names are as before.
  for (let i = 0; i < 5; i++) expect(await waitOf(lockout.take('bob', THERE))).toBe(undefined)
})

test('one address that tries many names is slowed down for all of them', async () => {
  const { lockout } = lockoutOf()
  for (let i = 0; i < 20; i++) expect(await waitOf(lockout.take(`name${i}`, HERE))).toBe(undefined)
  expect(await waitOf(lockout.take('another', HERE))).toBe(15)
  expect(await waitOf(lockout.take('another', THERE))).toBe(undefined)
})

test('who gets it right may be wrong five times again, and is told how often it was wrong before', async () => {
  const { lockout } = lockoutOf()
  for (let i = 0; i < 3; i++) expect(await lockout.take('Ann', HERE)).toBe(i)
  expect(await lockout.take('ann', HERE)).toBe(3)
  await lockout.passed('ann', HERE)
  for (let i = 0; i < 5; i++) expect(await waitOf(lockout.take('ann', HERE))).toBe(undefined)
  expect(await waitOf(lockout.take('ann', HERE))).toBe(15)
})

test('many guesses at once are not more than one after the other', async () => {
  const { lockout } = lockoutOf()
  const waits = await Promise.all(Array.from({ length: 40 }, () => waitOf(lockout.take('ann', HERE))))
  expect(waits.filter((one) => one === undefined)).toHaveLength(5)
})

test('a day without a try forgets them all', async () => {
  const { clock, lockout } = lockoutOf()
  for (let i = 0; i < 5; i++) await lockout.take('ann', HERE)
  clock.pass(86_400_001)
  expect(await lockout.take('ann', HERE)).toBe(0)
})

test('an hour has room for a hundred failures in the audit log', async () => {
  const { clock, lockout } = lockoutOf()
  const told = async (times: number) => {
    let yes = 0
    for (let i = 0; i < times; i++) if (await lockout.mayTell()) yes++
    return yes
  }
  expect(await told(150)).toBe(100)
  clock.pass(3_600_000)
  expect(await told(1)).toBe(1)
})
