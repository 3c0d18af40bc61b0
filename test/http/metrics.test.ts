import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { metricsKeys, metricsProblems, metrics as settings } from '../../src/config/metrics.ts'
import { fail, REFUSALS } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { createRequestMeter, metricsResource } from '../../src/http/metrics.ts'
import { json, type Resource } from '../../src/http/resources.ts'
import { quietLog } from '../../src/log.ts'
import { MOST_SERIES } from '../../src/metrics/cells.ts'
import { FAMILIES } from '../../src/metrics/families.ts'
import { createMetrics } from '../../src/metrics.ts'
import { header, offersOf, signOffer } from '../support/pay.ts'
import { samplesOf, sumOf } from '../support/prometheus.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'

let world: World
const chain = `eip155:${CHAIN_ID}`
const KEY = 'a-key-for-the-metrics-of-tests'
const from = (remoteAddress: string, headers: Record<string, string> = {}) => ({
  incoming: { socket: { remoteAddress }, headers },
})
const LOCAL = from('127.0.0.1')

beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.close())

const chat = (headers: Record<string, string> = {}, body: unknown = hello()) =>
  world.farebox.app.request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const scrape = async () => {
  const response = await world.farebox.app.request('/metrics', {}, LOCAL)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  return samplesOf(await response.text())
}

test('a price that was asked for, a paid call and its settlement are counted, each once', async () => {
  const demand = await chat()
  expect(demand.status).toBe(402)
  const asked = await scrape()
  const path = '/v1/chat/completions'
  expect(sumOf(asked, 'farebox_http_requests_total', { path, status: '4xx', code: 'payment_required' })).toBe(
    1,
  )
  expect(sumOf(asked, 'farebox_http_first_byte_seconds_count', { answer: 'demand' })).toBe(1)
  expect(sumOf(asked, 'farebox_calls_total')).toBeUndefined()
  expect(sumOf(asked, 'farebox_lost_microusd_total', { chain })).toBe(0)
  expect(sumOf(asked, 'farebox_store_up')).toBe(1)
  expect(sumOf(asked, 'farebox_lease_held')).toBe(1)
  expect(sumOf(asked, 'farebox_http_open_requests')).toBe(1)
  expect(sumOf(asked, 'farebox_settler_gas_wei', { chain })).toBeGreaterThan(0)
  expect(sumOf(asked, 'process_resident_memory_bytes')).toBeGreaterThan(0)

  const payment = header(await signOffer(await world.payer(), offersOf(demand)[0]!))
  const paid = await chat({ 'payment-signature': payment })
  expect(paid.status).toBe(200)
  await paid.text()
  const id = paid.headers.get('x-farebox-call')!
  await world.settle()
  const call = (await world.farebox.deps.ledger.call(id))!
  const bill = 'bill' in call.service ? call.service.bill : undefined
  const after = await scrape()
  expect(sumOf(after, 'farebox_http_requests_total', { path, status: '2xx', code: '' })).toBe(1)
  expect(sumOf(after, 'farebox_http_first_byte_seconds_count', { answer: 'call' })).toBe(1)
  const ended = { outcome: 'served', scheme: 'eip3009', model: 'test/small' }
  expect(sumOf(after, 'farebox_calls_total', ended)).toBe(1)
  expect(sumOf(after, 'farebox_calls_total')).toBe(1)
  expect(sumOf(after, 'farebox_quoted_microusd_total', { chain })).toBe(Number(call.ceiling))
  expect(sumOf(after, 'farebox_charged_microusd_total', { chain })).toBe(Number(bill?.charged))
  expect(sumOf(after, 'farebox_settled_microusd_total', { chain })).toBe(Number(call.signed))
  expect(sumOf(after, 'farebox_tokens_total', { model: 'test/small', direction: 'output' })).toBe(2)
  expect(sumOf(after, 'farebox_settlements_total', { chain, outcome: 'settled' })).toBe(1)
  expect(sumOf(after, 'farebox_settlement_lag_seconds_count', { chain })).toBe(1)
  expect(sumOf(after, 'farebox_settlement_gas_gwei_total', { chain })).toBeGreaterThan(0)
  expect(sumOf(after, 'farebox_outbox_depth', { chain })).toBe(0)
  expect(sumOf(after, 'farebox_calls_open', { chain })).toBe(0)
  expect(sumOf(after, 'farebox_provider_attempts_total', { provider: 'up' })).toBe(1)
  expect(sumOf(after, 'farebox_store_write_seconds_count')).toBeGreaterThanOrEqual(3)
})

