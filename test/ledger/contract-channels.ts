import { expect } from 'vitest'
import { toMove } from '../../src/ledger/call.ts'
import type { LedgerTest } from './contract.ts'
import { aDeposit, aRefund, channelOf, errandMoves, keyOf, putIn } from './errands.ts'
import {
  ANN,
  aCall,
  after,
  aTx,
  aVoucher,
  BOB,
  creditOf,
  giveCredit,
  moves,
  postAll,
  standing,
} from './fixtures.ts'

/** Deposits, and the calls that vouchers pay. */
export const channelContract = (on: LedgerTest): void => {
  on('a deposit opens a channel when it is proven, and the next one adds to it', async (ledger) => {
    const [first, more] = [aDeposit(1, 100n), aDeposit(1, 50n)]
    await ledger.post(errandMoves(first).order)
    expect(await ledger.channel(keyOf(1))).toBeUndefined()
    expect((await ledger.openErrands()).map((one) => one.id)).toEqual([first.id])
    expect(
      await after(ledger, errandMoves(first).settle(aTx(first, 1)), errandMoves(first).settled(9)),
    ).toEqual({
      ...GAS,
      'chain:escrow': -100n,
      'channel 1': 100n,
    })
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 100n, charged: 0n, claimed: 0n, turns: 0 })
    await postAll(ledger, errandMoves(more).order, errandMoves(more).settled(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 150n })
    expect(await ledger.openErrands()).toEqual([])
    expect(await ledger.openChannels()).toEqual([])
  })

  on('one deposit is used once, whoever orders it', async (ledger) => {
    const first = aDeposit(1, 100n)
    await ledger.post(errandMoves(first).order)
    expect(await ledger.post(errandMoves(first).order)).toMatchObject({ ok: false, why: 'stale' })
    const again = aDeposit(2, 100n, { claim: first.claim! })
    expect(await ledger.post(errandMoves(again).order)).toMatchObject({
      ok: false,
      why: 'claimed',
      call: { id: first.id },
    })
    expect(await ledger.claimant(first.claim!)).toBe(first.id)
    expect(await ledger.callByClaim(first.claim!)).toBeUndefined()
  })

  on('a deposit that is lost opens nothing, and one that is found does', async (ledger) => {
    const deposit = aDeposit(1, 100n)
    const { order, lose, found } = errandMoves(deposit)
    await postAll(ledger, order, lose)
    expect(await ledger.channel(keyOf(1))).toBeUndefined()
    await ledger.post(found(9))
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 100n })
  })

  on('a reorganisation takes a deposit back, also when it was charged by then', async (ledger) => {
    const deposit = aDeposit(1, 100n)
    const { order, settled, reorg, lose } = errandMoves(deposit)
    await postAll(ledger, order, settled(9))
    const call = aVoucher(await channelOf(ledger, 1), { signed: 40n })
    await postAll(ledger, moves(call).claim(), moves(call).bill(30n), reorg)
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 0n, charged: 30n })
    expect(await standing(ledger)).toEqual({ 'channel 1': -30n, revenue: 30n })
    const next = aVoucher(await channelOf(ledger, 1), { signed: 1n })
    expect(await ledger.post(moves(next).claim())).toMatchObject({ ok: false, why: 'channel' })
    await ledger.post(settled(10))
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 100n, charged: 30n })
    await postAll(ledger, reorg, lose)
    expect(await channelOf(ledger, 1)).toMatchObject({ balance: 0n, charged: 30n })
  })

  on('a channel that the contract knows longer than we do starts where it stands', async (ledger) => {
    const deposit = aDeposit(1, 60n)
    const task = { ...deposit.task, claimed: 40n, refundNonce: 3n } as typeof deposit.task
    await ledger.post(errandMoves({ ...deposit, task }).seen(9))
    expect(await channelOf(ledger, 1)).toMatchObject({
      balance: 100n,
      charged: 40n,
      claimed: 40n,
      refundNonce: 3n,
    })
    const call = aVoucher(await channelOf(ledger, 1), { signed: 60n })
    expect((await ledger.post(moves(call).claim())).ok).toBe(true)
    expect(call.cumulative).toBe(100n)
  })

  on('a voucher pays what was used, and the next one goes on from there', async (ledger) => {
    await putIn(ledger, 1, 150n)
    const call = aVoucher(await channelOf(ledger, 1), { signature: '0x51a1' })
    const { claim, dispatch, stream, bill } = moves(call)
    await postAll(ledger, claim(), dispatch, stream())
    expect(await channelOf(ledger, 1)).toMatchObject({ busy: call.id, turns: 1, charged: 0n })
    expect(await standing(ledger)).toEqual({ ...GAS, 'chain:escrow': -150n, 'channel 1': 150n })
    expect(await after(ledger, bill(30n))).toEqual({
      ...GAS,
      'chain:escrow': -150n,
      'channel 1': 120n,
      revenue: 30n,
    })
    expect(await channelOf(ledger, 1)).toMatchObject({
      busy: undefined,
      last: call.id,
      charged: 30n,
      claimed: 0n,
      voucher: { max: 100n, signature: '0x51a1' },
    })
    const next = aVoucher(await channelOf(ledger, 1))
    expect([next.cumulative, next.claim]).toEqual([130n, `${keyOf(1)}#1`])
    expect((await ledger.post(moves(next).claim())).ok).toBe(true)
    const served = (await ledger.call(call.id))!
    expect([served.settlement.at, toMove(served)]).toEqual(['none', 0n])
  })

  on(
    'a voucher that signs for more or less than it must is refused, and so is one above the balance',
    async (ledger) => {
      const channel = await putIn(ledger, 1, 150n)
      const before = await standing(ledger)
      const refused = [
        aVoucher(channel, { cumulative: 99n }),
        aVoucher(channel, { cumulative: 101n }),
        aVoucher(channel, { signed: 151n }),
        aVoucher(channel, { claim: `${keyOf(1)}#1` }),
      ]
      for (const call of refused)
        expect(await ledger.post(moves(call).claim())).toMatchObject({ ok: false, why: 'channel', channel })
      expect(await ledger.post(moves(aVoucher({ ...channel, id: keyOf(9) })).claim())).toEqual({
        ok: false,
        why: 'channel',
        channel: undefined,
      })
      expect(await standing(ledger)).toEqual(before)
      expect(await channelOf(ledger, 1)).toEqual(channel)
      expect((await ledger.post(moves(aVoucher(channel, { signed: 150n })).claim())).ok).toBe(true)
    },
  )

  on(
    'of calls that race for one turn of a channel one is served, and the others are told',
    async (ledger) => {
      const channel = await putIn(ledger, 1, 1_000n)
      const calls = Array.from({ length: 20 }, () => aVoucher(channel))
      const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
      expect(posted.filter((one) => one.ok)).toHaveLength(1)
      expect(posted.filter((one) => !one.ok && one.why === 'claimed')).toHaveLength(19)
      const late = aVoucher(await channelOf(ledger, 1))
      expect(await ledger.post(moves(late).claim())).toMatchObject({
        ok: false,
        why: 'channel',
        channel: { busy: posted.find((one) => one.ok)?.call?.id },
      })
    },
  )

  on('a call that failed leaves its channel as it was, and only its turn is used', async (ledger) => {
    for (const ending of ['release', 'reject'] as const) {
      const channel = await putIn(ledger, 1, 150n)
      const call = aVoucher(channel)
      await postAll(ledger, moves(call).claim(), moves(call)[ending])
      const { turns, last, ...rest } = await channelOf(ledger, 1)
      expect({ ...rest, turns: turns - 1, last: channel.last }).toEqual(channel)
      expect(last).toBe(call.id)
    }
    expect(await ledger.balance(`${(await channelOf(ledger, 1)).chain}/x`, 'revenue')).toBe(0n)
  })

  on('a call for nothing leaves the voucher that covers the charge', async (ledger) => {
    await putIn(ledger, 1, 150n)
    const [paid, free] = [
      aVoucher(await channelOf(ledger, 1), { signature: '0xa1' }),
      { signature: '0xb2' } as const,
    ]
    await postAll(ledger, moves(paid).claim(), moves(paid).bill(30n))
    const next = aVoucher(await channelOf(ledger, 1), free)
    await postAll(ledger, moves(next).claim(), moves(next).bill(0n))
    expect(await channelOf(ledger, 1)).toMatchObject({
      charged: 30n,
      voucher: { max: 100n, signature: '0xa1' },
    })
  })

  on('credit is used before the channel', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    await putIn(ledger, 1, 150n)
    const call = aVoucher(await channelOf(ledger, 1), { credit: 50n })
    await postAll(ledger, moves(call).claim(), moves(call).bill(70n))
    expect(await channelOf(ledger, 1)).toMatchObject({ charged: 20n })
    expect(await creditOf(ledger, ANN)).toBe(0n)
  })

  on('a voucher is never moved by a transaction', async (ledger) => {
    const call = aVoucher(await putIn(ledger, 1, 150n))
    const { claim, due, stream, bill, billDue, settle, settled } = moves(call)
    await ledger.post(claim())
    const tx = aTx(call, 1)
    for (const move of [due, stream(tx), bill(30n, tx), billDue(30n), settle(tx), settled(9)])
      expect(await ledger.post(move)).toMatchObject({ ok: false, why: 'stale' })
    expect(await ledger.transactions(call.id)).toEqual([])
    expect((await ledger.post(bill(30n))).ok).toBe(true)
  })

  on('channels of two payers do not know each other', async (ledger) => {
    const [ann, bob] = [await putIn(ledger, 1, 100n), await putIn(ledger, 2, 70n, { payer: BOB })]
    const call = aVoucher(ann)
    await postAll(ledger, moves(call).claim(), moves(call).bill(30n))
    expect(await channelOf(ledger, 2)).toEqual(bob)
    expect((await ledger.openChannels()).map((one) => one.id)).toEqual([ann.id])
    expect((await ledger.post(errandMoves(aRefund(bob)).order)).ok).toBe(true)
    expect(await ledger.post(moves(aCall()).claim())).toMatchObject({ ok: true })
  })
}

const GAS = { 'native gas:expense': -21n, 'native gas:settler': 21n }
