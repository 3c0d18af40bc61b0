import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DELIVERIES } from '../../src/alerts/delivery.ts'
import { systemClock } from '../../src/clock.ts'
import type { Call } from '../../src/ledger/call.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { MOST_LOOKED_AT, SPOT_CHECKED, spotCheck } from '../../src/ledger/spot-check.ts'
import { countRecords } from '../../src/main/metrics.ts'
import { FAMILIES } from '../../src/metrics/families.ts'
import { createMetrics } from '../../src/metrics.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { AT, aCall, usd } from '../ledger/fixtures.ts'
import { samplesOf, sumOf } from '../support/prometheus.ts'

/** A ledger whose open calls are these, each the holder of its claim. */
const ledgerOf = async (open: Call[], exposed = 0) => {
  const asked: number[] = []
  const ledger = {
    ...memoryLedger({ clock: systemClock }),
    open: async (limit = 0) => {
      asked.push(limit)
      return open
    },
    callByClaim: async (claim: string) => open.find((one) => one.claim === claim),
    counter: async () => BigInt(exposed),
  }
  return { ledger, asked }
}

test('a look at the open calls says how many there are and since when, and finds nothing in good ones', async () => {
  const served: Call = {
    ...aCall({ at: AT + 5 }),
    service: { at: 'streaming', model: 'test/small', provider: 'up' },
  }
  const { ledger, asked } = await ledgerOf([aCall(), served], 200)
  expect(await spotCheck(ledger, { now: AT + 10, exposure: { total: usd(200) } })).toEqual({
    serving: 2,
    settling: 0,
    oldest: AT,
    violations: {},
  })
  expect(asked).toEqual([MOST_LOOKED_AT])
  const { ledger: empty } = await ledgerOf([])
  expect(await spotCheck(empty, { now: AT })).toEqual({
    serving: 0,
    settling: 0,
    oldest: undefined,
    violations: {},
  })
})

test('each thing that does not hold is counted by its name', async () => {
  const twice = aCall()
  const { ledger } = await ledgerOf(
    [
      twice,
      aCall({ claim: twice.claim }),
      aCall({ ceiling: 300n }),
      aCall({ pending: 7n }),
      aCall({ validBefore: BigInt(AT / 1_000 - 700) }),
      aCall({ service: { at: 'released', why: 'test' }, settlement: { at: 'due' }, exposed: usd(0) }),
    ],
    201,
  )
  const { violations } = await spotCheck(ledger, { now: AT, exposure: { total: usd(200) } })
  expect(violations).toMatchObject({ claims: 1, charge: 1, overdue: 1, released: 1, limits: 1 })
  expect(violations.books).toBeGreaterThanOrEqual(1)
  expect(Object.keys(violations).toSorted()).toEqual([...SPOT_CHECKED].toSorted())
})

test('attempts to deliver a webhook are counted by how they ended, once they are written down', async () => {
  const metrics = createMetrics()
  const records = memoryRecords({ clock: systemClock })
  countRecords(records, metrics)
  const put = (id: string, state: string, tries: number, version?: number) =>
    records.write([
      { table: DELIVERIES, id, value: { state, tries }, ...(version !== undefined && { if: version }) },
      { table: 'somewhere', id, value: { state: 'delivered' } },
    ])
  await put('a', 'waiting', 0)
  await put('a', 'waiting', 1)
  await put('a', 'delivered', 1)
  await put('b', 'failed', 7)
  await put('c', 'dropped', 0)
  // Somebody else was faster: nothing was written.
  expect((await put('a', 'delivered', 1, 1)).ok).toBe(false)
  const samples = samplesOf((await metrics.scrape()).text)
  const of = (outcome: string) => sumOf(samples, 'farebox_webhook_deliveries_total', { outcome })
  expect(['failed', 'delivered', 'given_up', 'dropped'].map(of)).toEqual([1, 1, 1, 1])
})

test('the page about metrics says of each what the code says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8').split('\n')
  const rows = Object.entries(FAMILIES).map(
    ([name, { type, labels, help }]) => `| \`${name}\` | ${type} | ${labels.join(', ') || '—'} | ${help} |`,
  )
  expect(page.filter((line) => line.startsWith('| `farebox_'))).toEqual(rows)
})
