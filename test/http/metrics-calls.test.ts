import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fields, Log } from '../../src/log.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { type Sample, samplesOf, sumOf } from '../support/prometheus.ts'
import { chunk, goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const SAID = 'canary-in-the-answer-51ce'
const ASKED = 'canary-in-the-question-08d7'
const SLOW_MS = 400

let world: World
const lines: Fields[] = []
const note = (event: string, fields: Fields = {}) => {
  if (event === 'call') lines.push(fields)
}
const log: Log = { info: note, warn: note, error: note }

beforeAll(async () => {
  world = await startWorld({ options: { log } })
})
afterAll(() => world?.close())

const scrape = async (): Promise<Sample[]> =>
  samplesOf(await (await fetch(`${world.farebox.url}/metrics`)).text())

/** What a scrape has more than an earlier one. */
const since =
  (before: readonly Sample[], after: readonly Sample[]) =>
  (name: string, labels: Record<string, string> = {}) =>
    (sumOf(after, name, labels) ?? 0) - (sumOf(before, name, labels) ?? 0)

const question = (more: Record<string, unknown> = {}) =>
  hello({ messages: [{ role: 'user', content: `Say ${ASKED}.` }], ...more })

const slow: Script = async (ask) => {
  await sleep(SLOW_MS)
  await goodAnswer(ask)
}
const trailing: Script = async ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: 'Hello' }))
  await sleep(SLOW_MS)
  write(chunk({ content: ' there' }, 'stop'))
  write({ ...chunk({}), choices: [], usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } })
  response.end('data: [DONE]\n\n')
}
const breaking: Script = ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: SAID }))
  setTimeout(() => response.destroy(), 20)
}
const failing: Script = ({ response }) => void response.writeHead(500).end(SAID)

const call = async (script: Script, body: unknown): Promise<string> => {
  world.upstream.script(script)
  world.farebox.deps.health.forget('up')
  const response = await buy(world.chat, await world.payer(), body)
  await response.text().catch(() => '')
  return response.headers.get('x-farebox-call') ?? ''
}

test('each paid call is in each histogram that it belongs in, once, however it was answered and however it ended', async () => {
  const before = await scrape()
  lines.length = 0
  await call(goodAnswer, question())
  await call(goodAnswer, question({ stream: true }))
  await call(slow, question({ stream: true }))
  await call(breaking, question({ stream: true }))
  await call(failing, question())
  const more = since(before, await scrape())

  expect(more('farebox_overhead_seconds_count')).toBe(5)
  expect(more('farebox_overhead_seconds_bucket', { le: '+Inf' })).toBe(5)
  expect(more('farebox_calls_total')).toBe(5)
  expect(more('farebox_first_token_seconds_count', { answer: 'json' })).toBe(1)
  expect(more('farebox_first_token_seconds_count', { answer: 'stream' })).toBe(3)
  expect(more('farebox_answer_tokens_per_second_count')).toBe(4)
  // A stream that broke off told nothing.
  expect(more('farebox_input_tokens_ratio_count')).toBe(3)
  for (const step of ['verify', 'claim', 'chain'])
    expect(more('farebox_call_step_seconds_count', { step }), step).toBe(5)
  expect(more('farebox_call_step_seconds_count', { step: 'bill' })).toBe(4)
  expect(more('farebox_calls_failed_total')).toBe(1)
  expect(more('farebox_calls_failed_total', { outcome: 'released', code: 'upstream_failed' })).toBe(1)

  const attempts = more('farebox_provider_attempts_total', { provider: 'up' })
  expect(more('farebox_provider_attempt_seconds_count', { provider: 'up' })).toBe(attempts)
  expect(more('farebox_provider_attempt_seconds_count', { outcome: 'answered' })).toBe(4)
  expect(more('farebox_provider_attempt_seconds_count', { outcome: 'unavailable' })).toBe(attempts - 4)
  expect(more('farebox_provider_extra_attempts_total', { why: 'retry' })).toBe(attempts - 5)
})

