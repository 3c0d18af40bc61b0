import { beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { encode } from '../../src/ledger/codec.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { JournalEntry, Ledger } from '../../src/ledger/ledger.ts'
import { chainHash, memoryLedger } from '../../src/ledger/memory.ts'
import type { Move, Subject } from '../../src/ledger/moves.ts'
import { aClaim, aDeposit, aPayout, channelOf, errandMoves, keyOf, putIn } from './errands.ts'
import { ANN, aCall, aTx, aVoucher, giveCredit, moves, postAll } from './fixtures.ts'

/** A ledger with a channel that was charged and is being claimed, a payout on its way, and a charge given back. */
const lived = async () => {
  const ledger = memoryLedger({ clock: systemClock })
  await giveCredit(ledger, ANN, 50n)
  await putIn(ledger, 1, 200n)
  const call = aVoucher(await channelOf(ledger, 1))
  await postAll(ledger, moves(call).claim(), moves(call).bill(30n))
  const [claim, payout, back] = [aClaim([await channelOf(ledger, 1)]), aPayout(20n), aCall()]
  await postAll(ledger, errandMoves(claim).order, errandMoves(claim).settle(aTx(claim, 1)))
  await postAll(ledger, errandMoves(payout).order, errandMoves(payout).settle(aTx(payout, 2)))
  await postAll(
    ledger,
    moves(back).claim(),
    moves(back).bill(30n, aTx(back, 3)),
    moves(back).refund,
    moves(back).settled(3),
  )
  return { ledger, call, claim, payout, back }
}

let at: Awaited<ReturnType<typeof lived>>
beforeEach(async () => {
  at = await lived()
})

const found = async (ledger: Ledger) =>
  [...new Set((await checkInvariants(ledger, { now: 0 })).map((one) => one.invariant))].toSorted()

/** The same ledger with something else stored under an id. */
const withStored = (id: string, change: (subject: Subject) => Subject): Ledger => ({
  ...at.ledger,
  subjects: async (after, limit) =>
    (await at.ledger.subjects(after, limit)).map((one) => (one.id === id ? change(one) : one)),
})

/** The same ledger with another journal, sealed anew. */
const forged = async (change: (lines: JournalEntry[]) => JournalEntry[]): Promise<Ledger> => {
  let hash = ''
  const lines = change(structuredClone(await at.ledger.journal(0, 1000))).map((line, i) => {
    const { at, move, postings } = line
    hash = chainHash(hash, encode({ at, move, postings }))
    return { ...line, seq: i + 1, hash }
  })
  return { ...at.ledger, journal: async (seq, limit) => lines.slice(seq, seq + limit) }
}

const and = (move: Move) => (lines: JournalEntry[]) => [
  ...lines,
  { seq: 0, at: 0, move, postings: [], hash: '' },
]

test('a ledger with channels and errands in all their states has nothing to tell', async () => {
  expect(await found(at.ledger)).toEqual([])
})

test('a channel that says it was charged more than its voucher covers, or less than was claimed, is found', async () => {
  const channel = (change: object) => withStored(keyOf(1), (one) => ({ ...one, ...change }) as Subject)
  expect(await found(channel({ charged: 101n }))).toEqual(['channels', 'stored'])
  expect(await found(channel({ claimed: 31n }))).toEqual(['channels', 'stored'])
  expect(await found(channel({ voucher: undefined }))).toEqual(['channels', 'stored'])
  expect(await found(channel({ balance: 201n }))).toEqual(['stored'])
  expect(await found(channel({ busy: at.call.id }))).toEqual(['stored'])
})

test('a deposit of another amount than was posted is found', async () => {
  const ledger = await forged((lines) =>
    lines.map((line) => {
      if (line.move.type === 'order' && line.move.errand.task.kind === 'deposit')
        line.move.errand.amount += 1n
      return line
    }),
  )
  expect(await found(ledger)).toEqual(['books', 'channels', 'postings', 'stored'])
})

test('an errand that was altered, invented or taken away is found', async () => {
  const { ledger, payout } = at
  expect(await found(withStored(payout.id, (one) => ({ ...one, amount: 21n }) as Subject))).toEqual([
    'stored',
  ])
  const invented: Ledger = {
    ...ledger,
    subjects: async (after, limit) =>
      after ? [] : [...(await ledger.subjects(after, limit)), aDeposit(3, 5n)],
  }
  expect(await found(invented)).toEqual(['claims', 'stored'])
  const hidden: Ledger = {
    ...ledger,
    subjects: async (after, limit) =>
      (await ledger.subjects(after, limit)).filter(({ id }) => id !== payout.id),
  }
  expect(await found(hidden)).toEqual(['stored'])
})

test('an errand that is being settled by no transaction is found', async () => {
  const none: Ledger = {
    ...at.ledger,
    transactions: async (id) => (id === at.payout.id ? [] : at.ledger.transactions(id)),
  }
  expect(await checkInvariants(none, { now: 0 })).toMatchObject([
    { invariant: 'outbox', subject: at.payout.id },
  ])
})

test('a second deposit, refund or settlement in the journal is found', async () => {
  const { back, claim } = at
  expect(await found(await forged(and(moves(back).refund)))).toEqual(['moves'])
  expect(await found(await forged(and(errandMoves(claim).order)))).toEqual(['moves'])
  expect(await found(await forged(and(moves(back).found(5))))).toEqual(['moves', 'settled'])
})

test('a journal without the deposit of a channel is told of, and read to its end', async () => {
  const ledger = await forged((lines) =>
    lines.filter(({ move }) => !(move.type === 'order' && move.errand.task.kind === 'deposit')),
  )
  expect(await found(ledger)).toEqual(expect.arrayContaining(['moves', 'stored']))
})
