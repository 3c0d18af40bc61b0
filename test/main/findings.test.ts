import { expect, test } from 'vitest'
import { findingsOf, noting } from '../../src/main/findings.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { handClock } from '../support/desk.ts'

test('findings are kept once each, the newest first, whether they are told or not', async () => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  const told: string[] = []
  const note = noting(records, clock, async (event) => void told.push(event.type))
  const find = async (hash: string, type: 'reconcile.finding' | 'provider.down' = 'reconcile.finding') => {
    clock.pass(1_000)
    const once = { name: `finding.${hash}`, forget: clock.now() + 9_000 }
    await note({ type, at: 'site', path: [], about: { hash } }, once)
  }
  for (const hash of ['b', 'a', 'b', 'c']) await find(hash)
  await find('p', 'provider.down')
  expect(told).toHaveLength(5)
  expect(await findingsOf(records)(10)).toMatchObject([{ hash: 'c' }, { hash: 'a' }, { hash: 'b' }])
  expect(await findingsOf(records)(1)).toMatchObject([{ hash: 'c' }])
})