test('a payment that is sent again, and a provider that fails, are told apart', async () => {
  const before = await scrape()
  const more = (now: ReturnType<typeof samplesOf>, name: string, labels: Record<string, string>) =>
    (sumOf(now, name, labels) ?? 0) - (sumOf(before, name, labels) ?? 0)
  const payment = header(await signOffer(await world.payer(), offersOf(await chat())[0]!))
  await chat({ 'payment-signature': payment })
  const again = await chat({ 'payment-signature': payment })
  const { code } = ((await again.json()) as { error: { code: string } }).error
  world.upstream.script(({ response }) => void response.writeHead(500).end())
  await chat({
    'payment-signature': header(await signOffer(await world.payer(), offersOf(await chat())[0]!)),
  })
  const after = await scrape()
  expect(more(after, 'farebox_http_requests_total', { code })).toBe(1)
  expect(more(after, 'farebox_calls_total', { outcome: 'served' })).toBe(1)
  expect(more(after, 'farebox_calls_total', { outcome: 'released', scheme: 'eip3009' })).toBe(1)
  expect(more(after, 'farebox_provider_errors_total', { provider: 'up', fault: 'unavailable' })).toBe(2)
  expect(more(after, 'farebox_http_requests_total', { code: 'upstream_failed', status: '5xx' })).toBe(1)
})

test('no label carries what a caller chose', async () => {
  const strange = 'my-secret-prompt'
  const payer = await world.payer()
  await world.farebox.app.request(`/v1/calls/${strange}`)
  await world.farebox.app.request(`/${strange}`)
  await world.farebox.app.request('/v1/models', { method: 'DELETE' })
  await chat({ 'x-farebox-payer': payer.address }, hello({ model: strange, user: strange }))
  const text = await (await world.farebox.app.request('/metrics', {}, LOCAL)).text()
  expect(text).not.toContain(strange)
  expect(text).not.toMatch(/0x[0-9a-f]{40}/i)
  const paths = new Set([...world.farebox.app.routes.map(({ path }) => path), 'other'])
  const allowed: Record<string, (value: string) => boolean> = {
    path: (value) => paths.has(value),
    code: (value) => value === '' || value in REFUSALS,
    status: (value) => /^[2-5]xx$/.test(value),
    chain: (value) => value === chain,
    model: (value) => ['', 'test/small', 'test/large'].includes(value),
    provider: (value) => value === 'up',
    scheme: (value) => ['eip3009', 'permit2', 'upto', 'voucher'].includes(value),
    event: (value) => /^[a-z_]{1,40}$/.test(value),
  }
  for (const { name, labels } of samplesOf(text)) {
    for (const [label, value] of Object.entries(labels))
      expect([name, label, value, allowed[label]?.(value) ?? true]).toEqual([name, label, value, true])
  }
  expect(sumOf(samplesOf(text), 'farebox_http_requests_total', { path: 'other', code: 'not_found' })).toBe(1)
  expect(sumOf(samplesOf(text), 'farebox_http_requests_total', { code: 'method_not_allowed' })).toBe(1)
})

test('what would have no end is counted together', async () => {
  const metrics = createMetrics()
  for (let i = 0; i < 2 * MOST_SERIES; i++) metrics.count('farebox_log_events_total', ['info', `event_${i}`])
  const samples = samplesOf((await metrics.scrape()).text).filter(
    ({ name }) => name === 'farebox_log_events_total',
  )
  expect(samples.length).toBe(MOST_SERIES + 1)
  expect(samples.find(({ labels }) => labels['event'] === 'other')?.value).toBe(MOST_SERIES)
})

test('buckets hold all that is at most their bound', async () => {
  const metrics = createMetrics()
  for (const value of [0.001, 0.005, 0.0051, 0.3, 10_000])
    metrics.observe('farebox_call_seconds', ['served'], value)
  const samples = samplesOf((await metrics.scrape()).text)
  const below = (le: string) => sumOf(samples, 'farebox_call_seconds_bucket', { le })
  expect(['0.005', '0.01', '0.25', '0.5', '300', '+Inf'].map(below)).toEqual([2, 3, 3, 4, 4, 5])
  expect(sumOf(samples, 'farebox_call_seconds_count')).toBe(5)
  expect(sumOf(samples, 'farebox_call_seconds_sum')).toBeCloseTo(10_000.3111)
})

