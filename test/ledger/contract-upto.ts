import { expect } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { COUNTER } from '../../src/ledger/moves.ts'
import type { LedgerTest } from './contract.ts'
import { ANN, aCall, after, aTx, BOOK, creditOf, giveCredit, moves, postAll, standing } from './fixtures.ts'

const anUpto = (change: Partial<Call> = {}): Call => aCall({ kind: 'upto', ...change })

/** Payments of which only what was charged moves. */
export const uptoContract = (on: LedgerTest): void => {
  on('of an upto only what was charged moves, and nothing of it becomes credit', async (ledger) => {
    const call = anUpto()
    const { claim, dispatch, stream, billDue, include, settled } = moves(call)
    expect(await after(ledger, claim(), dispatch, stream())).toEqual({
      exposure: 100n,
      'payer exposure': 100n,
      signed: 100n,
    })
    expect(await after(ledger, billDue(30n))).toEqual({
      due: -30n,
      revenue: 30n,
      exposure: 30n,
      'payer exposure': 30n,
      signed: 30n,
    })
    expect(await after(ledger, moves(call).settle(aTx(call, 1)), include(9), settled(9))).toEqual({
      ...GAS,
      'chain:payTo': -30n,
      revenue: 30n,
      settled: 1n,
    })
    expect(await ledger.transfers(BOOK, 9n, 9n)).toMatchObject([{ call: call.id, amount: 30n }])
  })

  on('the credit that an upto may use is used before its signature', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    const call = anUpto({ credit: 50n })
    expect(await after(ledger, moves(call).claim(), moves(call).billDue(70n))).toMatchObject({
      due: -20n,
      revenue: 70n,
      signed: 20n,
      exposure: 20n,
    })
    expect(await creditOf(ledger, ANN)).toBe(0n)
  })

  on('an upto that used nothing moves nothing, and its signature is burnt', async (ledger) => {
    for (const charged of [0n, 30n]) {
      await giveCredit(ledger, ANN, charged || 1n, 900 + Number(charged))
      const had = await creditOf(ledger, ANN)
      const call = anUpto({ credit: charged })
      const posted = await postAll(ledger, moves(call).claim(), moves(call).billDue(charged))
      expect(posted).toMatchObject({
        ok: true,
        call: { settlement: { at: 'none' }, service: { bill: { charged } } },
      })
      expect(await standing(ledger)).not.toHaveProperty('signed')
      expect(await creditOf(ledger, ANN)).toBe(had - charged)
      expect(await ledger.post(moves(call).settle(aTx(call, 1)))).toMatchObject({ ok: false, why: 'stale' })
      const again = await ledger.post(moves(anUpto({ claim: call.claim })).claim())
      expect(again).toMatchObject({ ok: false, why: 'claimed', call: { id: call.id } })
    }
    expect(await ledger.open()).toEqual([])
  })

  on('an upto cannot move before it is billed', async (ledger) => {
    const call = anUpto()
    const { claim, due, stream, settled, settle } = moves(call)
    await ledger.post(claim())
    for (const early of [due, settle(aTx(call, 1)), stream(aTx(call, 1)), settled(9)])
      expect(await ledger.post(early)).toMatchObject({ ok: false, why: 'stale' })
    expect(await ledger.transactions(call.id)).toEqual([])
  })

  on('an upto whose service failed frees all that it held', async (ledger) => {
    for (const ending of ['release', 'reject'] as const) {
      const call = anUpto()
      expect(await after(ledger, moves(call).claim(), moves(call)[ending])).toEqual({})
    }
  })

  on('an upto that is lost, included or not, counts against its payer with what it used', async (ledger) => {
    for (const payer of [ANN, '0xc1'] as const) {
      const call = anUpto({ payer })
      const included = payer === ANN ? [] : [moves(call).include(9)]
      await postAll(
        ledger,
        moves(call).claim(),
        moves(call).bill(30n, aTx(call, 1)),
        ...included,
        moves(call).lose,
      )
      expect(await ledger.counter(COUNTER.unpaid(call.payer))).toBe(30n)
      expect(await ledger.counter(COUNTER.exposure)).toBe(0n)
      expect(await ledger.counter(COUNTER.signed(BOOK, call.payer))).toBe(0n)
    }
    expect(await ledger.balance(BOOK, 'loss:unpaid')).toBe(-60n)
  })

  on(
    'a reorganisation puts what an upto used at risk again, and it settles to the same end',
    async (ledger) => {
      const call = anUpto()
      const { claim, bill, settled, reorg } = moves(call)
      const before = await after(ledger, claim(), bill(30n, aTx(call, 1)), settled(9))
      expect(await after(ledger, reorg)).toEqual({
        due: -30n,
        revenue: 30n,
        exposure: 30n,
        'payer exposure': 30n,
        signed: 30n,
      })
      expect(await after(ledger, settled(10))).toEqual(before)
    },
  )

  on(
    'a call whose money is due is settled by the transaction that comes, or by somebody else’s',
    async (ledger) => {
      for (const own of [true, false]) {
        const call = aCall({ payer: own ? ANN : '0xb0b' })
        const { claim, stream, billDue, settled } = moves(call)
        await postAll(ledger, claim(), stream(), billDue(30n))
        expect((await ledger.call(call.id))?.settlement).toEqual({ at: 'due' })
        expect((await ledger.open()).map((one) => one.id)).toEqual([call.id])
        if (own) await ledger.post(moves(call).settle(aTx(call, 1)))
        expect(await ledger.post(settled(9))).toMatchObject({
          ok: true,
          call: { settlement: { at: 'settled' } },
        })
        expect(await creditOf(ledger, call.payer)).toBe(70n)
      }
    },
  )

  on(
    'a payment that somebody else sent and the chain took back is on its way without a transaction of ours',
    async (ledger) => {
      const call = aCall()
      const { claim, billDue, include, reorg, settle, settled } = moves(call)
      await postAll(ledger, claim(), billDue(30n), include(9), reorg)
      expect((await ledger.call(call.id))?.settlement.at).toBe('settling')
      await postAll(ledger, settle(aTx(call, 1)), settled(10), reorg)
      expect((await postAll(ledger, settled(11))).ok).toBe(true)
    },
  )

  on('a payment that is to settle first is due before anything is served', async (ledger) => {
    const call = aCall({ settleFirst: true })
    const { claim, due, settled, dispatch, bill } = moves(call)
    await postAll(ledger, claim(), due)
    expect(await ledger.post(due)).toMatchObject({ ok: false, why: 'stale' })
    expect(await after(ledger, settled(9), dispatch, bill(30n))).toEqual({
      ...GAS,
      'chain:payTo': -100n,
      credit: 70n,
      revenue: 30n,
      settled: 1n,
    })
  })
}

const GAS = { 'native gas:expense': -21n, 'native gas:settler': 21n }
