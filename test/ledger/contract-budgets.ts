import { expect } from 'vitest'
import type { Call, Drawn } from '../../src/ledger/call.ts'
import type { Ledger, Posted } from '../../src/ledger/ledger.ts'
import type { Payable } from '../../src/ledger/moves.ts'
import type { LedgerTest } from './contract.ts'
import { aCall, address, aTx, BOB, moves, postAll, settle, usd } from './fixtures.ts'

const ORG: Drawn = { counter: 'budget:org_1:b1:total', limit: usd(1_000) }
const TEAM: Drawn = { counter: 'budget:team_1:b2:total', limit: usd(600) }
const USER: Drawn = { counter: 'budget:user_1:b3:total', limit: usd(400) }
const KEY: Drawn = { counter: 'budget:key_1:b4:total', limit: usd(300) }
const ALL = [ORG, TEAM, USER, KEY] as const

/** The counters of budgets that are not zero, by their node. */
const spent = async (ledger: Ledger): Promise<Record<string, bigint>> =>
  Object.fromEntries(
    Object.entries(await ledger.counters())
      .filter(([name, value]) => name.startsWith('budget:') && value !== 0n)
      .map(([name, value]): [string, bigint] => [name.split(':')[1]!, value])
      .toSorted(),
  )

const countersOf = (posted: Posted<Payable>) => {
  expect(posted).toMatchObject({ ok: true })
  return posted.ok ? posted.counters : {}
}

/** What a ledger does with budgets: any number of them, all or none. */
export const budgetContract = (on: LedgerTest): void => {
  parallel(on)
  refusals(on)
  lives(on)
  rolling(on)
  approvals(on)
}

const parallel = (on: LedgerTest): void => {
  on(
    'of five hundred calls at once, a budget for ten lets ten through and never holds more',
    async (ledger) => {
      const budget: Drawn = { counter: 'budget:org_1:b1:total', limit: usd(1_000) }
      const calls = Array.from({ length: 500 }, (_, i) =>
        aCall({ payer: address(1_000 + i), budgets: [budget] }),
      )
      const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
      const within = posted.filter((one) => one.ok)
      expect(within).toHaveLength(10)
      for (const one of within) expect(one.counters[budget.counter]! <= 1_000n).toBe(true)
      for (const one of posted) {
        if (one.ok) continue
        expect(one).toEqual({
          ok: false,
          why: 'limit',
          counter: budget.counter,
          value: 1_000n,
          limit: 1_000n,
        })
      }
      expect(await ledger.counter(budget.counter)).toBe(1_000n)
    },
  )

  on('a thousand calls that end at once leave nothing held, and exactly what they cost', async (ledger) => {
    const budgets = [ORG, TEAM].map(({ counter }) => ({ counter, limit: usd(70_000) }))
    let cost = 0n
    const one = async (i: number): Promise<void> => {
      const call = aCall({ payer: address(1_000 + i), budgets })
      const claimed = await ledger.post(moves(call).claim())
      if (!claimed.ok) throw new Error(`call ${i}: ${claimed.why}`)
      expect(claimed.counters[ORG.counter]! <= 70_000n).toBe(true)
      const charged = BigInt((i * 7919) % 101)
      const end = i % 5 === 0 ? moves(call).release : moves(call).billDue(charged)
      if (i % 5 !== 0) cost += charged
      const { [ORG.counter]: org, [TEAM.counter]: team } = countersOf(await ledger.post(end))
      expect(org).toBe(team)
    }
    for (let from = 0; from < 1_000; from += 250)
      await Promise.all(Array.from({ length: 250 }, (_, i) => one(from + i)))
    expect(await spent(ledger)).toEqual({ org_1: cost, team_1: cost })
  })
}

const refusals = (on: LedgerTest): void => {
  on(
    'the first budget without room refuses the call, is named, and none of them has changed',
    async (ledger) => {
      await ledger.post(moves(aCall({ budgets: ALL })).claim())
      const before = await spent(ledger)
      expect(before).toEqual({ key_1: 100n, org_1: 100n, team_1: 100n, user_1: 100n })
      const sizes: [signed: bigint, first: Drawn][] = [
        [201n, KEY],
        [301n, USER],
        [501n, TEAM],
        [901n, ORG],
      ]
      for (const [signed, { counter, limit }] of sizes) {
        const posted = await ledger.post(moves(aCall({ signed, budgets: ALL })).claim())
        expect(posted).toEqual({ ok: false, why: 'limit', counter, value: 100n, limit })
        expect(await spent(ledger)).toEqual(before)
      }
      expect(await ledger.calls(undefined, 10)).toHaveLength(1)
      expect((await ledger.post(moves(aCall({ signed: 200n, budgets: ALL })).claim())).ok).toBe(true)
    },
  )

  on('a budget refuses before the limits of unpaid service do', async (ledger) => {
    const tight = { ...KEY, limit: usd(99) }
    const limits = { perPayer: usd(99), total: usd(99) }
    const posted = await ledger.post(moves(aCall({ budgets: [tight] })).claim(limits))
    expect(posted).toMatchObject({ why: 'limit', counter: KEY.counter })
  })

  on('a budget that only tells lets everything through and is counted all the same', async (ledger) => {
    const soft: Drawn = { counter: 'budget:org_1:b9:total' }
    for (let n = 1n; n <= 3n; n++) {
      const posted = await ledger.post(moves(aCall({ payer: BOB, budgets: [soft, KEY] })).claim())
      expect(countersOf(posted)).toMatchObject({ [soft.counter]: n * 100n, [KEY.counter]: n * 100n })
    }
    const posted = await ledger.post(moves(aCall({ budgets: [soft, KEY] })).claim())
    expect(posted).toMatchObject({ why: 'limit', counter: KEY.counter })
  })

  on('a budget that two nodes share by mistake is drawn on twice', async (ledger) => {
    const posted = await ledger.post(moves(aCall({ budgets: [KEY, KEY] })).claim())
    expect(countersOf(posted)[KEY.counter]).toBe(200n)
    expect(await ledger.post(moves(aCall({ budgets: [KEY, KEY] })).claim())).toMatchObject({
      why: 'limit',
      value: 300n,
    })
  })
}

