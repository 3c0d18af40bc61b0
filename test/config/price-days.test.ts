import { afterEach, expect, test, vi } from 'vitest'
import { type Config, readConfig } from '../../src/config.ts'
import { watchPrices } from '../../src/main/prices.ts'
import type { Reload } from '../../src/main/reload.ts'
import { parseRate } from '../../src/money.ts'

const DAY_MS = 86_400_000
const config = (more = '', day = '2026-12-30'): Config =>
  readConfig(
    `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'ab'.repeat(20)}", assets: [{ symbol: USDC, address: "0x${'cd'.repeat(20)}", decimals: 6 }] }
providers: [{ id: google, keyEnv: UP_KEY }]
${more}
`,
    { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}`, UP_KEY: 'sk-up' },
    day,
  )

/** A router's configuration, a clock, and a reload that only takes it over. */
const start = (live = config(), now = Date.parse('2026-12-30T12:00:00Z')) => {
  const facts = { now, reloads: 0 }
  const reload: Reload = async (read) => {
    facts.reloads++
    Object.assign(live, read())
    return { ok: true, changed: [] }
  }
  const clock = { now: () => facts.now, sleep: async () => {} }
  const watch = watchPrices({ live, reload, clock })
  return { facts, live, watch }
}
const inputOf = (live: Config) => live.catalog.find('gemini-3.6-flash')!.hosts[0]!.prices.input

afterEach(() => {
  vi.useRealTimers()
})

test('on the day of a known change its price holds, without anybody doing anything', async () => {
  vi.useFakeTimers()
  const { facts, live, watch } = start()
  expect([inputOf(live), live.nextPriceChange]).toEqual([parseRate('0.75'), '2027-01-01'])
  facts.now = Date.parse('2026-12-31T23:59:59Z')
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect([inputOf(live), facts.reloads]).toEqual([parseRate('0.75'), 0])
  facts.now = Date.parse('2027-01-01T00:00:00Z')
  await vi.advanceTimersByTimeAsync(1_000)
  expect([inputOf(live), facts.reloads]).toEqual([parseRate('1.5'), 1])
  watch.stop()
  facts.now += 400 * DAY_MS
  await vi.advanceTimersByTimeAsync(DAY_MS)
  expect(facts.reloads).toBe(1)
})

test('a model goes on the day its maker ends it', async () => {
  const { facts, live, watch } = start(config('', '2026-11-30'))
  expect(live.catalog.find('gemini-2.5-pro')).toBeDefined()
  facts.now = Date.parse('2026-12-01T00:00:01Z')
  await watch.check()
  expect(live.catalog.find('gemini-2.5-pro')).toBeUndefined()
  watch.stop()
})

test('where the configuration names a day, its prices stay', async () => {
  const { facts, live, watch } = start(config('catalog: { date: 2026-12-01 }'))
  facts.now = Date.parse('2027-06-01T00:00:00Z')
  await watch.check()
  expect([inputOf(live), facts.reloads]).toEqual([parseRate('0.75'), 0])
  watch.stop()
})
