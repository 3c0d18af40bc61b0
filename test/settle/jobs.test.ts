import { expect, test } from 'vitest'
import { createJobs, jobOf } from '../../src/settle/jobs.ts'
import { aCall, aJob, aPayout, aTx } from './a-job.ts'

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

test('a change is made to a job as it stands, and one that has ended does not come back', () => {
  const jobs = createJobs()
  const old = aJob(aCall(1))
  jobs.put(old)
  jobs.change('call_1', { alone: true })
  jobs.change('call_1', { waiting: true })
  expect(jobs.get('call_1')).toMatchObject({ alone: true, waiting: true })
  expect(old.waiting).toBe(false)
  jobs.end('call_1')
  jobs.change('call_1', { waiting: true })
  expect([jobs.size(), jobs.waits()]).toEqual([0, 0])
})

test('those that wait for a transaction are known without looking at all others', () => {
  const jobs = createJobs()
  for (let i = 1; i <= 4; i++) jobs.put(aJob(aCall(i), [], { waiting: i % 2 === 0 }))
  expect(jobs.waiting().map((job) => job.item.id)).toEqual(['call_2', 'call_4'])
  jobs.change('call_2', { waiting: false })
  expect([jobs.waits(), jobs.size()]).toEqual([1, 4])
})

test('what an earlier process left behind: due and unsent waits, sent is sent again, seen is only looked for', () => {
  const due = aCall(1, { settlement: { at: 'due' } })
  const sent = aCall(2)
  const seen = aPayout(3, { task: { kind: 'withdrawal', channel: 'c' } })
  expect(jobOf(due, [], 0)).toMatchObject({ waiting: true, txs: [] })
  expect(jobOf(sent, [aTx(sent)], 0).waiting).toBe(false)
  expect(jobOf(sent, [], 0).waiting).toBe(true)
  expect(jobOf(seen, [], 0).waiting).toBe(false)
})
