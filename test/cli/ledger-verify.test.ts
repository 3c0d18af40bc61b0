import { expect, test } from 'vitest'
import { ledgerVerify } from '../../src/cli/ledger-verify.ts'
import { systemClock } from '../../src/clock.ts'
import { INVARIANTS } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { aCall, moves, usd } from '../ledger/fixtures.ts'

const claimed = async (calls: number): Promise<Ledger> => {
  const ledger = memoryLedger({ clock: systemClock })
  for (let i = 0; i < calls; i++) await ledger.post(moves(aCall()).claim())
  return ledger
}

const verify = async (ledger: Ledger, json: boolean, total = 10_000) => {
  const lines: string[] = []
  const exposure = { total: usd(total) }
  const code = await ledgerVerify({
    ledger,
    exposure,
    now: 1_700_000_000_000,
    json,
    out: (line) => lines.push(line),
  })
  return { code, lines }
}

test('a sound ledger is printed as sound, promise by promise', async () => {
  const { code, lines } = await verify(await claimed(2), false)
  expect(code).toBe(0)
  expect(lines[0]).toMatch(/^2 journal lines, sealed by [0-9a-f]{16}…; 2 calls, 2 of them open$/)
  expect(lines.slice(1, -1).every((line) => line.startsWith('✓ '))).toBe(true)
  expect(lines.at(-1)).toBe('All of it holds.')
})

test('what does not hold is printed under its promise, and the exit code says so', async () => {
  const { code, lines } = await verify(await claimed(2), false, 199)
  expect(code).toBe(1)
  const at = lines.indexOf(`✗ ${INVARIANTS.limits}`)
  expect([lines[at + 1], lines.at(-1)]).toEqual(['    counter exposure: 200, limit 199', '1 violation.'])
})

test('a long list is cut for people and whole as JSON', async () => {
  const ledger: Ledger = { ...(await claimed(30)), callByClaim: async () => undefined }
  const { lines } = await verify(ledger, false)
  expect(lines.at(-1)).toBe('30 violations.')
  expect(lines.filter((line) => line.startsWith('    '))).toHaveLength(21)
  expect(lines).toContain('    … and 10 more; --json has them all')
  const whole = await verify(ledger, true)
  expect(whole.code).toBe(1)
  expect(JSON.parse(whole.lines.join('\n'))).toMatchObject({ holds: false, calls: 30 })
  expect(JSON.parse(whole.lines.join('\n')).violations).toHaveLength(30)
})
