import { expect } from 'vitest'
import { COUNTER } from '../../src/ledger/moves.ts'
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
  SETTLED_FIRST,
  standing,
} from './fixtures.ts'

/** Payments that are lost, that settle first, and that the chain takes back. */
export const settlementContract = (on: LedgerTest): void => {
  on('a payment that is lost after the answer is a loss, and counts against its payer', async (ledger) => {
    const call = aCall()
    await postAll(ledger, moves(call).claim(), moves(call).bill(30n, aTx(call, 1)), moves(call).lose)
    expect(await standing(ledger)).toEqual(LOST)
  })

  on('a payment that is lost before the bill ends the same', async (ledger) => {
    const call = aCall()
    await postAll(
      ledger,
      moves(call).claim(),
      moves(call).stream(aTx(call, 1)),
      moves(call).lose,
      moves(call).bill(30n),
    )
    expect(await standing(ledger)).toEqual(LOST)
  })

  on('a payment that settled first is all credit when nobody could answer', async (ledger) => {
    const call = aCall({ settleFirst: true })
    const { claim, settle, include, settled, dispatch, release } = moves(call)
    await postAll(ledger, claim(), settle(aTx(call, 1)), include(9), settled(9), dispatch, release)
    expect(await standing(ledger)).toEqual({ ...SETTLED_FIRST, credit: 100n })
  })

  on(
    'a payment that settles after its call was given up is all credit then, and not before',
    async (ledger) => {
      const call = aCall({ settleFirst: true })
      const { claim, settle, settled, release } = moves(call)
      await postAll(ledger, claim(), settle(aTx(call, 1)), release)
      expect(await standing(ledger)).toEqual({ due: -100n, pending: 100n, signed: 100n })
      await ledger.post(settled(9))
      expect(await standing(ledger)).toEqual({ ...SETTLED_FIRST, credit: 100n })
    },
  )

  on('a payment that was to settle first and is lost costs nobody anything', async (ledger) => {
    const call = aCall({ settleFirst: true })
    const { claim, settle, lose, reject } = moves(call)
    await postAll(ledger, claim(), settle(aTx(call, 1)), lose, reject)
    expect(await standing(ledger)).toEqual({ 'native gas:expense': -5n, 'native gas:settler': 5n })
  })

  on('a reorganisation takes the payment back, and it settles again to the same end', async (ledger) => {
    const call = aCall()
    const { claim, bill, settled, include, reorg, settle } = moves(call)
    await postAll(ledger, claim(), bill(30n, aTx(call, 1)), include(8), reorg, include(9), settled(9))
    expect(await standing(ledger)).toEqual(SETTLED)
    await ledger.post(reorg)
    expect(await standing(ledger)).toEqual({
      due: -100n,
      pending: 70n,
      revenue: 30n,
      exposure: 30n,
      'payer exposure': 30n,
      signed: 100n,
    })
    expect((await ledger.open()).map((one) => one.id)).toEqual([call.id])
    await postAll(ledger, settle(aTx(call, 1, 1)), settled(9))
    expect(await standing(ledger)).toEqual(SETTLED)
  })

  on('a reorganisation while an answer streams puts the whole of it at risk again', async (ledger) => {
    const call = aCall()
    const { claim, stream, settled, reorg, bill } = moves(call)
    await postAll(ledger, claim(), stream(aTx(call, 1)), settled(9))
    expect(await counterOf(ledger, COUNTER.exposure)).toBe(0n)
    await ledger.post(reorg)
    expect(await counterOf(ledger, COUNTER.exposure)).toBe(100n)
    await ledger.post(bill(30n))
    expect(await counterOf(ledger, COUNTER.exposure)).toBe(30n)
    await ledger.post(settled(9))
    expect(await standing(ledger)).toEqual(SETTLED)
  })

  on('credit that was spent and then taken back by the chain is owed', async (ledger) => {
    const source = await giveCredit(ledger, ANN, 50n)
    const call = aCall({ signed: 0n, credit: 50n })
    await postAll(ledger, moves(call).claim(), moves(call).bill(50n), moves(source).reorg)
    expect(await creditOf(ledger, ANN)).toBe(-50n)
    expect(await ledger.post(moves(aCall({ credit: 1n })).claim())).toMatchObject({
      ok: false,
      why: 'short',
      balance: -50n,
    })
    await ledger.post(moves(source).settled(1))
    expect(await creditOf(ledger, ANN)).toBe(0n)
  })
}

const LOST = {
  'loss:unpaid': -30n,
  revenue: 30n,
  unpaid: 30n,
  'native gas:expense': -5n,
  'native gas:settler': 5n,
}
