import { describe, expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger, Posted } from '../../src/ledger/ledger.ts'
import { COUNTER, type Payable } from '../../src/ledger/moves.ts'
import { batchContract } from './contract-batch.ts'
import { budgetContract } from './contract-budgets.ts'
import { channelContract } from './contract-channels.ts'
import { errandContract } from './contract-errands.ts'
import { lifeContract } from './contract-life.ts'
import { payoutContract } from './contract-payouts.ts'
import { queryContract } from './contract-queries.ts'
import { refundContract } from './contract-refund.ts'
import { settlementContract } from './contract-settlement.ts'
import { uptoContract } from './contract-upto.ts'
import {
  ANN,
  aCall,
  address,
  aTx,
  BOB,
  counterOf,
  creditOf,
  giveCredit,
  moves,
  postAll,
  standing,
  usd,
} from './fixtures.ts'

export type Opened = { ledger: Ledger; close: () => Promise<void> }
/** A test with a fresh ledger, which must hold all its invariants afterwards. */
export type LedgerTest = (title: string, use: (ledger: Ledger) => Promise<void>) => void

/** What every ledger does, whatever keeps it. */
export const ledgerContract = (name: string, open: () => Promise<Opened>): void => {
  const on: LedgerTest = (title, use) =>
    test(title, async () => {
      const { ledger, close } = await open()
      try {
        await use(ledger)
        expect(await checkInvariants(ledger, { now: 1_700_000_000_000 })).toEqual([])
      } finally {
        await close()
      }
    })
  describe(`${name} ledger`, () => {
    claimContract(on)
    lifeContract(on)
    settlementContract(on)
    uptoContract(on)
    batchContract(on)
    refundContract(on)
    channelContract(on)
    errandContract(on)
    payoutContract(on)
    queryContract(on)
    budgetContract(on)
  })
}

