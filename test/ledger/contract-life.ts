import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Call } from '../../src/ledger/call.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { COUNTER, type Move } from '../../src/ledger/moves.ts'
import type { LedgerTest } from './contract.ts'
import {
  ANN,
  aCall,
  aTx,
  counterOf,
  creditOf,
  giveCredit,
  moves,
  postAll,
  SETTLED,
  standing,
} from './fixtures.ts'

/** One call from its claim to its rest, by every way there is. */
export const lifeContract = (on: LedgerTest): void => {
  on(
    'a served call is charged what it used, and the rest is credit once the payment is proven',
    async (ledger) => {
      const call = aCall()
      const { claim, dispatch, stream, bill, include, settled } = moves(call)
      await postAll(ledger, claim(), dispatch, stream(aTx(call, 1)))
      expect(await standing(ledger)).toEqual({ exposure: 100n, 'payer exposure': 100n, signed: 100n })
      await ledger.post(bill(30n))
      expect(await standing(ledger)).toEqual({
        due: -100n,
        pending: 70n,
        revenue: 30n,
        exposure: 30n,
        'payer exposure': 30n,
        signed: 100n,
      })
      await ledger.post(include(9))
      expect(await creditOf(ledger, ANN)).toBe(0n)
      await ledger.post(settled(9))
      expect(await standing(ledger)).toEqual(SETTLED)
      expect(await ledger.open()).toEqual([])
    },
  )

  on('the end is the same whether the payment is proven before or after the bill', async (ledger) => {
    const call = aCall()
    const { claim, stream, bill, include, settled } = moves(call)
    await postAll(ledger, claim(), stream(aTx(call, 1)), include(9), settled(9))
    expect(await standing(ledger)).toMatchObject({ 'chain:payTo': -100n, due: 100n })
    await ledger.post(bill(30n))
    expect(await standing(ledger)).toEqual(SETTLED)
  })

  test('bills and proofs end the same in every order', async () => {
    const order = fc.shuffledSubarray(['bill', 'include', 'settled', 'dispatch'], { minLength: 4 })
    await fc.assert(
      fc.asyncProperty(order, fc.bigInt(0n, 120n), async (names, charged) => {
        const ledger = memoryLedger({ clock: systemClock })
        const call = aCall()
        const { claim, stream, bill, include, settled, dispatch } = moves(call)
        const table = { bill: bill(charged), include: include(9), settled: settled(9), dispatch }
        await postAll(
          ledger,
          claim(),
          stream(aTx(call, 1)),
          ...names.map((name) => table[name as keyof typeof table]),
        )
        const most = charged > 100n ? 100n : charged
        expect(await ledger.balance(`${call.chain}/${call.token}`, 'revenue')).toBe(most)
        expect(await creditOf(ledger, ANN)).toBe(100n - most)
        expect(await counterOf(ledger, COUNTER.exposure)).toBe(0n)
      }),
      { numRuns: 60 },
    )
  })

  on(
    'a charge comes from the payment first and then from credit, and never passes the ceiling',
    async (ledger) => {
      await giveCredit(ledger, ANN, 50n)
      const call = aCall({ signed: 60n, credit: 40n })
      await postAll(ledger, moves(call).claim(), moves(call).bill(75n, aTx(call, 1)), moves(call).settled(1))
      expect(await creditOf(ledger, ANN)).toBe(35n)
      const greedy = aCall({ signed: 60n, credit: 35n, ceiling: 80n })
      const posted = await postAll(ledger, moves(greedy).claim(), moves(greedy).bill(1000n, aTx(greedy, 2)))
      expect(posted).toMatchObject({ ok: true, call: { service: { at: 'served', bill: { charged: 80n } } } })
      expect(await creditOf(ledger, ANN)).toBe(15n)
    },
  )

  on('a call on credit alone moves nothing on the chain', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    const call = aCall({ signed: 0n, credit: 50n })
    await postAll(
      ledger,
      moves(call).claim(),
      moves(call).dispatch,
      moves(call).stream(),
      moves(call).bill(20n),
    )
    expect(await ledger.post(moves(call).settle(aTx(call, 2)))).toMatchObject({ ok: false, why: 'stale' })
    expect(await standing(ledger)).toEqual({
      'chain:payTo': -50n,
      credit: 30n,
      revenue: 20n,
      settled: 1n,
      'native gas:expense': -21n,
      'native gas:settler': 21n,
    })
  })

  on('what no payment stands behind cannot be charged', async (ledger) => {
    const call = aCall()
    const posted = await postAll(ledger, moves(call).claim(), moves(call).bill(30n))
    expect(posted).toMatchObject({ ok: true, call: { service: { bill: { charged: 0n } } } })
    expect(await ledger.post(moves(call).settle(aTx(call, 1)))).toMatchObject({ ok: false, why: 'stale' })
    expect(await standing(ledger)).toEqual({})
  })

  on(
    'a release and a rejection give everything back, and the authorization can never be settled',
    async (ledger) => {
      await giveCredit(ledger, ANN, 50n)
      const before = await standing(ledger)
      for (const ending of ['release', 'reject'] as const) {
        const call = aCall({ credit: 50n })
        const life = moves(call)
        await ledger.post(life.claim())
        expect(await creditOf(ledger, ANN)).toBe(0n)
        await ledger.post(life[ending])
        expect(await standing(ledger)).toEqual(before)
        for (const late of [
          life.settle(aTx(call, 1)),
          life.stream(aTx(call, 2)),
          life.bill(10n, aTx(call, 3)),
          life.settled(3),
        ]) {
          expect(await ledger.post(late)).toMatchObject({ ok: false, why: 'stale' })
        }
        expect(await ledger.transactions(call.id)).toEqual([])
        expect(await standing(ledger)).toEqual(before)
      }
    },
  )

  on('a call that was dispatched cannot be rejected as if it never was', async (ledger) => {
    const call = aCall()
    const posted = await postAll(ledger, moves(call).claim(), moves(call).dispatch, moves(call).reject)
    expect(posted).toMatchObject({ ok: false, why: 'stale', call: { service: { at: 'dispatched' } } })
  })

  on('every move may arrive twice and counts once', async (ledger) => {
    for (const life of lives()) {
      for (const move of life) {
        const first = await ledger.post(move)
        expect(first.ok, move.type).toBe(true)
        const lines = (await ledger.journal(0, 1000)).length
        const after = await standing(ledger)
        expect(await ledger.post(move), move.type).toMatchObject({
          ok: false,
          why: 'stale',
          call: first.ok && first.call,
        })
        expect(await standing(ledger)).toEqual(after)
        expect(await ledger.journal(0, 1000)).toHaveLength(lines)
      }
    }
  })

  on('a move of a call that does not exist changes nothing', async (ledger) => {
    const { dispatch, bill, settled, release } = moves(aCall())
    for (const move of [dispatch, bill(1n), settled(1), release]) {
      expect(await ledger.post(move)).toEqual({ ok: false, why: 'stale', call: undefined })
    }
    expect(await ledger.journal(0, 10)).toEqual([])
  })
}

/** Lives that together hold every move. */
const lives = (): Move[][] => {
  const every = (call: Call) => moves(call)
  const [streamed, lost, rejected, released, first] = [
    aCall(),
    aCall({ payer: '0xc1' }),
    aCall(),
    aCall(),
    aCall({ settleFirst: true }),
  ]
  const { claim, dispatch, stream, bill, settle, include, settled, reorg } = every(streamed)
  return [
    [
      claim(),
      dispatch,
      stream(aTx(streamed, 1)),
      settle(aTx(streamed, 1, 1)),
      bill(30n),
      include(9),
      reorg,
      settled(9),
    ],
    [every(lost).claim(), every(lost).bill(30n, aTx(lost, 2)), every(lost).lose],
    [every(rejected).claim(), every(rejected).reject],
    [every(released).claim(), every(released).dispatch, every(released).release],
    [
      every(first).claim(),
      every(first).settle(aTx(first, 3)),
      every(first).settled(10),
      every(first).release,
      every(first).reorg,
    ],
  ]
}
