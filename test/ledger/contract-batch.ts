import { expect } from 'vitest'
import type { LedgerTest } from './contract.ts'
import { anErrand, aPayout, errandMoves } from './errands.ts'
import {
  ANN,
  aCall,
  aProof,
  aTx,
  BOOK,
  creditOf,
  giveCredit,
  moves,
  NATIVE,
  postAll,
  settle,
} from './fixtures.ts'

const threeDue = () => [aCall(), aCall({ kind: 'upto' }), aCall({ kind: 'permit2' })] as const

/** One transaction that settles several payments. */
export const batchContract = (on: LedgerTest): void => {
  on('one transaction settles several payments, and each knows it', async (ledger) => {
    const calls = threeDue()
    for (const call of calls) await postAll(ledger, moves(call).claim(), moves(call).billDue(30n))
    const tx = aTx(calls, 1)
    const posted = await ledger.post(settle(tx))
    expect(posted.ok && posted.calls.map((one) => [one.id, one.settlement])).toEqual(
      calls.map(({ id }) => [id, { at: 'settling', hash: tx.hash }]),
    )
    for (const { id } of calls) expect(await ledger.transactions(id)).toEqual([tx])
    for (const [i, { id }] of calls.entries()) {
      await ledger.post({ type: 'settled', id, proof: aProof(9, { gas: 7n + BigInt(i), logIndex: i }) })
    }
    expect(await ledger.balance(NATIVE, 'gas:expense')).toBe(-24n)
    expect((await ledger.transfers(BOOK, 9n, 9n)).map((row) => [row.call, row.amount, row.logIndex])).toEqual(
      [
        [calls[0].id, 100n, 0],
        [calls[1].id, 30n, 1],
        [calls[2].id, 100n, 2],
      ],
    )
  })

  on('a transaction is stored for all that it settles, or for none', async (ledger) => {
    const [due, released, gone] = [aCall(), aCall(), aCall()]
    await postAll(ledger, moves(due).claim(), moves(due).billDue(30n))
    await postAll(ledger, moves(released).claim(), moves(released).release)
    for (const ids of [
      [due, released],
      [released, due],
      [due, gone],
    ]) {
      expect(await ledger.post(settle(aTx(ids, 1)))).toMatchObject({ ok: false, why: 'stale' })
    }
    expect((await ledger.call(due.id))?.settlement).toEqual({ at: 'due' })
    expect(await ledger.transactions(due.id)).toEqual([])
    expect(await ledger.post({ type: 'settle', ids: [], tx: aTx([], 1) })).toMatchObject({ ok: false })
  })

  on('a dearer transaction replaces the first for all of them, once', async (ledger) => {
    const calls = threeDue()
    for (const call of calls) await postAll(ledger, moves(call).claim(), moves(call).billDue(30n))
    const [first, dearer] = [aTx(calls, 1), aTx(calls, 1, 1)]
    await postAll(ledger, settle(first), settle(dearer))
    for (const { id } of calls) {
      expect(await ledger.transactions(id)).toEqual([first, dearer])
      expect((await ledger.call(id))?.settlement).toEqual({ at: 'settling', hash: dearer.hash })
    }
    expect(await ledger.post(settle(dearer))).toMatchObject({ ok: false, why: 'stale' })
    expect(await ledger.lastNonce('eip155:8453', first.settler)).toBe(1)
  })

  on(
    'one payment of a transaction may be lost while the others settle, and be sent again alone',
    async (ledger) => {
      const calls = threeDue()
      for (const call of calls) await postAll(ledger, moves(call).claim(), moves(call).billDue(30n))
      await postAll(ledger, settle(aTx(calls, 1)), moves(calls[0]).settled(9), moves(calls[1]).lose)
      expect(await ledger.post(settle(aTx(calls, 1, 1)))).toMatchObject({ ok: false, why: 'stale' })
      await postAll(ledger, settle(aTx([calls[2]], 2)), moves(calls[2]).settled(10))
      expect((await ledger.transactions(calls[2].id)).map((tx) => tx.nonce)).toEqual([1, 2])
      expect(await Promise.all(calls.map(async ({ id }) => (await ledger.call(id))?.settlement.at))).toEqual([
        'settled',
        'lost',
        'settled',
      ])
    },
  )

  on('calls and errands settle in one transaction', async (ledger) => {
    await giveCredit(ledger, ANN, 50n)
    const [call, payout] = [aCall(), aPayout(20n)]
    await postAll(ledger, moves(call).claim(), moves(call).billDue(30n), errandMoves(payout).order)
    const tx = aTx([call, payout], 5)
    await postAll(ledger, settle(tx), moves(call).settled(9), errandMoves(payout).settled(9))
    expect(await ledger.transactions(payout.id)).toEqual([tx])
    expect((await ledger.sent(tx.chain, tx.settler, 0, 10)).map((one) => one.nonce)).toEqual([5, 900])
    expect(await creditOf(ledger, ANN)).toBe(100n)
  })

  on('an errand without money of ours costs its gas and nothing else', async (ledger) => {
    const authorization = {
      kind: 'eip3009',
      from: ANN,
      to: ANN,
      value: 7n,
      validAfter: 0n,
      validBefore: 9n,
      nonce: '0x01',
      signature: '0x51',
    } as const
    const relay = anErrand({ kind: 'relay', authorization }, { amount: 7n, claim: 'relayed' })
    const sponsor = anErrand({ kind: 'sponsor', raw: '0xf8' }, { claim: 'sponsored' })
    for (const [i, errand] of [relay, sponsor].entries()) {
      const { order, settled, reorg, lose } = errandMoves(errand)
      await postAll(ledger, order, settle(aTx(errand, i)), settled(9), reorg, settled(10))
      const again = anErrand({ kind: 'sponsor', raw: '0xf8' }, { claim: errand.claim! })
      expect(await ledger.post(errandMoves(again).order)).toMatchObject({
        ok: false,
        why: 'claimed',
        call: { id: errand.id },
      })
      expect(await ledger.post(lose)).toMatchObject({ ok: false, why: 'stale' })
    }
    expect(await ledger.errand(relay.id)).toEqual({
      ...relay,
      settlement: { at: 'settled', proof: aProof(10) },
    })
    expect(await ledger.transfers(BOOK, 0n, 99n)).toEqual([])
    expect((await ledger.balances()).filter((row) => row.asset === BOOK && row.value !== 0n)).toEqual([])
    expect(await ledger.balance(NATIVE, 'gas:expense')).toBe(-42n)
  })
}
