import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Call } from '../../src/ledger/call.ts'
import { encode } from '../../src/ledger/codec.ts'
import { auditLedger, checkInvariants, INVARIANTS, type Invariant } from '../../src/ledger/invariants.ts'
import type { JournalEntry, Ledger } from '../../src/ledger/ledger.ts'
import { chainHash, memoryLedger } from '../../src/ledger/memory.ts'
import type { Move } from '../../src/ledger/moves.ts'
import { ANN, aCall, aTx, giveCredit, moves, postAll, usd } from './fixtures.ts'

const NOW = 1_700_000_000_000

/** A ledger with a call of every kind of end, and one that is open. */
const lived = async () => {
  const ledger = memoryLedger({ clock: systemClock })
  await giveCredit(ledger, ANN, 50n)
  const [served, released, lost, open] = [aCall({ credit: 20n }), aCall(), aCall({ payer: '0xc' }), aCall()]
  await postAll(
    ledger,
    moves(served).claim(),
    moves(served).bill(110n, aTx(served, 1)),
    moves(served).settled(1),
  )
  await postAll(ledger, moves(released).claim(), moves(released).dispatch, moves(released).release)
  await postAll(ledger, moves(lost).claim(), moves(lost).bill(10n, aTx(lost, 2)), moves(lost).lose)
  await postAll(ledger, moves(open).claim(), moves(open).stream(aTx(open, 3)))
  return { ledger, served, released, lost, open }
}

let at: Awaited<ReturnType<typeof lived>>
beforeEach(async () => {
  at = await lived()
})

const found = async (ledger: Ledger, facts: Parameters<typeof checkInvariants>[1] = { now: NOW }) =>
  [...new Set((await checkInvariants(ledger, facts)).map((one) => one.invariant))].toSorted()

/** The same ledger with another journal, sealed anew as a forger would who has the file. */
const forged = async (change: (lines: JournalEntry[]) => JournalEntry[]): Promise<Ledger> => {
  let hash = ''
  const lines = change(structuredClone(await at.ledger.journal(0, 1000))).map((line, i) => {
    const { at, move, postings } = line
    hash = chainHash(hash, encode({ at, move, postings }))
    return { ...line, seq: i + 1, hash }
  })
  return { ...at.ledger, journal: async (seq, limit) => lines.slice(seq, seq + limit) }
}

const withCall = (id: string, change: (call: Call) => Call): Ledger => ({
  ...at.ledger,
  subjects: async (after, limit) =>
    (await at.ledger.subjects(after, limit)).map((one) =>
      one.is === 'call' && one.id === id ? change(one) : one,
    ),
})

const line = (move: Move, postings: JournalEntry['postings'] = []): JournalEntry => ({
  seq: 0,
  at: NOW,
  move,
  postings,
  hash: '',
})

test('a sound ledger has nothing to tell, and the audit says what it looked at', async () => {
  const lines = await at.ledger.journal(0, 1000)
  expect(
    await auditLedger(at.ledger, { now: NOW, exposure: { perPayer: usd(100), total: usd(100) } }),
  ).toEqual({
    lines: lines.length,
    head: lines.at(-1)!.hash,
    calls: 5,
    open: 1,
    violations: [],
  })
})

test('an empty ledger is sound', async () => {
  expect(await found(memoryLedger({ clock: systemClock }))).toEqual([])
})

test('a ledger of more lines than a page is read to its end, and a call at rest that wakes late is told again', async () => {
  const sleeper = aCall()
  await postAll(
    at.ledger,
    moves(sleeper).claim(),
    moves(sleeper).bill(40n, aTx(sleeper, 9)),
    moves(sleeper).settled(9),
  )
  for (let i = 0; i < 600; i++) {
    const call = aCall({ signed: 1n })
    await postAll(at.ledger, moves(call).claim(), moves(call).release)
  }
  await postAll(at.ledger, moves(sleeper).reorg, moves(sleeper).settled(12), moves(sleeper).reorg)
  expect(await auditLedger(at.ledger, { now: NOW })).toMatchObject({ calls: 606, open: 2, violations: [] })
})