const claimContract = (on: LedgerTest): void => {
  on(
    'of a hundred claims of one authorization at once, one wins and the others are told who',
    async (ledger) => {
      const calls = Array.from({ length: 100 }, () => aCall({ claim: 'one', nonce: '0x1' }))
      const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
      const winners = posted.filter((one) => one.ok).map((one) => one.call.id)
      expect(winners).toHaveLength(1)
      const losers = posted.filter((one) => !one.ok && one.why === 'claimed')
      expect(losers.map((one) => one.why === 'claimed' && one.call.id)).toEqual(Array(99).fill(winners[0]))
      expect((await ledger.callByClaim('one'))?.id).toBe(winners[0])
      expect(await ledger.calls(undefined, 1000)).toHaveLength(1)
      expect(await standing(ledger)).toEqual({ exposure: 100n, 'payer exposure': 100n, signed: 100n })
    },
  )

  on('an authorization stays taken when its call was rejected, released, served or lost', async (ledger) => {
    const lives = [
      (call: Call) => [moves(call).reject],
      (call: Call) => [moves(call).dispatch, moves(call).release],
      (call: Call) => [moves(call).bill(1n, aTx(call, 1)), moves(call).settled(1)],
      (call: Call) => [moves(call).bill(1n, aTx(call, 2)), moves(call).lose],
    ]
    for (const life of lives) {
      const call = aCall()
      await postAll(ledger, moves(call).claim(), ...life(call))
      const again = await ledger.post(moves(aCall({ claim: call.claim })).claim())
      expect(again).toMatchObject({ ok: false, why: 'claimed', call: { id: call.id } })
    }
  })

  on('unpaid service never passes the limits, whoever asks first', async (ledger) => {
    const limits = { perPayer: usd(250), total: usd(900) }
    const payers = Array.from({ length: 5 }, (_, i) => address(100 + i))
    const calls = Array.from({ length: 60 }, (_, i) => aCall({ payer: payers[i % 5]! }))
    // Half of those that get in make room again while others still ask.
    const lived = calls.map(async (call, i): Promise<Posted<Payable>> => {
      const posted = await ledger.post(moves(call).claim(limits))
      if (posted.ok && i % 2 === 0) await ledger.post(moves(call).release)
      return posted
    })
    const posted = await Promise.all(lived)
    for (const one of posted) {
      if (!one.ok) expect(one).toMatchObject({ why: 'limit' })
      else
        expect(
          one.counters[COUNTER.exposure]! <= 900n &&
            one.counters[COUNTER.payerExposure(one.call.payer)]! <= 250n,
        ).toBe(true)
    }
    expect(posted.filter((one) => one.ok).length).toBeGreaterThanOrEqual(9)
    expect(posted.filter((one) => !one.ok).length).toBeGreaterThan(0)
    // The limits are in every claim's journal line, so this looks at every instant.
    expect(await checkInvariants(ledger, { now: 0, exposure: limits })).toEqual([])
  })

  on('a refused claim leaves no trace', async (ledger) => {
    await ledger.post(moves(aCall()).claim())
    const before = [await standing(ledger), (await ledger.journal(0, 100)).length]
    const refused = [
      await ledger.post(moves(aCall()).claim({ total: usd(199) })),
      await ledger.post(moves(aCall()).claim({ perPayer: usd(199) })),
      await ledger.post(moves(aCall({ credit: 1n })).claim()),
    ]
    expect(refused).toMatchObject([
      { ok: false, why: 'limit', counter: COUNTER.exposure, value: 100n, limit: 199n },
      { ok: false, why: 'limit', counter: COUNTER.payerExposure(ANN), value: 100n, limit: 199n },
      { ok: false, why: 'short', balance: 0n },
    ])
    expect([await standing(ledger), (await ledger.journal(0, 100)).length]).toEqual(before)
    expect(await ledger.calls(undefined, 10)).toHaveLength(1)
  })

  on('a call that reaches a limit exactly is within it', async (ledger) => {
    const limits = { perPayer: usd(200), total: usd(200) }
    await ledger.post(moves(aCall()).claim(limits))
    expect((await ledger.post(moves(aCall()).claim(limits))).ok).toBe(true)
    expect((await ledger.post(moves(aCall({ signed: 1n })).claim(limits))).ok).toBe(false)
  })

  on('credit cannot be spent twice, however many calls want it at once', async (ledger) => {
    await giveCredit(ledger, ANN, 70n)
    const calls = Array.from({ length: 20 }, () => aCall({ signed: 30n, credit: 70n }))
    const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
    expect(posted.filter((one) => one.ok)).toHaveLength(1)
    expect(posted.filter((one) => !one.ok && one.why === 'short')).toHaveLength(19)
    expect(await creditOf(ledger, ANN)).toBe(0n)
  })

  on("nobody spends another payer's credit, or credit in another token", async (ledger) => {
    await giveCredit(ledger, ANN, 70n)
    const ofBob = aCall({ payer: BOB, credit: 70n })
    const elsewhere = aCall({ credit: 70n, token: address(0xdead) })
    expect(await ledger.post(moves(ofBob).claim())).toMatchObject({ ok: false, why: 'short' })
    expect(await ledger.post(moves(elsewhere).claim())).toMatchObject({ ok: false, why: 'short' })
  })

  on('a payer with an unpaid call is served only after it paid', async (ledger) => {
    const call = aCall()
    await postAll(ledger, moves(call).claim(), moves(call).bill(40n, aTx(call, 1)), moves(call).lose)
    expect(await counterOf(ledger, COUNTER.unpaid(ANN))).toBe(40n)
    expect(await ledger.post(moves(aCall()).claim())).toMatchObject({
      ok: false,
      why: 'limit',
      counter: COUNTER.unpaid(ANN),
    })
    expect((await ledger.post(moves(aCall({ settleFirst: true })).claim())).ok).toBe(true)
    expect((await ledger.post(moves(aCall({ payer: BOB })).claim())).ok).toBe(true)
  })

  on('an audit of a ledger that is being written finds nothing wrong', async (ledger) => {
    const audits: unknown[] = []
    const write = async (): Promise<void> => {
      for (let n = 1; n <= 2_000 && audits.length < 5; n++) {
        const call = aCall({ payer: n % 2 ? ANN : BOB })
        const { claim, stream, bill, settled, reorg } = moves(call)
        await postAll(ledger, claim(), stream(aTx(call, n)), bill(60n), settled(n), reorg, settled(n))
      }
    }
    const audit = async (): Promise<void> => {
      while (audits.length < 5) audits.push(await checkInvariants(ledger, { now: 0 }))
    }
    await Promise.all([write(), audit()])
    expect(audits.flat()).toEqual([])
  })
}