test('what the provider takes is in the first token, and not in what we add', async () => {
  const before = await scrape()
  for (const stream of [false, true]) await call(slow, question({ stream }))
  const more = since(before, await scrape())
  expect(more('farebox_overhead_seconds_count', { settle: 'after' })).toBe(2)
  expect(more('farebox_overhead_seconds_sum')).toBeGreaterThan(0)
  expect(more('farebox_overhead_seconds_sum')).toBeLessThan(SLOW_MS / 1_000)
  expect(more('farebox_first_token_seconds_sum')).toBeGreaterThan((1.9 * SLOW_MS) / 1_000)
  // Two tokens in 0.4 s.
  expect(more('farebox_answer_tokens_per_second_sum')).toBeLessThan(11)
})

test('what a stream takes after its first token is in neither of them', async () => {
  const before = await scrape()
  await call(trailing, question({ stream: true }))
  const more = since(before, await scrape())
  expect(more('farebox_first_token_seconds_count', { answer: 'stream' })).toBe(1)
  expect(more('farebox_first_token_seconds_sum')).toBeLessThan(SLOW_MS / 1_000)
  expect(more('farebox_overhead_seconds_sum')).toBeLessThan(SLOW_MS / 1_000)
  expect(more('farebox_answer_tokens_per_second_sum')).toBeLessThan((2 * 1_000) / SLOW_MS + 1)
})

test('each call that was claimed ends in one line of the log, which says all of it and nothing that anybody said', async () => {
  lines.length = 0
  const served = await call(goodAnswer, question())
  const partial = await call(breaking, question({ stream: true }))
  const released = await call(failing, question())
  expect(lines.map(({ call: id, outcome }) => [id, outcome])).toEqual([
    [served, 'served'],
    [partial, 'partial'],
    [released || lines[2]?.['call'], 'released'],
  ])
  const stored = (await world.farebox.deps.ledger.call(served))!
  expect(lines[0]).toEqual({
    call: served,
    outcome: 'served',
    code: undefined,
    payer: stored.payer,
    chain: stored.chain,
    asset: world.token.toLowerCase(),
    scheme: 'eip3009',
    asked: 'test/small',
    model: 'test/small',
    provider: 'up',
    strategy: 'balanced',
    stream: false,
    attempts: 1,
    input: 10,
    cached: 0,
    output: 2,
    charged: '14',
    ceiling: stored.ceiling.toString(),
    credit: '0',
    firstMs: expect.any(Number),
    ms: expect.any(Number),
    overheadMs: expect.any(Number),
    org: undefined,
    team: undefined,
    user: undefined,
    key: undefined,
    trace: undefined,
  })
  expect(lines[2]).toMatchObject({ code: 'upstream_failed', charged: '0', model: undefined })
  for (const line of lines) {
    expect(JSON.stringify(line)).not.toMatch(/canary/)
    expect(Number(line['overheadMs'])).toBeLessThanOrEqual(Number(line['ms']))
  }
})

test('a payment that never became a call has no line', async () => {
  lines.length = 0
  world.upstream.script(goodAnswer)
  const asked = await post(world.chat, question())
  const payment = header(await signOffer(await world.payer(0n), offersOf(asked)[0]!))
  // Claimed, and rejected by what the chain says: that is a call.
  const poor = await post(world.chat, question(), { 'payment-signature': payment })
  expect(poor.status).toBe(402)
  expect(lines.map(({ outcome, code }) => [outcome, code])).toEqual([['rejected', 'insufficient_funds']])
  const again = await post(world.chat, question(), { 'payment-signature': payment })
  expect(again.status).toBe(402)
  expect(lines.length).toBe(1)
})

test('open calls are looked at, and a settlement has an age', async () => {
  const before = await scrape()
  expect(sumOf(before, 'farebox_ledger_violations')).toBe(0)
  expect(sumOf(before, 'farebox_ledger_checks_total', { result: 'done' })).toBe(1)
  await call(goodAnswer, question())
  await world.settle()
  const more = since(before, await scrape())
  expect(more('farebox_settlement_age_seconds_count')).toBe(more('farebox_settlement_lag_seconds_count'))
  expect(more('farebox_settlement_age_seconds_count')).toBeGreaterThan(0)
})
