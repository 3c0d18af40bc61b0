import { expect, test } from 'vitest'
import { createRefunds } from '../../src/call/refund.ts'
import { systemClock } from '../../src/clock.ts'
import { fail } from '../../src/errors.ts'
import { billOf } from '../../src/ledger/call.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import { memoryTally } from '../../src/store/tally.ts'
import { aCall, aTx, moves, postAll } from '../ledger/fixtures.ts'

test('an answer that was lost while the ledger was away too is given back when it answers again, and counts once', async () => {
  const ledger = memoryLedger({ clock: systemClock })
  const call = aCall()
  await postAll(ledger, moves(call).claim(), moves(call).stream(aTx(call, 1)), moves(call).bill(40n))
  let away = 2
  const tally = memoryTally({ clock: systemClock })
  const refunds = createRefunds({
    ledger: {
      post: (move) => (away-- > 0 ? Promise.reject(fail('ledger_unavailable')) : ledger.post(move)),
    },
    clock: systemClock,
    log: quietLog,
    policy: 'credit',
    perDay: 2,
    tally,
    started: 0,
    closed: 0,
  })
  // As it is known to who serves it: without a bill.
  expect(await refunds.lost(call, 'the connection was lost')).toBe(false)
  const bill = async () => billOf((await ledger.call(call.id))!)
  await expect.poll(async () => (await bill())?.refunded, { timeout: 5_000 }).toBe(40n)
  const taken = async () => tally.take(`refund ${call.payer}`, 2, 1_000)
  expect([await taken(), await taken()]).toEqual([true, false])
})
