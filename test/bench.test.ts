import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBook, sampleOf } from '../bench/book.ts'
import { openChannels } from '../bench/channels.ts'
import { JSON_HEADERS, requestBody, startFareboxServer } from '../bench/farebox.ts'
import { inTurns, presign } from '../bench/payments.ts'
import type { ServerProcess } from '../bench/process.ts'
import { splice, toMarkdown } from '../bench/report.ts'
import { type Cast, CHAT, settled } from '../bench/rounds/cast.ts'
import { payments, reconcileAll } from '../bench/rounds/paid.ts'
import { storm } from '../bench/rounds/storm.ts'
import { median, spreadOf } from '../bench/stats.ts'
import { startWorld, type World } from '../bench/world.ts'

let world: World
let farebox: ServerProcess

beforeAll(async () => {
  world = await startWorld()
  farebox = await startFareboxServer(world, 'memory')
})

afterAll(async () => {
  await farebox?.ask('close')
  await farebox?.stop()
  await world?.close()
})

test('a percentile is a value that was measured, and a median of an even series is between its middle two', () => {
  expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ p50: 3, p99: 5, max: 5 })
  expect(spreadOf([])).toEqual({ p50: 0, p99: 0, max: 0 })
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

test('the mock provider answers JSON and streams with usage, and counts its calls', async () => {
  const url = `${world.upstream.url}${CHAT}`
  const ask = async (more: object) =>
    (await fetch(url, { method: 'POST', body: requestBody('mock', { ...more }) })).text()
  const before = await world.upstream.ask<number>('calls')
  expect(JSON.parse(await ask({})).usage.completion_tokens).toBe(200)
  const events = (await ask({ stream: true })).trim().split('\n\n')
  expect(events).toHaveLength(25)
  expect(events.at(-1)).toBe('data: [DONE]')
  expect((await world.upstream.ask<number>('calls')) - before).toBe(2)
})

test('the load generator counts every answer, and says so when one is not what was expected', async () => {
  const job = {
    url: `${world.upstream.url}${CHAT}`,
    body: requestBody('mock'),
    headers: JSON_HEADERS,
    concurrency: 3,
  }
  const each = Array.from({ length: 7 }, () => ({}))
  const shots = await world.fire({ ...job, each, keep: 'content-type' }, 200)
  expect(shots).toMatchObject({ count: 7, answers: { 200: { count: 7 } } })
  expect(shots.kept).toEqual(each.map(() => 'application/json'))
  await expect(world.fire({ ...job, each }, 402)).rejects.toThrow('7 answers of 200')
})

test('payments signed beforehand buy one call each, and all of them are found on the chain', async () => {
  const payers = await world.payers(2)
  const url = `${farebox.url}${CHAT}`
  const body = requestBody('bench/small')
  const each = await presign(world, { url, body, payers: inTurns(payers, 4) })
  const job = { url, body, headers: JSON_HEADERS, concurrency: 2, each }
  const sample = await sampleOf(200, () => world.fire(job, 200), farebox)
  expect(sample.count).toBe(4)
  expect(sample.cpuMs).toBeGreaterThan(0)
  await settled(farebox)
  const reconciled = await reconcileAll({ world, farebox, portkey: undefined, x402: undefined, payers })
  expect(reconciled).toEqual({ paid: 4, booked: 4, onChain: 4, differ: 0 })
})

test('calls paid by Permit2 and by upto are found on the chain; vouchers move nothing and need no correction', async () => {
  const payers = await world.payers(2, 'approved')
  const cast: Cast = { world, farebox, portkey: undefined, x402: undefined, payers }
  const url = `${farebox.url}${CHAT}`
  const body = requestBody('bench/small')
  cast.channels = await openChannels(world, { url, body, payers })
  expect(cast.channels.each).toBe(630n)
  const before = await reconcileAll(cast)
  for (const way of ['permit2', 'upto', 'voucher'] as const) {
    const each = await payments(cast, { url, body, calls: 4, way })
    await world.fire({ url, body, headers: JSON_HEADERS, concurrency: 2, each }, 200)
  }
  await settled(farebox)
  const after = await reconcileAll(cast)
  expect(after.onChain - before.onChain).toBe(8)
  expect(after).toMatchObject({ paid: after.onChain, booked: after.onChain, differ: 0 })
})

test('a payer with credit is served without a transfer', async () => {
  const payers = await world.payers(1)
  const url = `${farebox.url}${CHAT}`
  const buy = async (body: string, named: boolean) => {
    const each = await presign(world, { url, body, payers, named })
    await world.fire({ url, body, headers: JSON_HEADERS, concurrency: 1, each }, 200)
    await settled(farebox)
  }
  await buy(requestBody('bench/dear', { max_tokens: 4_000 }), false)
  const cast = { world, farebox, portkey: undefined, x402: undefined, payers }
  const { onChain } = await reconcileAll(cast)
  await buy(requestBody('bench/small'), true)
  expect((await reconcileAll(cast)).onChain).toBe(onChain)
})

test('a storm of one payment is counted by what the upstream saw', async () => {
  const payers = await world.payers(1)
  const job = { url: `${farebox.url}${CHAT}`, body: requestBody('bench/small'), headers: JSON_HEADERS }
  const [payment] = await presign(world, { ...job, payers })
  const each = Array.from({ length: 10 }, () => payment!)
  const found = await storm(world, 'Farebox', { ...job, each, concurrency: 10 })
  expect(found).toMatchObject({ sent: 10, upstreamCalls: 1, statuses: { 200: 1, 409: 9 } })
  expect(found.refusal.max).toBeGreaterThan(0)
})

test('the report shows ratios of medians and replaces only what is between its markers', () => {
  const book = createBook(() => {})
  const sample = { p50: 1, p99: 2, firstByte: 1, cpuMs: 0.5, count: 10, failed: 0 }
  for (const perSecond of [900, 1000, 5000]) book.add('json', 'Farebox paid', 16, { ...sample, perSecond })
  book.add('json', '@x402/hono paid', 4, { ...sample, perSecond: 20 })
  const machine = { cpu: 'a CPU', cores: 2, memoryGb: 4, os: 'linux', node: 'v24.0.0', pinned: 'not pinned' }
  const markdown = toMarkdown({
    at: '2026-01-02T03:04:05.000Z',
    seconds: 1,
    machine: { ...machine, loadBefore: 0, fsyncUs: 1, recoverUs: 1 },
    versions: {},
    rows: book.rows(),
    tails: [],
    storms: [],
    reconciled: { paid: 1, booked: 1, onChain: 1, differ: 0 },
    x402: { answered: 1, transfers: 1 },
    settlements: [],
    gas: [{ way: 'one at a time', n: 1, gas: 83_811, gasPerCall: 83_811 }],
  })
  expect(markdown).toMatch(/\| 50\.0 × +\| 1000 \(c=16\) \/ 20 \(c=4\) +\|/)
  expect(markdown).toMatch(/\| 1000\/s, missed +\|/)
  const dir = mkdtempSync(join(tmpdir(), 'farebox-bench-test-'))
  const file = join(dir, 'page.md')
  writeFileSync(file, 'before\n<!-- numbers:begin -->\nold\n<!-- numbers:end -->\nafter\n')
  splice(file, 'new')
  expect(readFileSync(file, 'utf8')).toBe(
    'before\n<!-- numbers:begin -->\n\nnew\n\n<!-- numbers:end -->\nafter\n',
  )
  rmSync(dir, { recursive: true })
})
