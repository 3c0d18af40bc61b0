import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { audit } from './audit.ts'
import { type FleetSite, openFleetSite, startBlocks } from './site.ts'
import { isGapless, manyPayers, onePayer, onePayment } from './storms.ts'

// STORM=5 is the full size: 1,000 payments everywhere.
const scale = Number(process.env['STORM'] ?? 1)
const patience = 60_000 + 60_000 * scale

let site: FleetSite
beforeAll(async () => {
  site = await openFleetSite()
}, 120_000)
afterAll(() => site?.close())

describe('a crowd before three instances', () => {
  test(
    'one payment shown a thousand times at once is served once and moves once',
    async () => {
      const { verdict, answers, asked, open } = await onePayment(site, 1000)
      const { 200: ok, ...others } = answers
      expect({ ok, asked, transfers: verdict.transfers, problems: verdict.problems, open }).toEqual({
        ok: 1,
        asked: 1,
        transfers: 1,
        problems: [],
        open: [],
      })
      const refused = Object.entries(others).filter(([word]) => word.startsWith('409 '))
      expect(refused.reduce((sum, [, count]) => sum + count, 0)).toBe(999)
    },
    patience,
  )

  test(
    'many payers on one settler key are each paid for once, without a gap in its nonces',
    async () => {
      const payers = 200 * scale
      const { verdict, answers, nonces, open } = await manyPayers(site, payers)
      expect({ problems: verdict.problems, open, ok: answers['200'], transfers: verdict.transfers }).toEqual({
        problems: [],
        open: [],
        ok: payers,
        transfers: payers,
      })
      expect(isGapless(nonces)).toBe(true)
    },
    patience,
  )

  test(
    'one payer is not served beyond its money and what is risked',
    async () => {
      const funded = 20 * scale
      const { verdict, moved } = await onePayer(site, 200 * scale, funded)
      expect(verdict.problems).toEqual([])
      expect(verdict.transfers).toBeLessThanOrEqual(funded)
      expect(verdict.transfers).toBeGreaterThan(0)
      // What it cannot pay is less than one payer may owe, a dollar: of these tiny answers a few, never most.
      expect(verdict.served - verdict.transfers).toBeLessThanOrEqual(funded / 2)
      expect(moved).toBeGreaterThan(0n)
    },
    patience,
  )

  test(
    'its ledger stands by itself and against the chain',
    async () => {
      const { violations, agrees, report } = await audit(site)
      expect(violations).toEqual([])
      expect(agrees, report.join('\n')).toBe(true)
    },
    patience,
  )
})

test(
  'unpaid service stays within the limit at every moment, whoever serves',
  async () => {
    // Ten answers cost about 1,200 units when they are signed for.
    const narrow = await openFleetSite({ exposure: '0.0012' })
    try {
      await startBlocks(narrow, 1)
      narrow.upstream.pace(400)
      const calls = 100 * scale
      const { verdict, open } = await manyPayers(narrow, calls)
      expect({ problems: verdict.problems, open }).toEqual({ problems: [], open: [] })
      expect(verdict.unpaidMost).toBeLessThanOrEqual(narrow.limit)
      expect(verdict.unpaidMost).toBeGreaterThan(narrow.limit / 2n)
      // Who is beyond the limit pays first, and is served all the same.
      expect(verdict.served).toBe(calls)
      expect((await audit(narrow)).violations).toEqual([])
    } finally {
      await narrow.close()
    }
  },
  2 * patience,
)
