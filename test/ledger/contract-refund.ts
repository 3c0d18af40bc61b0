import { expect } from 'vitest'
import { type Call, stateOf } from '../../src/ledger/call.ts'
import { COUNTER, type Move } from '../../src/ledger/moves.ts'
import type { LedgerTest } from './contract.ts'
import { putIn } from './errands.ts'
import {
  ANN,
  aCall,
  after,
  aTx,
  aVoucher,
  BOOK,
  counterOf,
  creditOf,
  giveCredit,
  moves,
  postAll,
  standing,
} from './fixtures.ts'

/** Charges that are given back, payments that were given up and come after all, and names of calls. */
export const refundContract = (on: LedgerTest): void => {
  on(
    'a charge that is given back after the payment is proven is credit at once, and once',
    async (ledger) => {
      const call = aCall()
      const { claim, bill, settled, refund } = moves(call)
      await postAll(ledger, claim(), bill(30n, aTx(call, 1)), settled(9), refund)
      expect(await creditOf(ledger, ANN)).toBe(100n)
      expect(await ledger.balance(BOOK, 'revenue')).toBe(0n)
      expect(await ledger.post(refund)).toMatchObject({ ok: false, why: 'stale' })
      expect(await creditOf(ledger, ANN)).toBe(100n)
    },
  )

  on(
    'one that is given back before that is credit when the payment is proven, and no longer at risk',
    async (ledger) => {
      const call = aCall()
      const { claim, bill, settled, refund, include, reorg } = moves(call)
      await postAll(ledger, claim(), bill(30n, aTx(call, 1)), include(9), refund)
      expect(await standing(ledger)).toEqual({ due: -100n, pending: 100n, signed: 100n })
      await postAll(ledger, reorg, settled(10))
      expect(await creditOf(ledger, ANN)).toBe(100n)
    },
  )

  on('what credit had paid of it is credit again at once', async (ledger) => {
    await giveCredit(ledger, ANN, 40n)
    const call = aCall({ signed: 60n, credit: 40n })
    const { claim, bill, settled, refund } = moves(call)
    await postAll(ledger, claim(), bill(75n, aTx(call, 1)), refund)
    expect(await standing(ledger)).toMatchObject({ due: -60n, pending: 60n, credit: 40n })
    await ledger.post(settled(9))
    expect(await creditOf(ledger, ANN)).toBe(100n)
  })

  on('a payment that is lost after its charge was given back is nobody’s loss', async (ledger) => {
    await giveCredit(ledger, ANN, 40n)
    const before = await standing(ledger)
    const call = aCall({ signed: 60n, credit: 40n })
    const { claim, bill, lose, refund, found } = moves(call)
    await postAll(ledger, claim(), bill(75n, aTx(call, 1)), refund, lose)
    expect(await standing(ledger)).toEqual({
      ...before,
      'native gas:expense': -26n,
      'native gas:settler': 26n,
    })
    await ledger.post(found(9))
    expect(await creditOf(ledger, ANN)).toBe(100n)
    expect(await ledger.balance(BOOK, 'loss:unpaid')).toBe(0n)
  })

  on('whatever paid for a call, its charge can be given back', async (ledger) => {
    const channel = await putIn(ledger, 1, 200n)
    for (const [n, kind] of (['eip3009', 'permit2', 'upto', 'voucher', 'credit'] as const).entries()) {
      const payer = kind === 'voucher' ? ANN : (`0xe${n}` as const)
      await giveCredit(ledger, payer, 10n, 900 + n)
      const facts = { credit: 10n, ceiling: 40n, payer }
      const call =
        kind === 'voucher'
          ? aVoucher(channel, { ...facts, signed: 30n })
          : kind === 'credit'
            ? aCall({ ...facts, signed: 0n, ceiling: 10n })
            : aCall({ ...facts, kind, signed: 30n })
      const { claim, bill, billDue, refund, settled } = moves(call)
      await postAll(
        ledger,
        claim(),
        kind === 'voucher' || kind === 'credit' ? bill(40n) : billDue(40n),
        refund,
      )
      const [charged, fromChain] = kind === 'credit' ? [10n, 0n] : [40n, 30n]
      expect(await ledger.call(call.id), kind).toMatchObject({
        service: { bill: { charged, refunded: charged } },
      })
      const moved = kind !== 'voucher' && kind !== 'credit'
      expect(await creditOf(ledger, payer), kind).toBe(moved ? 10n : 10n + fromChain)
      if (moved) await ledger.post(settled(20 + n))
      expect(await creditOf(ledger, payer), kind).toBe(10n + fromChain)
    }
    expect(await ledger.balance(BOOK, 'revenue')).toBe(0n)
    expect(await counterOf(ledger, COUNTER.exposure)).toBe(0n)
  })

  on(
    'nothing is given back of a call that is served, failed, cost nothing, or was never paid',
    async (ledger) => {
      const [serving, released, free, lost] = [aCall(), aCall(), aCall(), aCall({ payer: '0xc1' })]
      await postAll(ledger, moves(serving).claim(), moves(serving).stream(aTx(serving, 1)))
      await postAll(ledger, moves(released).claim(), moves(released).release)
      await postAll(ledger, moves(free).claim(), moves(free).bill(0n, aTx(free, 2)))
      await postAll(ledger, moves(lost).claim(), moves(lost).bill(30n, aTx(lost, 3)), moves(lost).lose)
      for (const call of [serving, released, free, lost])
        expect(await ledger.post(moves(call).refund)).toMatchObject({ ok: false, why: 'stale' })
    },
  )

  on('after a reorganisation a charge that was given back waits for its payment again', async (ledger) => {
    for (const kind of ['eip3009', 'upto'] as const) {
      const call = aCall({ kind, payer: kind === 'upto' ? '0xc1' : ANN })
      const { claim, bill, settled, reorg, refund } = moves(call)
      await postAll(ledger, claim(), bill(30n, aTx(call, 1)), settled(9), refund)
      const credit = await creditOf(ledger, call.payer)
      await ledger.post(reorg)
      expect([await creditOf(ledger, call.payer), await counterOf(ledger, COUNTER.exposure)]).toEqual([
        0n,
        0n,
      ])
      await ledger.post(settled(10))
      expect(await creditOf(ledger, call.payer)).toBe(credit)
    }
  })

  on(
    'a payment that was given up and is on the chain after all pays the debt, and its rest is credit',
    async (ledger) => {
      for (const kind of ['eip3009', 'upto'] as const) {
        const call = aCall({ kind, payer: kind === 'upto' ? '0xc1' : ANN })
        const { claim, bill, lose, found, reorg, settled } = moves(call)
        await postAll(ledger, claim(), bill(30n, aTx(call, 1)), lose)
        expect(await ledger.counter(COUNTER.unpaid(call.payer))).toBe(30n)
        await ledger.post(found(9))
        expect(await ledger.counter(COUNTER.unpaid(call.payer))).toBe(0n)
        expect(await ledger.balance(BOOK, 'loss:unpaid')).toBe(0n)
        const end = await standing(ledger)
        expect(await creditOf(ledger, call.payer)).toBe(kind === 'upto' ? 0n : 70n)
        expect(await ledger.post(found(9))).toMatchObject({ ok: false, why: 'stale' })
        await postAll(ledger, reorg, settled(10))
        expect({ ...(await standing(ledger)), ...GAS }).toEqual({ ...end, ...GAS })
      }
    },
  )

  on('one that nobody was served for is all credit', async (ledger) => {
    const call = aCall({ settleFirst: true })
    const { claim, settle, lose, reject, found } = moves(call)
    await postAll(ledger, claim(), settle(aTx(call, 1)), lose)
    expect(await ledger.post(found(9))).toMatchObject({ ok: false, why: 'stale' })
    await postAll(ledger, reject, found(9))
    expect(await creditOf(ledger, ANN)).toBe(100n)
    expect(stateOf((await ledger.call(call.id))!)).toBe('rejected')
  })

  on('a name that a caller gave to a call is taken while that call stands', async (ledger) => {
    const lives: [string, boolean, (call: Call) => Move[]][] = [
      ['claimed', true, () => []],
      ['served', true, (call) => [moves(call).bill(30n, aTx(call, 1)), moves(call).settled(9)]],
      ['served for nothing', true, (call) => [moves(call).bill(0n)]],
      ['paid and not served', true, (call) => [moves(call).settle(aTx(call, 2)), moves(call).release]],
      ['rejected', false, (call) => [moves(call).reject]],
      ['released', false, (call) => [moves(call).dispatch, moves(call).release]],
      ['not paid', false, (call) => [moves(call).settle(aTx(call, 3)), moves(call).lose, moves(call).reject]],
    ]
    for (const [state, taken, life] of lives) {
      const call = aCall({ key: state, settleFirst: true, payer: `0xa${state.length}` })
      await postAll(ledger, moves(call).claim(), ...life(call))
      const next = aCall({ key: state, settleFirst: true, payer: call.payer })
      const posted = await ledger.post(moves(next).claim())
      if (taken) expect(posted, state).toMatchObject({ ok: false, why: 'claimed', call: { id: call.id } })
      else expect(posted, state).toMatchObject({ ok: true, call: { id: next.id } })
      expect((await ledger.callByKey(state))?.id, state).toBe(taken ? call.id : next.id)
      expect(await ledger.claimant(next.claim), state).toBe(taken ? undefined : next.id)
    }
    expect(await ledger.callByKey('nothing')).toBeUndefined()
  })

  on('a payment and the caller’s own name for a call are taken each by itself', async (ledger) => {
    const call = aCall({ key: 'payment', name: 'mine' })
    await ledger.post(moves(call).claim())
    for (const same of [{ key: 'payment' }, { name: 'mine' }, { key: 'other', name: 'mine' }])
      expect(await ledger.post(moves(aCall(same)).claim())).toMatchObject({
        ok: false,
        call: { id: call.id },
      })
    expect((await ledger.post(moves(aCall({ key: 'other', name: 'other name' })).claim())).ok).toBe(true)
    for (const key of ['payment', 'mine']) expect((await ledger.callByKey(key))?.id).toBe(call.id)
  })

  on('of many calls of one name at once, one is served', async (ledger) => {
    const calls = Array.from({ length: 20 }, () => aCall({ key: 'one name' }))
    const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
    const winner = posted.find((one) => one.ok)
    expect(posted.filter((one) => one.ok)).toHaveLength(1)
    expect(winner?.ok && (await ledger.callByKey('one name'))?.id).toBe(winner?.ok && winner.call.id)
    expect(await after(ledger)).toMatchObject({ signed: 100n })
  })
}

const GAS = { 'native gas:expense': 0n, 'native gas:settler': 0n }
