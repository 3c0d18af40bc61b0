import { expect, test } from 'vitest'
import { createAppetite } from '../../src/settle/appetite.ts'
import { type BatchFacts, type BatchPolicy, groups } from '../../src/settle/batch.ts'
import type { Job } from '../../src/settle/jobs.ts'
import { aCall, aJob, aTx, inBlock } from './a-job.ts'

const policy: BatchPolicy = { maxDelayMs: 1_000, min: 2, max: 5 }
const waiting = (n: number, since = 0, change: Partial<Job> = {}) =>
  aJob(aCall(n), [], { waiting: true, since, ...change })
const some = (count: number, since = 0) => Array.from({ length: count }, (_, i) => waiting(i, since))
const go = (jobs: readonly Job[], more: Partial<BatchFacts> = {}, rules = policy) =>
  groups(rules, {
    waiting: jobs,
    companyOf: (job) => (job.alone ? undefined : 'anyone'),
    gasOf: () => 50_000n,
    serving: 1,
    now: 500,
    ...more,
  }).map((group) => group.length)

test.each<[string, number[], readonly Job[], Partial<BatchFacts>?]>([
  ['a full batch goes at once, and what is left over waits', [5], some(7)],
  ['several full batches go at once', [5, 5], some(10)],
  ['a small one waits while other calls are being served', [], some(3)],
  ['and goes when nothing else is being served', [3], some(3), { serving: 0 }],
  ['fewer than the least wait even then', [], some(1), { serving: 0 }],
  ['until the latency ceiling', [1], some(1), { now: 1_000 }],
  ['a batch is ripe when its oldest is', [2], [waiting(1, 900), waiting(2, 0)], { now: 1_000 }],
  ['what failed in company goes by itself, and at once', [1], [waiting(1, 0, { alone: true })]],
  ['what can go in no company goes by itself', [1, 1], some(2), { companyOf: () => undefined }],
  ['nothing waits when all must go', [1], some(1), { all: true }],
  ['nothing is sent where nothing waits', [], []],
])('%s', (_, sizes, jobs, more) => {
  expect(go(jobs, more)).toEqual(sizes)
})

test('a transaction holds no more gas than chains take', () => {
  const sizes = go(some(100), { gasOf: () => 500_000n, all: true }, { ...policy, max: 100 })
  expect(sizes).toEqual([24, 24, 24, 24, 4])
})

test('what anyone may send and what only the settler may send do not mix', () => {
  const companyOf = ({ item }: Job) => (item.id < 'call_3' ? 'anyone' : 'settler')
  expect(go(some(5), { companyOf, all: true })).toEqual([3, 2])
})

const MOST = 100_000n
const eaten = (each: bigint, count = 10, ok = true) => {
  const items = Array.from({ length: count }, (_, i) => aCall(i))
  const tx = aTx(items)
  return [tx, { ...inBlock(tx.hash, 5n, [], ok), gasUsed: 21_040n + each * BigInt(count) }, items] as const
}
const SORT = `eip3009 ${aCall(1).token}`

test('what a batch used says what the next one is allowed, a quarter on top, and the hungriest counts', () => {
  const appetite = createAppetite()
  expect(appetite.allow(SORT, MOST)).toBe(60_000n)
  appetite.learn(...eaten(56_000n))
  appetite.learn(...eaten(50_000n))
  expect(appetite.allow(SORT, MOST)).toBe(70_000n)
  for (let i = 0; i < 32; i++) appetite.learn(...eaten(52_000n))
  expect(appetite.allow(SORT, MOST)).toBe(65_000n)
})

test('it never passes what is surely enough, nor falls below three fifths of it', () => {
  const appetite = createAppetite()
  appetite.learn(...eaten(10_000n))
  expect(appetite.allow(SORT, MOST)).toBe(60_000n)
  appetite.learn(...eaten(95_000n))
  expect(appetite.allow(SORT, MOST)).toBe(MOST)
})

test('a batch that failed as a whole makes the next one safe, and a small or mixed one teaches nothing', () => {
  const appetite = createAppetite()
  appetite.learn(...eaten(70_000n, 4))
  const [tx, inclusion, items] = eaten(70_000n)
  appetite.learn(tx, inclusion, [...items.slice(1), aCall(99, { kind: 'permit2' })])
  expect(appetite.allow(SORT, MOST)).toBe(60_000n)
  appetite.learn(...eaten(60_000n, 10, false))
  expect(appetite.allow(SORT, MOST)).toBe(MOST)
})