test('two routers in one process count for themselves', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  one.count('farebox_store_errors_total', [])
  expect(sumOf(samplesOf((await one.scrape()).text), 'farebox_store_errors_total')).toBe(1)
  expect(sumOf(samplesOf((await other.scrape()).text), 'farebox_store_errors_total')).toBe(0)
})

test('what fails or hangs at a scrape does not hold it up', async () => {
  const metrics = createMetrics()
  metrics.onScrape(() => Promise.reject(new Error('away')))
  metrics.onScrape(() => new Promise(() => {}))
  metrics.onScrape(() => metrics.set('farebox_store_up', [], 1))
  const began = Date.now()
  expect(sumOf(samplesOf((await metrics.scrape()).text), 'farebox_store_up')).toBe(1)
  expect(Date.now() - began).toBeLessThan(4_000)
})

const appWith = (keys: readonly string[], resources: readonly Resource[] = []) => {
  const metrics = createMetrics()
  const own = metricsResource({ metrics, keys })
  const meter = createRequestMeter(metrics)
  return {
    metrics,
    app: createApp({ publicUrl: 'https://r.test', log: quietLog, meter, resources: [own, ...resources] }),
  }
}
const entered = async (keys: string[], env: object, headers: Record<string, string> = {}) => {
  const response = await appWith(keys).app.request('/metrics', { headers }, env)
  return response.status === 200 ? 200 : ((await response.json()) as { error: { code: string } }).error.code
}

test('without keys only this machine may look, and nobody through a proxy', async () => {
  expect(await entered([], LOCAL)).toBe(200)
  expect(await entered([], from('::1'))).toBe(200)
  expect(await entered([], from('10.0.0.7'))).toBe('metrics_forbidden')
  expect(await entered([], {})).toBe('metrics_forbidden')
  expect(await entered([], LOCAL, { 'x-forwarded-for': '10.0.0.7' })).toBe('metrics_forbidden')
})

test('with keys whoever holds one may look, from anywhere', async () => {
  expect(
    await entered([KEY, 'another-key-for-metrics'], from('10.0.0.7'), { authorization: `Bearer ${KEY}` }),
  ).toBe(200)
  expect(await entered([KEY], LOCAL)).toBe('metrics_forbidden')
  expect(await entered([KEY], LOCAL, { authorization: 'Bearer another' })).toBe('metrics_forbidden')
})

test('a variable for keys that is empty or too short is a mistake, and never an open door', () => {
  const file = settings.parse({ keysEnv: 'KEYS' })
  for (const KEYS of [undefined, '', 'short', `${KEY},`])
    expect(metricsProblems(file, { KEYS })).toEqual([
      'metrics.keysEnv: set KEYS to keys of 16 characters or more',
    ])
  expect(metricsProblems(file, { KEYS: KEY })).toEqual([])
  expect(metricsKeys(file, { KEYS: `${KEY}, ${KEY}2` })).toEqual([KEY, `${KEY}2`])
  expect(metricsProblems(settings.parse(undefined), {})).toEqual([])
})

test('a request is open until its answer is complete', async () => {
  let go = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const slow: Resource = {
    method: 'post',
    path: '/slow',
    summary: 'Slow.',
    paid: true,
    body: z.object({}),
    answer: async () => {
      await gate
      return json({})
    },
  }
  const broken: Resource = { ...slow, path: '/broken', answer: () => Promise.reject(fail('overloaded')) }
  const { app, metrics } = appWith([], [slow, broken])
  const open = async () => sumOf(samplesOf((await metrics.scrape()).text), 'farebox_http_open_requests')
  const asked = app.request('/slow', { method: 'POST' })
  expect(await open()).toBe(1)
  go()
  await asked
  expect((await app.request('/broken', { method: 'POST' })).status).toBe(503)
  expect(await open()).toBe(0)
})

test('every name is one that Prometheus takes, and says what it counts', () => {
  for (const [name, { help, type }] of Object.entries(FAMILIES)) {
    expect(name).toMatch(/^farebox_[a-z_]+$/)
    expect(help).toMatch(/\.$/)
    expect(name.endsWith('_total')).toBe(type === 'counter')
  }
})
