import { expect } from 'vitest'
import { encode } from '../../src/ledger/codec.ts'
import { chainHash } from '../../src/ledger/memory.ts'
import type { LedgerTest } from './contract.ts'
import { aDeposit, errandMoves } from './errands.ts'
import { aCall, address, aTx, BOOK, moves, PAY_TO, postAll, usd, word } from './fixtures.ts'

/** What can be asked of a ledger. */
export const queryContract = (on: LedgerTest): void => {
  on('a call reads back as it was written, to the last unit', async (ledger) => {
    const call = aCall({
      signed: 2n ** 200n,
      exposed: usd(0),
      validBefore: 2n ** 255n,
      asked: 'Grüße "{}\u2028\ud800',
    })
    const posted = await postAll(ledger, moves(call).claim(), moves(call).bill(2n ** 199n, aTx(call, 1)))
    expect(await ledger.call(call.id)).toEqual(posted.ok && posted.call)
    expect(await ledger.callByClaim(call.claim)).toEqual(posted.ok && posted.call)
    expect(await ledger.balance(BOOK, 'revenue')).toBe(2n ** 199n)
    expect(await ledger.call('call_nobody')).toBeUndefined()
    expect(await ledger.callByClaim('nothing')).toBeUndefined()
    expect(await ledger.balance(BOOK, 'nothing')).toBe(0n)
  })

  on(
    'a payment counts as a received transfer from its proof on, unless the chain takes it back',
    async (ledger) => {
      const [late, early, gone, free] = [aCall(), aCall(), aCall(), aCall({ signed: 0n, exposed: usd(0) })]
      const paid = async (call: typeof late, block: number) =>
        postAll(
          ledger,
          moves(call).claim(),
          moves(call).bill(1n, aTx(call, block)),
          moves(call).settled(block),
        )
      await paid(late, 12)
      await paid(early, 7)
      await paid(gone, 9)
      await paid(free, 8)
      await ledger.post(moves(gone).reorg)
      const ids = async (from: bigint, to: bigint) =>
        (await ledger.transfers(BOOK, from, to)).map((row) => row.call)
      expect(await ids(0n, 100n)).toEqual([early.id, late.id])
      expect(await ids(7n, 11n)).toEqual([early.id])
      expect(await ids(8n, 11n)).toEqual([])
      expect((await ledger.transfers(BOOK, 12n, 12n))[0]).toEqual({
        call: late.id,
        asset: BOOK,
        payer: late.payer,
        payTo: PAY_TO,
        amount: 100n,
        hash: word(12),
        block: 12n,
        blockHash: word(84),
        logIndex: 1,
        gas: 21n,
        what: 'payment',
      })
      expect(await ledger.transfers(`eip155:8453/${address(1)}`, 0n, 100n)).toEqual([])
    },
  )

  on('open calls come oldest first, also one that a reorganisation opened again', async (ledger) => {
    const [a, b, c] = [aCall(), aCall(), aCall()]
    for (const [n, call] of [a, b, c].entries())
      await postAll(ledger, moves(call).claim(), moves(call).bill(1n, aTx(call, n)))
    await postAll(ledger, moves(a).settled(5))
    expect((await ledger.open()).map((call) => call.id)).toEqual([b.id, c.id])
    await ledger.post(moves(a).reorg)
    expect((await ledger.open()).map((call) => call.id)).toEqual([a.id, b.id, c.id])
    expect((await ledger.open(2)).map((call) => call.id)).toEqual([a.id, b.id])
  })

  on('calls can be read in pages, in the order of their claims', async (ledger) => {
    const calls = Array.from({ length: 7 }, () => aCall())
    for (const call of calls) await ledger.post(moves(call).claim())
    await ledger.post(moves(calls[0]!).release)
    const read: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await ledger.calls(after, 3)
      if (page.length === 0) break
      read.push(...page.map((call) => call.id))
      after = read.at(-1)
    }
    expect(read).toEqual(calls.map((call) => call.id))
  })

  on('the newest calls come first, a page at a time, and errands are not among them', async (ledger) => {
    const calls = Array.from({ length: 7 }, () => aCall())
    for (const [n, call] of calls.entries()) {
      await ledger.post(moves(call).claim())
      if (n % 2 === 0) await ledger.post(errandMoves(aDeposit(1, 5n)).order)
    }
    await ledger.post(moves(calls[6]!).release)
    const later = Array.from({ length: 60 }, () => errandMoves(aDeposit(1, 5n)).order)
    await Promise.all(later.map((move) => ledger.post(move)))
    const read: string[] = []
    for (let before: string | undefined; ; before = read.at(-1)) {
      const page = await ledger.recent({ ...(before !== undefined && { before }), limit: 3 })
      expect(page.length).toBeLessThanOrEqual(3)
      if (page.length === 0) break
      read.push(...page.map((call) => call.id))
    }
    expect(read).toEqual(calls.map((call) => call.id).toReversed())
    expect((await ledger.recent({ limit: 1 })).map((call) => call.service.at)).toEqual(['released'])
    expect(await ledger.recent({ before: 'call_nobody', limit: 3 })).toEqual([])
  })

  on('stored transactions stay, the replaced ones too, and the last nonce is known', async (ledger) => {
    const [call, other] = [aCall(), aCall()]
    const first = aTx(call, 4)
    expect(await ledger.lastNonce(call.chain, first.settler)).toBe(-1)
    await postAll(
      ledger,
      moves(call).claim(),
      moves(call).bill(1n, first),
      moves(call).settle(aTx(call, 4, 1)),
    )
    await postAll(ledger, moves(other).claim(), moves(other).stream(aTx(other, 3)))
    expect(await ledger.transactions(call.id)).toEqual([first, aTx(call, 4, 1)])
    expect(await ledger.transactions('call_nobody')).toEqual([])
    expect(await ledger.lastNonce(call.chain, first.settler)).toBe(4)
    expect(await ledger.lastNonce('eip155:1', first.settler)).toBe(-1)
    expect(await ledger.lastNonce(call.chain, address(1))).toBe(-1)
  })

  on('the journal holds every move in order, each line sealed by the one before', async (ledger) => {
    const call = aCall()
    const { claim, dispatch, stream, bill, settled } = moves(call)
    const all = [claim({ perPayer: usd(500) }), dispatch, stream(aTx(call, 1)), bill(30n), settled(9)]
    await postAll(ledger, ...all, dispatch)
    const lines = await ledger.journal(0, 100)
    expect(lines.map((line) => line.move)).toEqual(all)
    expect(lines.map((line) => line.seq)).toEqual([1, 2, 3, 4, 5])
    expect(await ledger.journal(3, 1)).toEqual([lines[3]])
    expect(await ledger.lines()).toBe(5)
    let hash = ''
    for (const line of lines) {
      const { at, move, postings } = line
      hash = chainHash(hash, encode({ at, move, postings }), line.hash.length === 40 ? 'sha1' : 'sha256')
      expect(line.hash).toBe(hash)
    }
  })

  on(
    'what the settler sent can be read by its nonces, and where the first and the last transfer are',
    async (ledger) => {
      const [a, b] = [aCall(), aCall()]
      const [first, dearer, next] = [aTx(a, 4), aTx(a, 4, 1), aTx(b, 5)]
      expect(await ledger.bookedBlocks(BOOK)).toBeUndefined()
      await postAll(ledger, moves(b).claim(), moves(b).bill(1n, next), moves(b).settled(12))
      await postAll(
        ledger,
        moves(a).claim(),
        moves(a).bill(1n, first),
        moves(a).settle(dearer),
        moves(a).settled(7),
      )
      expect(await ledger.sent(first.chain, first.settler, 0, 10)).toEqual([first, dearer, next])
      expect(await ledger.sent(first.chain, first.settler, 5, 10)).toEqual([next])
      expect(await ledger.sent(first.chain, first.settler, 0, 1)).toEqual([first])
      expect(await ledger.sent('eip155:1', first.settler, 0, 10)).toEqual([])
      expect(await ledger.bookedBlocks(BOOK)).toEqual({ first: 7n, last: 12n })
    },
  )

  on('the bookmark of a chain and the epoch only go up', async (ledger) => {
    expect(await ledger.cursor('eip155:1')).toBeUndefined()
    for (const [to, at] of [
      [9n, 9n],
      [5n, 9n],
      [10n, 10n],
    ] as const) {
      await ledger.moveCursor('eip155:1', to)
      expect(await ledger.cursor('eip155:1')).toBe(at)
    }
    expect(await ledger.cursor('eip155:2')).toBeUndefined()
    const { epoch } = ledger
    expect(await ledger.raiseEpoch(epoch + 100)).toBe(epoch + 100)
    expect(await ledger.raiseEpoch(epoch)).toBe(epoch + 100)
    expect(ledger.epoch).toBe(epoch + 100)
  })
}
