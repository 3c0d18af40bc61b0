import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Attempt } from '../../src/call/attempt.ts'
import { createWatch } from '../../src/call/trail.ts'
import type { Bill, Call } from '../../src/ledger/call.ts'
import type { Fields, Log } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Terms } from '../../src/quote/seal.ts'
import { AT, aCall } from '../ledger/fixtures.ts'
import { samplesOf, sumOf } from '../support/prometheus.ts'

const terms = { strategy: 'latency', input: 20, maxOutput: 50 } as Terms
const bill: Bill = {
  charged: 130n,
  usage: { input: 10, cached: 4, output: 30, source: 'reported' },
  model: 'test/small',
  provider: 'up',
  responseDigest: '0x00',
  at: AT + 2_000,
}
const SERVED = aCall({ service: { at: 'served', bill } })
const PARTIAL = aCall({ service: { at: 'partial', bill } })
const answered = (attempts = 1) =>
  ({ answer: { kind: 'stream' }, attempts, asked: AT, first: AT + 500 }) as Attempt

const open = () => {
  const metrics = createMetrics()
  const lines: Fields[] = []
  const note: Log['info'] = (event, fields = {}) => void lines.push({ event, ...fields })
  const watch = createWatch({ metrics, log: { info: note, warn: note, error: note } })
  const sum = async (name: string, labels = {}) =>
    sumOf(samplesOf((await metrics.scrape()).text), name, labels)
  return { lines, sum, begin: () => watch({ span: undefined, began: performance.now() }) }
}

test('a call is told of once, when it is billed and nothing more leaves, whichever is last', async () => {
  for (const order of ['billed first', 'closed first']) {
    const { lines, sum, begin } = open()
    const trail = begin()
    trail.held(aCall(), terms)
    const steps = [() => trail.billed(answered(), SERVED), trail.closed]
    for (const step of order === 'billed first' ? steps : steps.reverse()) {
      expect(lines).toEqual([])
      step()
    }
    trail.closed()
    trail.billed(answered(), PARTIAL)
    trail.failed(aCall(), 'internal')
    expect(lines.map(({ event, outcome }) => [event, outcome])).toEqual([['call', 'served']])
    expect(await sum('farebox_overhead_seconds_count')).toBe(1)
  }
})

test('what nobody claimed leaves no line', async () => {
  const { lines, sum, begin } = open()
  const trail = begin()
  trail.closed()
  trail.failed(aCall(), 'exposure_reached')
  expect(lines).toEqual([])
  expect(await sum('farebox_overhead_seconds_count')).toBeUndefined()
})

test('the line names who paid, out of which purse, and for whom', () => {
  const { lines, begin } = open()
  const trail = begin()
  const call: Call = {
    ...aCall({ signed: 100n, credit: 50n }),
    account: ['org_o', 'team_t', 'user_u', 'key_k'],
  }
  trail.held(call, terms)
  trail.billed(answered(), PARTIAL)
  trail.closed()
  expect(lines[0]).toMatchObject({
    call: call.id,
    outcome: 'partial',
    strategy: 'latency',
    input: 10,
    cached: 4,
    output: 30,
    charged: '130',
    ceiling: '150',
    credit: '30',
    org: 'org_o',
    team: 'team_t',
    user: 'user_u',
    key: 'key_k',
  })
})

test('an answer that was billed and could not be sent keeps its bill and gets the code', () => {
  const { lines, begin } = open()
  const trail = begin()
  trail.held(aCall(), terms)
  trail.billed(answered(), SERVED)
  trail.failed(aCall(), 'internal')
  expect(lines).toMatchObject([{ outcome: 'served', code: 'internal', charged: '130' }])
})

test('time is the provider’s while at least one is asked, until one answers; all else is ours', async () => {
  const { lines, begin } = open()
  const trail = begin()
  trail.held(aCall(), terms)
  await sleep(30)
  const first = trail.asks('slow', undefined)
  await sleep(60)
  const second = trail.asks('quick', 'hedge')
  await sleep(60)
  second('answered')
  // It lost, and is slow to hear of it.
  await sleep(60)
  first('left')
  trail.billed(answered(2), SERVED)
  trail.closed()
  const { firstMs, overheadMs, attempts } = lines[0]!
  expect(attempts).toBe(2)
  expect(Number(firstMs) - Number(overheadMs)).toBeGreaterThan(115)
  expect(Number(firstMs) - Number(overheadMs)).toBeLessThan(170)
  expect(overheadMs).toBeGreaterThan(85)
})

test('a call that somebody else ended meanwhile is told as it ended, and not as we wanted it', () => {
  const { lines, begin } = open()
  const trail = begin()
  trail.held(aCall(), terms)
  trail.billed(answered(), aCall({ service: { at: 'released', why: 'restart' } }))
  trail.closed()
  expect(lines).toMatchObject([{ outcome: 'released', charged: '0' }])
})

test('attempts, their outcomes, tokens and estimates are counted as they were', async () => {
  const { sum, begin } = open()
  const trail = begin()
  trail.held(aCall(), terms)
  trail.asks('one', undefined)('rate_limited')
  trail.asks('one', 'retry')('timeout')
  trail.asks('two', 'failover')('answered')
  trail.first()
  trail.billed(answered(3), SERVED)
  trail.closed()
  expect(await sum('farebox_provider_attempts_total', { provider: 'one' })).toBe(2)
  expect(await sum('farebox_provider_extra_attempts_total', { provider: 'one', why: 'retry' })).toBe(1)
  expect(await sum('farebox_provider_extra_attempts_total', { provider: 'two', why: 'failover' })).toBe(1)
  for (const outcome of ['rate_limited', 'timeout', 'answered'])
    expect(await sum('farebox_provider_attempt_seconds_count', { outcome }), outcome).toBe(1)
  expect(await sum('farebox_answer_tokens_per_second_sum', { answer: 'stream' })).toBe(15)
  expect(await sum('farebox_input_tokens_ratio_sum')).toBe(0.5)
  expect(await sum('farebox_first_token_seconds_count', { answer: 'stream' })).toBe(1)
})

test('an answer out of memory has no pace and no estimate, since nobody made it', async () => {
  const { sum, begin } = open()
  const trail = begin()
  trail.held(aCall(), terms)
  trail.billed(answered(0), SERVED)
  trail.closed()
  expect(await sum('farebox_answer_tokens_per_second_count')).toBeUndefined()
  expect(await sum('farebox_input_tokens_ratio_count')).toBe(0)
  expect(await sum('farebox_first_token_seconds_count')).toBe(1)
})
