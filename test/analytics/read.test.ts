import { expect, test } from 'vitest'
import { createFollower } from '../../src/analytics/follower.ts'
import { createReader, readBuckets } from '../../src/analytics/read.ts'
import { systemClock } from '../../src/clock.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { AT } from '../ledger/fixtures.ts'
import { dice, live } from './history.ts'

const clock = { ...systemClock, now: () => AT }
const DAYS = ['2023-11-13', '2023-11-14', '2023-11-15', '2023-11-16']

test('what is kept of a day is never older than its last line, also while all is counted anew', async () => {
  const ledger = memoryLedger({ clock })
  const records = memoryRecords({ clock })
  const follower = createFollower({ ledger, records, log: quietLog, now: clock.now, page: 7, mostRows: 60 })
  const read = createReader()
  const same = async () => {
    for (const where of [
      { scope: 'site', dim: 'model' },
      { scope: 'org_a', dim: 'key' },
    ] as const) {
      const fresh = await readBuckets(records, { ...where, grain: 'd' }, DAYS[0]!, DAYS.at(-1)!)
      expect(await read(records, where, DAYS)).toEqual(fresh)
    }
  }
  const roll = dice(5)
  for (let n = 0; n < 12; n++) {
    await live(ledger, 4, roll)
    while ((await follower.step()) > 0) await same()
  }
  const rebuilding = follower.rebuild()
  for (let n = 0; n < 20; n++) await read(records, { scope: 'site', dim: 'model' }, DAYS)
  await rebuilding
  while ((await follower.step()) > 0) await same()
})

test('days that nothing has changed are read once', async () => {
  const ledger = memoryLedger({ clock })
  const records = memoryRecords({ clock })
  let lists = 0
  const counting: Records = {
    ...records,
    list: (table, range) => {
      lists++
      return records.list(table, range)
    },
  }
  const follower = createFollower({ ledger, records, log: quietLog, now: clock.now })
  await live(ledger, 5, dice(2))
  while ((await follower.step()) > 0);
  const read = createReader()
  const first = await read(counting, { scope: 'site', dim: 'total' }, DAYS)
  expect([first.length > 0, lists]).toEqual([true, 1])
  expect(await read(counting, { scope: 'site', dim: 'total' }, DAYS)).toEqual(first)
  expect(lists).toBe(1)
})
