import { expect } from 'vitest'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import type { LedgerTest } from './contract.ts'
import { aClaim, anErrand, aRefund, channelOf, charged, errandMoves, keyOf } from './errands.ts'
import { ANN, aCall, aTx, aVoucher, BOB, BOOK, moves, postAll, standing } from './fixtures.ts'

/** What is done on the chain for channels and for credit, and what is only seen there. */
export const errandContract = (on: LedgerTest): void => {
  on('one claim takes what vouchers cover out of several channels', async (ledger) => {
    const [one, two] = [await charged(ledger, 1), await charged(ledger, 2, { payer: BOB })]
    const claim = aClaim([one, two])
    const { order, settle, settled } = errandMoves(claim)
    await postAll(ledger, order, settle(aTx(claim, 1)))
    for (const n of [1, 2])
      expect(await channelOf(ledger, n)).toMatchObject({
        claimed: 0n,
        claiming: { errand: claim.id, total: 30n },
      })
    await ledger.post(settled(9))
    for (const n of [1, 2])
      expect(await channelOf(ledger, n)).toMatchObject({ charged: 30n, claimed: 30n, claiming: undefined })
    expect(await standing(ledger)).toMatchObject({ 'chain:payTo': -60n, 'chain:escrow': -340n, revenue: 60n })
    expect(await ledger.openChannels()).toEqual([])
  })

  on('a channel is in one claim at a time, and is charged on meanwhile', async (ledger) => {
    const [one, two] = [await charged(ledger, 1), await charged(ledger, 2)]
    const claim = aClaim([one])
    await ledger.post(errandMoves(claim).order)
    for (const next of [aClaim([one, two]), aRefund(one)])
      expect(await ledger.post(errandMoves(next).order)).toMatchObject({ ok: false, why: 'channel' })
    expect((await channelOf(ledger, 2)).claiming).toBeUndefined()
    const call = aVoucher(await channelOf(ledger, 1))
    await postAll(ledger, moves(call).claim(), moves(call).bill(10n), errandMoves(claim).settled(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ charged: 40n, claimed: 30n, claiming: undefined })
    expect((await ledger.openChannels()).map((channel) => channel.id)).toEqual([one.id, two.id])
    const rest = aClaim([await channelOf(ledger, 1), two])
    await postAll(ledger, errandMoves(rest).order, errandMoves(rest).settled(10))
    expect(await standing(ledger)).toMatchObject({ 'chain:payTo': -70n, revenue: 70n })
  })

  on('a claim that moved less than expected is booked with what moved', async (ledger) => {
    const claim = aClaim([await charged(ledger, 1)])
    const { order, settled, reorg } = errandMoves(claim)
    await postAll(ledger, order, settled(9, 0n))
    expect(await ledger.balance(BOOK, ACCOUNT.chain)).toBe(0n)
    expect(await channelOf(ledger, 1)).toMatchObject({ claimed: 30n })
    await postAll(ledger, reorg, settled(10, 25n))
    expect(await standing(ledger)).toMatchObject({ 'chain:payTo': -25n, 'chain:escrow': -175n })
    expect(await ledger.transfers(BOOK, 10n, 10n)).toMatchObject([{ what: 'claim', amount: 25n }])
  })

  on('a claim that is lost frees its channels, and they can be claimed again', async (ledger) => {
    const channel = await charged(ledger, 1)
    const claim = aClaim([channel])
    await postAll(
      ledger,
      errandMoves(claim).order,
      errandMoves(claim).settle(aTx(claim, 1)),
      errandMoves(claim).lose,
    )
    expect(await channelOf(ledger, 1)).toEqual(channel)
    const again = aClaim([channel])
    await postAll(ledger, errandMoves(again).order, errandMoves(claim).found(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ claimed: 30n, claiming: { errand: again.id } })
    await ledger.post(errandMoves(again).settled(10, 0n))
    expect(await channelOf(ledger, 1)).toMatchObject({ claimed: 30n, claiming: undefined })
    expect(await ledger.balance(BOOK, ACCOUNT.chain)).toBe(-30n)
  })

  on('more than was charged is never claimed, and nothing of a channel that is not known', async (ledger) => {
    const channel = await charged(ledger, 1)
    for (const one of [
      { ...channel, charged: 31n },
      { ...channel, id: keyOf(9) },
    ])
      expect(await ledger.post(errandMoves(aClaim([one])).order)).toMatchObject({ ok: false, why: 'channel' })
    const unknown = anErrand({ kind: 'withdrawal', channel: keyOf(9) }, { amount: 5n })
    expect(await ledger.post(errandMoves(unknown).seen(9))).toEqual({
      ok: false,
      why: 'channel',
      channel: undefined,
    })
    const call = aCall()
    expect(
      await Promise.all([errandMoves(unknown).seen(9), moves(call).claim()].map(ledger.post)),
    ).toMatchObject([{ ok: false }, { ok: true }])
  })

  on('claims that a reorganisation took back, in whatever order, end the same', async (ledger) => {
    const first = aClaim([await charged(ledger, 1)])
    await postAll(ledger, errandMoves(first).order, errandMoves(first).settled(9))
    const call = aVoucher(await channelOf(ledger, 1))
    await postAll(ledger, moves(call).claim(), moves(call).bill(10n))
    const second = aClaim([await channelOf(ledger, 1)])
    await postAll(ledger, errandMoves(second).order, errandMoves(second).settled(10))
    const before = await channelOf(ledger, 1)
    for (const [a, b] of [
      [first, second],
      [second, first],
    ] as const) {
      await postAll(ledger, errandMoves(a).reorg, errandMoves(b).reorg)
      expect(await channelOf(ledger, 1)).toMatchObject({ claimed: 0n, charged: 40n })
      expect(await ledger.balance(BOOK, ACCOUNT.chain)).toBe(0n)
      await postAll(ledger, errandMoves(a).settled(11), errandMoves(b).settled(12))
      expect(await channelOf(ledger, 1)).toEqual(before)
    }
  })

  on('what a lost ledger claimed is taken over, and nobody knows what it was for', async (ledger) => {
    const channel = await charged(ledger, 1)
    const claim = aClaim([{ ...channel, charged: 50n }], { amount: 0n })
    const { seen, reorg, lose, found } = errandMoves(claim)
    await ledger.post(seen(9))
    const taken = { charged: 50n, claimed: 50n }
    expect(await channelOf(ledger, 1)).toMatchObject(taken)
    expect(await standing(ledger)).toMatchObject({ 'channel 1': 150n, 'suspense:in': 20n, revenue: 30n })
    await postAll(ledger, reorg, lose)
    expect(await channelOf(ledger, 1)).toEqual(channel)
    const call = aVoucher(channel)
    await postAll(ledger, moves(call).claim(), moves(call).bill(15n), found(10))
    expect(await channelOf(ledger, 1)).toMatchObject(taken)
    expect(await standing(ledger)).toMatchObject({ 'channel 1': 150n, 'suspense:in': 5n, revenue: 45n })
  })

  on(
    'a refund gives the payer what is left, claims what was charged, and nobody draws meanwhile',
    async (ledger) => {
      const channel = await charged(ledger, 1)
      const refund = aRefund(channel)
      const { order, settle, settled, reorg } = errandMoves(refund)
      await postAll(ledger, order, settle(aTx(refund, 1)))
      for (const move of [moves(aVoucher(channel)).claim(), errandMoves(aRefund(channel)).order])
        expect(await ledger.post(move)).toMatchObject({ ok: false, why: 'channel' })
      await ledger.post(settled(9))
      const end = { balance: 30n, charged: 30n, claimed: 30n, busy: undefined, refundNonce: 1n }
      expect(await channelOf(ledger, 1)).toMatchObject(end)
      expect(await standing(ledger)).toMatchObject({ 'chain:escrow': -30n, revenue: 30n })
      await ledger.post(reorg)
      expect(await channelOf(ledger, 1)).toMatchObject({
        balance: 200n,
        claimed: 0n,
        busy: refund.id,
        refundNonce: 0n,
      })
      await ledger.post(settled(10))
      expect(await channelOf(ledger, 1)).toMatchObject(end)
      expect(await ledger.transfers(BOOK, 10n, 10n)).toMatchObject([
        { what: 'refund', amount: 170n, payTo: ANN },
      ])
    },
  )

  on('a refund that is lost frees its channel, and one of more than is left is not begun', async (ledger) => {
    const channel = await charged(ledger, 1)
    const refund = aRefund(channel, 100n)
    await postAll(ledger, errandMoves(refund).order, errandMoves(refund).lose)
    expect(await channelOf(ledger, 1)).toEqual(channel)
    expect(await ledger.post(errandMoves(aRefund(channel, 171n)).order)).toMatchObject({
      ok: false,
      why: 'channel',
    })
    const call = aVoucher(channel)
    await postAll(ledger, moves(call).claim(), errandMoves(refund).found(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ busy: call.id, balance: 100n })
    await postAll(ledger, moves(call).bill(10n))
    expect(await channelOf(ledger, 1)).toMatchObject({ busy: undefined, charged: 40n })
  })

  on('what a payer takes out of its channel by itself is gone from it', async (ledger) => {
    const channel = await charged(ledger, 1)
    const out = anErrand({ kind: 'withdrawal', channel: channel.id }, { amount: 170n })
    const { seen, reorg, lose, found } = errandMoves(out)
    await ledger.post(seen(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 30n })
    expect(await standing(ledger)).toMatchObject({ 'chain:escrow': -30n, revenue: 30n })
    expect(
      await ledger.post(moves(aVoucher(await channelOf(ledger, 1), { signed: 1n })).claim()),
    ).toMatchObject({
      ok: false,
      why: 'channel',
    })
    await postAll(ledger, reorg, lose)
    expect(await channelOf(ledger, 1)).toEqual(channel)
    await ledger.post(found(10))
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 30n })
  })
}
