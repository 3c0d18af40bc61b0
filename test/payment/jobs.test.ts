import { expect, test } from 'vitest'
import { createJobs } from '../../src/payment/jobs.ts'
import { aCall, aJob } from './a-job.ts'

const never = new AbortController().signal
const settled = async (promise: Promise<void>) =>
  Promise.race([
    promise.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
  ])

test('who waits for a payment goes on when it ends, and not before', async () => {
  const jobs = createJobs()
  jobs.put(aJob(aCall(1)))
  const waits = [jobs.ended('call_1', never), jobs.ended('call_1', never)]
  expect(await settled(waits[0]!)).toBe(false)
  jobs.end('call_1')
  expect(await Promise.all(waits.map(settled))).toEqual([true, true])
  expect(jobs.size()).toBe(0)
})

test('who waits for a payment that has ended, or that nobody knows, goes on at once', async () => {
  const jobs = createJobs()
  jobs.put(aJob(aCall(1)))
  jobs.end('call_1')
  expect(await settled(jobs.ended('call_1', never))).toBe(true)
  expect(await settled(jobs.ended('call_2', never))).toBe(true)
})

test('who gives up goes on at once, and the others keep waiting', async () => {
  const jobs = createJobs()
  jobs.put(aJob(aCall(1)))
  const impatient = new AbortController()
  const [gone, stays] = [jobs.ended('call_1', impatient.signal), jobs.ended('call_1', never)]
  impatient.abort()
  expect(await settled(gone)).toBe(true)
  expect(await settled(stays)).toBe(false)
  expect(await settled(jobs.ended('call_1', impatient.signal))).toBe(true)
  jobs.end('call_1')
  expect(await settled(stays)).toBe(true)
})