const lives = (on: LedgerTest): void => {
  on('a budget holds the worst case while a call is served, and its charge from then on', async (ledger) => {
    const call = aCall({ budgets: ALL })
    const { claim, stream, bill, settled, reorg, refund } = moves(call)
    expect(countersOf(await ledger.post(claim()))[KEY.counter]).toBe(100n)
    expect(countersOf(await postAll(ledger, stream(aTx(call, 1)), bill(30n)))).toMatchObject({
      [ORG.counter]: 30n,
      [KEY.counter]: 30n,
    })
    await postAll(ledger, settled(5), reorg, settled(5))
    expect(await spent(ledger)).toEqual({ key_1: 30n, org_1: 30n, team_1: 30n, user_1: 30n })
    expect(countersOf(await ledger.post(refund))[KEY.counter]).toBe(0n)
    expect(await spent(ledger)).toEqual({})
  })

  on('a call that fails gives back all that it held', async (ledger) => {
    const [released, rejected] = [aCall({ budgets: ALL }), aCall({ budgets: ALL })]
    await postAll(ledger, moves(released).claim(), moves(rejected).claim(), moves(released).dispatch)
    expect(countersOf(await ledger.post(moves(released).release))[KEY.counter]).toBe(100n)
    await ledger.post(moves(rejected).reject)
    expect(await spent(ledger)).toEqual({})
  })

  on('a call that was served and never paid stays spent', async (ledger) => {
    const [late, early] = [
      aCall({ budgets: [ORG] }),
      aCall({ payer: BOB, budgets: [KEY], settleFirst: true }),
    ]
    await postAll(ledger, moves(late).claim(), moves(late).bill(40n, aTx(late, 1)), moves(late).lose)
    await postAll(ledger, moves(early).claim(), settle(aTx(early, 2)), moves(early).lose)
    expect(await spent(ledger)).toEqual({ key_1: 100n, org_1: 40n })
    await postAll(ledger, moves(early).dispatch, moves(early).bill(70n))
    expect(await ledger.post(moves(late).refund)).toMatchObject({ ok: false, why: 'stale' })
    expect(await spent(ledger)).toEqual({ key_1: 70n, org_1: 40n })
  })

  on('what no payment stands behind is not spent either', async (ledger) => {
    const call = aCall({ budgets: ALL })
    await postAll(ledger, moves(call).claim(), moves(call).bill(60n))
    expect((await ledger.call(call.id))?.service).toMatchObject({ bill: { charged: 0n } })
    expect(await spent(ledger)).toEqual({})
  })

  on(
    'a token of eighteen decimals draws whole micro-dollars, and never more at the end than it held',
    async (ledger) => {
      const units = 1_999_999_999_999n
      const token = { token: address(0x18), decimals: 18, signed: units, exposed: usd(1), budgets: ALL }
      const call = aCall(token)
      expect(countersOf(await ledger.post(moves(call).claim()))[KEY.counter]).toBe(1n)
      expect(countersOf(await ledger.post(moves(call).bill(units, aTx(call, 1))))[KEY.counter]).toBe(1n)
      const least = aCall(token)
      await postAll(ledger, moves(least).claim(), moves(least).bill(999_999_999_999n, aTx(least, 2)))
      expect(await spent(ledger)).toEqual({ key_1: 1n, org_1: 1n, team_1: 1n, user_1: 1n })
    },
  )

  on('who called, its tags and the figures of its bill read back as they were written', async (ledger) => {
    const facts: Partial<Call> = {
      account: ['org_1', 'team_1', 'user_1', 'key_1'],
      tags: { total: '007', limit: '-0', project: 'x', cost: '12' },
      budgets: [KEY, { counter: 'budget:org_1:b9:total', beside: ['a', 'b'] }],
      approval: 'appr_1',
    }
    const call = aCall(facts)
    await ledger.post(moves(call).claim())
    const bill = moves(call).bill(30n, aTx(call, 1))
    if (bill.type === 'bill')
      Object.assign(bill.bill, { cost: usd(11), flagship: usd(99), firstMs: 5, ms: 9 })
    await ledger.post(bill)
    const read = await ledger.call(call.id)
    expect(read).toMatchObject(facts)
    expect(read?.service).toMatchObject({ bill: { cost: 11n, flagship: 99n, firstMs: 5, ms: 9 } })
    expect((await ledger.journal(0, 1))[0]?.move).toEqual(moves(call).claim())
  })
}

