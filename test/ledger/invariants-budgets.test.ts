import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Call, Drawn } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { JournalEntry, Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import type { Subject } from '../../src/ledger/moves.ts'
import { aCall, aTx, moves, postAll, usd } from './fixtures.ts'

const OLD = 'budget:key_1:b1:20261121T2000Z'
const NEW = 'budget:key_1:b1:20261121T2100Z'
const within = (limit: number): Drawn => ({ counter: NEW, beside: [OLD], limit: usd(limit) })

/** A piece of a rolling budget with 100 in it, and a call that draws another 100 on the next. */
const lived = async () => {
  const ledger = memoryLedger({ clock: systemClock })
  const [before, call] = [aCall({ budgets: [{ counter: OLD }] }), aCall({ budgets: [within(200)] })]
  await postAll(ledger, moves(before).claim(), moves(before).bill(100n, aTx(before, 1)))
  await postAll(ledger, moves(call).claim())
  return { ledger, call }
}

const found = async (ledger: Ledger) => {
  const violations = await checkInvariants(ledger, { now: 1_700_000_000_000 })
  return violations
    .filter(({ invariant }) => invariant !== 'chain')
    .map((one) => [one.invariant, one.subject])
}

/** The same ledger, as if a call had always been another. */
const rewritten = (ledger: Ledger, id: string, change: (call: Call) => Call): Ledger => {
  const one = (subject: Subject) => (subject.is === 'call' && subject.id === id ? change(subject) : subject)
  const line = (entry: JournalEntry): JournalEntry =>
    entry.move.type === 'claim' && entry.move.call.id === id
      ? { ...entry, move: { ...entry.move, call: change(entry.move.call) } }
      : entry
  return {
    ...ledger,
    subjects: async (...page) => (await ledger.subjects(...page)).map(one),
    journal: async (...page) => (await ledger.journal(...page)).map(line),
  }
}

test('a call that was let in above its budget is found, also when only the pieces beside it pass the limit', async () => {
  const { ledger, call } = await lived()
  const allowed = (limit: number) =>
    rewritten(ledger, call.id, (one) => ({ ...one, budgets: [within(limit)] }))
  expect(await found(ledger)).toEqual([])
  expect(await found(allowed(200))).toEqual([])
  expect(await found(allowed(199))).toEqual([['limits', `counter ${NEW}`]])
})

test('a budget whose counter says less than its calls drew is found', async () => {
  const { ledger } = await lived()
  const counters = async () => ({ ...(await ledger.counters()), [OLD]: 99n })
  expect(await found({ ...ledger, counters })).toEqual([['stored', `counter ${OLD}`]])
})

test('a call that draws on another budget than the journal says is found', async () => {
  const { ledger, call } = await lived()
  const subjects: Ledger['subjects'] = async (...page) =>
    (await ledger.subjects(...page)).map((one) => (one.id === call.id ? { ...call, budgets: [] } : one))
  expect(await found({ ...ledger, subjects })).toEqual([['stored', `subject ${call.id}`]])
})