describe('what somebody changed behind the back of the ledger is found', () => {
  test('a line taken out of the journal', async () => {
    const ledger: Ledger = {
      ...at.ledger,
      journal: async (seq, limit) => (await at.ledger.journal(seq, limit)).filter((one) => one.seq !== 4),
    }
    expect(await found(ledger)).toEqual(expect.arrayContaining(['chain', 'sequence']))
  })

  test('the last line cut off', async () => {
    const ledger: Ledger = {
      ...at.ledger,
      journal: async (seq, limit) => (await at.ledger.journal(seq, limit)).slice(0, -1),
    }
    expect(await found(ledger)).toEqual(['stored'])
  })

  test('an amount in a line', async () => {
    const ledger: Ledger = {
      ...at.ledger,
      journal: async (seq, limit) =>
        structuredClone(await at.ledger.journal(seq, limit)).map((one) => {
          if (one.move.type === 'bill') one.move.bill.charged += 1n
          return one
        }),
    }
    expect(await found(ledger)).toEqual(expect.arrayContaining(['chain', 'postings', 'stored']))
  })

  test('an amount in a line that was sealed anew', async () => {
    const ledger = await forged((lines) =>
      lines.map((one) => {
        if (one.postings[0]) one.postings[0].amount += 1n
        return one
      }),
    )
    expect(await found(ledger)).toEqual(expect.arrayContaining(['books', 'postings', 'stored']))
    expect(await found(ledger)).not.toContain('chain')
  })

  test('a second end of a call', async () => {
    const bill = moves(at.served).bill(1n)
    expect(await found(await forged((lines) => [...lines, line(bill)]))).toEqual(['moves', 'served'])
  })

  test('a second settlement of a payment', async () => {
    const again = moves(at.served).settled(5)
    expect(await found(await forged((lines) => [...lines, line(again)]))).toEqual(['moves', 'settled'])
  })

  test('a move of a call that nobody claimed', async () => {
    const release = moves(aCall()).release
    expect(await found(await forged((lines) => [...lines, line(release)]))).toEqual(['moves'])
  })

  test('a claim that was let in above its limits', async () => {
    const ledger = await forged((lines) =>
      lines.map((one) =>
        one.move.type === 'claim' ? { ...one, move: { ...one.move, limits: { total: usd(99) } } } : one,
      ),
    )
    expect(await found(ledger)).toEqual(['limits'])
  })

  test('credit that went below zero', async () => {
    const ledger = await forged((lines) =>
      lines.map((one) => {
        for (const posting of one.postings) if (posting.debit === `credit:${ANN}`) posting.amount = 1_000n
        return one
      }),
    )
    expect(await found(ledger)).toContain('credit')
  })

  test('a posting of less than nothing', async () => {
    const ledger = await forged((lines) =>
      lines.map((one) => {
        for (const posting of one.postings) posting.amount = -posting.amount
        return one
      }),
    )
    expect(await found(ledger)).toContain('balanced')
  })

  test('a balance, a counter, or one that is missing', async () => {
    const { ledger } = at
    const more = (await ledger.balances()).map((row, i) =>
      i === 0 ? { ...row, value: row.value + 1n } : row,
    )
    expect(await found({ ...ledger, balances: async () => more })).toEqual(['balanced', 'stored'])
    expect(await found({ ...ledger, balances: async () => [] })).toEqual(['stored'])
    expect(
      await found({ ...ledger, counters: async () => ({ ...(await ledger.counters()), exposure: 0n }) }),
    ).toEqual(['stored'])
    const invented = async () => ({ ...(await ledger.counters()), 'unpaid:0x1': 1n })
    expect(await found({ ...ledger, counters: invented })).toEqual(['stored'])
  })

  test('a call that was altered, invented, or taken away', async () => {
    const { ledger, served } = at
    expect(await found(withCall(served.id, (call) => ({ ...call, payTo: '0xbad' })))).toEqual(['stored'])
    const added = aCall()
    const invent = async (after: string | undefined, limit: number) =>
      after ? [] : [...(await ledger.subjects(after, limit)), added]
    expect(await found({ ...ledger, subjects: invent })).toEqual(['claims', 'stored'])
    const hide = async (after: string | undefined, limit: number) =>
      (await ledger.subjects(after, limit)).filter((call) => call.id !== served.id)
    expect(await found({ ...ledger, subjects: hide })).toEqual(['stored'])
  })

  test('an authorization that another call holds too', async () => {
    const ledger: Ledger = { ...at.ledger, callByClaim: async () => at.ledger.call(at.served.id) }
    expect(await found(ledger)).toEqual(['claims'])
  })

  test('a charge above the ceiling, and a ceiling above what was signed', async () => {
    const { served } = at
    const charge = withCall(served.id, (call) =>
      call.service.at === 'served'
        ? { ...call, service: { ...call.service, bill: { ...call.service.bill, charged: 121n } } }
        : call,
    )
    expect(await found(charge)).toEqual(['charge', 'stored'])
    expect(await found(withCall(served.id, (call) => ({ ...call, ceiling: 121n })))).toEqual([
      'charge',
      'stored',
    ])
  })

  test('credit that still waits for a proof, or service still at risk, when all is over', async () => {
    const { served } = at
    expect(await found(withCall(served.id, (call) => ({ ...call, pending: 1n })))).toEqual([
      'books',
      'stored',
    ])
    expect(await found(withCall(served.id, (call) => ({ ...call, exposed: usd(1) })))).toEqual([
      'books',
      'stored',
    ])
  })

  test('a released call that was settled, or whose transaction is stored', async () => {
    const { ledger, released } = at
    const settled = withCall(released.id, (call) => ({ ...call, settlement: { at: 'lost', why: 'x' } }))
    expect(await found(settled)).toEqual(['released', 'stored'])
    expect(await found({ ...ledger, transactions: async () => [aTx(released, 1)] })).toEqual(['released'])
  })

  test('a payment that is being settled by no transaction', async () => {
    expect(await found({ ...at.ledger, transactions: async () => [] })).toEqual(['outbox'])
  })
})