const rolling = (on: LedgerTest): void => {
  const pieces = ['p1', 'p2', 'p3'].map((name) => `budget:org_1:b1:${name}`)
  const [first, second, third] = pieces as [string, string, string]
  const at = (counter: string, beside: string[]): Drawn => ({ counter, beside, limit: usd(250) })

  on('a rolling budget counts the pieces before the present one towards its limit', async (ledger) => {
    const call = aCall({ budgets: [at(first, [])] })
    await ledger.post(moves(call).claim())
    const next = aCall({ budgets: [at(second, [first])] })
    expect(countersOf(await ledger.post(moves(next).claim()))).toMatchObject({
      [first]: 100n,
      [second]: 100n,
    })
    const more = at(third, [first, second])
    expect(await ledger.post(moves(aCall({ budgets: [more] })).claim())).toEqual({
      ok: false,
      why: 'limit',
      counter: third,
      value: 200n,
      limit: 250n,
    })
    expect(await ledger.counter(third)).toBe(0n)
    // What ends makes room in its own piece, and is told with those beside it.
    expect(countersOf(await ledger.post(moves(next).billDue(50n)))).toMatchObject({
      [first]: 100n,
      [second]: 50n,
    })
    const posted = await ledger.post(moves(aCall({ budgets: [more] })).claim())
    expect(countersOf(posted)).toMatchObject({ [first]: 100n, [second]: 50n, [third]: 100n })
    // The oldest piece is forgotten.
    const later = at('budget:org_1:b1:p4', [second, third])
    expect((await ledger.post(moves(aCall({ budgets: [later] })).claim())).ok).toBe(true)
  })

  on('a hundred calls at once in two pieces of a rolling budget stay within it together', async (ledger) => {
    const calls = Array.from({ length: 100 }, (_, i) =>
      aCall({
        payer: address(1_000 + i),
        signed: 10n,
        budgets: [i % 2 ? at(first, [second]) : at(second, [first])],
      }),
    )
    const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
    const within = posted.filter((one) => one.ok)
    expect(within).toHaveLength(25)
    for (const { counters } of within) expect(counters[first]! + counters[second]! <= 250n).toBe(true)
  })
}

const approvals = (on: LedgerTest): void => {
  on(
    'of many calls on one approval at once one gets through, and the others are told which',
    async (ledger) => {
      const calls = Array.from({ length: 30 }, () => aCall({ approval: 'appr_1' }))
      const posted = await Promise.all(calls.map((call) => ledger.post(moves(call).claim())))
      const [winner, ...more] = posted.filter((one) => one.ok)
      expect(more).toEqual([])
      for (const one of posted)
        if (!one.ok) expect(one).toMatchObject({ why: 'approval', call: { id: winner!.call.id } })
      expect((await ledger.post(moves(aCall({ approval: 'appr_2' })).claim())).ok).toBe(true)
    },
  )

  on(
    'an approval whose call failed lets another through; one whose call was served never again',
    async (ledger) => {
      const [failed, served] = [aCall({ approval: 'appr_1' }), aCall({ approval: 'appr_1' })]
      await postAll(ledger, moves(failed).claim(), moves(failed).reject)
      expect((await ledger.post(moves(served).claim())).ok).toBe(true)
      await postAll(ledger, moves(served).bill(30n, aTx(served, 1)), moves(served).settled(1))
      const again = await ledger.post(moves(aCall({ approval: 'appr_1' })).claim())
      expect(again).toMatchObject({ ok: false, why: 'approval', call: { id: served.id } })
    },
  )

  on('a payment shown twice with its approval is told as a payment', async (ledger) => {
    const call = aCall({ approval: 'appr_1', name: 'mine' })
    await ledger.post(moves(call).claim())
    const replay = await ledger.post(moves(aCall({ claim: call.claim, approval: 'appr_1' })).claim())
    expect(replay).toMatchObject({ why: 'claimed', call: { id: call.id } })
    const named = await ledger.post(moves(aCall({ name: 'mine', approval: 'appr_1' })).claim())
    expect(named).toMatchObject({ why: 'claimed', call: { id: call.id } })
    // The name of a call is not an approval.
    expect((await ledger.post(moves(aCall({ name: 'appr_1' })).claim())).ok).toBe(true)
  })
}
