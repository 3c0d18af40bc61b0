import { expect } from 'vitest'
import type { LedgerTest } from './contract.ts'
import { aConfig, anErrand, aPayout, aRefund, channelOf, charged, errandMoves, keyOf } from './errands.ts'
import { ANN, aCall, after, aTx, BOOK, creditOf, giveCredit, moves, postAll, standing } from './fixtures.ts'

/** Credit that is paid out, and transfers that nobody ordered. */
export const payoutContract = (on: LedgerTest): void => {
  on('credit is paid out once, and never more than there is', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    const payouts = [aPayout(30n), aPayout(30n), aPayout(51n)]
    const posted = await Promise.all(payouts.map((one) => ledger.post(errandMoves(one).order)))
    expect(posted).toMatchObject([
      { ok: true },
      { ok: false, why: 'short', balance: 20n },
      { ok: false, why: 'short' },
    ])
    expect(await standing(ledger)).toMatchObject({ credit: 20n, payout: 30n })
    const { settle, settled, reorg } = errandMoves(payouts[0]!)
    const end = await after(ledger, settle(aTx(payouts[0]!, 1)), settled(9))
    expect(end).toMatchObject({ credit: 20n, 'chain:settler': 30n })
    expect(end).not.toHaveProperty('payout')
    expect(await after(ledger, reorg)).toMatchObject({ credit: 20n, payout: 30n })
    expect(await after(ledger, settled(10))).toEqual(end)
    expect(await ledger.transfers(BOOK, 10n, 10n)).toMatchObject([
      { what: 'payout', amount: 30n, payTo: ANN },
    ])
  })

  on('a payout that is lost is credit again, and one that is found after that is owed', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    const payout = aPayout(50n)
    const { order, lose, found, reorg, settled } = errandMoves(payout)
    await postAll(ledger, order, lose)
    expect(await creditOf(ledger, ANN)).toBe(50n)
    const call = aCall({ signed: 0n, credit: 50n })
    await postAll(ledger, moves(call).claim(), moves(call).bill(40n), found(9))
    expect(await standing(ledger)).toMatchObject({ credit: -40n, 'chain:settler': 50n, revenue: 40n })
    await postAll(ledger, reorg, settled(10))
    expect(await creditOf(ledger, ANN)).toBe(-40n)
    expect(await ledger.post(errandMoves(aPayout(1n)).order)).toMatchObject({ ok: false, why: 'short' })
  })

  on('a transfer that nobody ordered is booked for what it is', async (ledger) => {
    const booked = {
      inflow: { 'chain:payTo': -7n, 'suspense:in': 7n },
      outflow: { owner: -7n, 'chain:payTo': 7n },
      funding: { 'chain:settler': -7n, owner: 7n },
      defunding: { owner: -7n, 'chain:settler': 7n },
      refill: { 'chain:settler': -7n, 'chain:payTo': 7n },
      return: { 'chain:payTo': -7n, 'chain:settler': 7n },
      sweep: { 'chain:payTo': -7n, 'chain:escrow': 7n },
    } as const
    for (const what of Object.keys(booked) as (keyof typeof booked)[]) {
      const { seen, reorg, lose, found } = errandMoves(
        anErrand({ kind: 'observed', what }, { amount: 7n, claim: what }),
      )
      const { 'native gas:expense': _, 'native gas:settler': __, ...rest } = await after(ledger, seen(9))
      expect(rest, what).toEqual(booked[what])
      expect(await ledger.transfers(BOOK, 9n, 9n)).toMatchObject([{ what, amount: 7n }])
      expect(await ledger.post(seen(9))).toMatchObject({ ok: false, why: 'stale' })
      await postAll(ledger, reorg, lose, found(10), reorg, lose)
      expect(await ledger.transfers(BOOK, 0n, 99n)).toEqual([])
    }
  })

  on('errands read back as they were written, and channels too', async (ledger) => {
    const [refund, payout] = [aRefund(await charged(ledger, 1)), aPayout(0n)]
    await postAll(ledger, errandMoves(refund).order, errandMoves(payout).order)
    expect(await ledger.errand(refund.id)).toEqual(refund)
    expect((await ledger.openErrands()).map((one) => one.id)).toEqual([refund.id, payout.id])
    expect(await channelOf(ledger, 1)).toMatchObject({ config: aConfig(ANN, 1), busy: refund.id })
    expect([
      await ledger.call(refund.id),
      await ledger.errand(keyOf(1)),
      await ledger.channel(refund.id),
    ]).toEqual([undefined, undefined, undefined])
    expect((await ledger.subjects(undefined, 10)).map((one) => one.is)).toEqual([
      'errand',
      'channel',
      'call',
      'errand',
      'errand',
    ])
    expect(await ledger.calls(undefined, 10)).toHaveLength(1)
  })
}