test('a call that stays open long after its authorization ended is told of', async () => {
  const end = Number(at.open.validBefore) * 1000
  expect(await found(at.ledger, { now: end + 600_000 })).toEqual([])
  expect(await checkInvariants(at.ledger, { now: end + 600_001 })).toMatchObject([
    { invariant: 'overdue', subject: at.open.id },
  ])
})

test('unpaid service above today’s limits is told of, for one payer and for all', async () => {
  const limits = (perPayer: number, total: number) => ({
    now: NOW,
    exposure: { perPayer: usd(perPayer), total: usd(total) },
  })
  expect(await found(at.ledger, limits(100, 100))).toEqual([])
  const subjects = async (facts: ReturnType<typeof limits>) =>
    (await checkInvariants(at.ledger, facts)).map((one) => [one.invariant, one.subject])
  expect(await subjects(limits(99, 100))).toEqual([['limits', `counter exposure:${ANN}`]])
  expect(await subjects(limits(100, 99))).toEqual([['limits', 'counter exposure']])
})

test('what a reorganisation puts back on us is not held against the limits', async () => {
  await at.ledger.post(moves(at.served).reorg)
  expect((await at.ledger.counters())['exposure']).toBe(200n)
  expect(await found(at.ledger, { now: NOW, exposure: { perPayer: usd(100), total: usd(100) } })).toEqual([])
})

test('every invariant has a sentence', () => {
  const names = Object.keys(INVARIANTS) as Invariant[]
  expect(names.every((name) => INVARIANTS[name].endsWith('.'))).toBe(true)
})
