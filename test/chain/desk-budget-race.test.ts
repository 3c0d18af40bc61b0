import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { LocalAccount } from 'viem'
import { describe, expect, test } from 'vitest'
import { createBudgets } from '../../src/accounts/budget.ts'
import { billOf, type Call } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import { aCall, address, moves, postAll, usd } from '../ledger/fixtures.ts'
import { OWNER, organisation, seen } from '../support/organisation.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { told } from '../support/refused.ts'
import { chunk, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const ROOM = 10
const budgetOf = async (farebox: Farebox, id: string) => {
  const { node } = (await farebox.desk.run(OWNER, 'node.get', { id })) as { node: { budgets: [never] } }
  return createBudgets().drawOf(id, node.budgets[0], Date.now())!.drawn
}

/** Answers that go on until they are let go, so that all that they may cost stays held. */
const lasting = () => {
  let over = false
  const script: Script = async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    while (!over) {
      write(chunk({ content: 'a' }))
      for (let i = 0; i < 20 && !over; i++) await sleep(20)
    }
    write(chunk({}, 'stop'))
    write({
      ...chunk({}),
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
    })
    response.end('data: [DONE]\n\n')
  }
  const end = () => {
    over = true
  }
  return { script, end }
}

/** Looks at a counter as often as it can; gives the most that it ever was. */
const watching = (ledger: Ledger, counter: string) => {
  let going = true
  let most = 0n
  let looks = 0
  const done = (async () => {
    while (going) {
      const value = await ledger.counter(counter)
      if (value > most) most = value
      looks++
      await turn()
    }
  })()
  return async () => {
    going = false
    await done
    return { most, looks }
  }
}

const race = async (world: World, others: readonly Farebox[], calls: number) => {
  const all = [world.farebox, ...others]
  const { ledger } = world.farebox.deps
  const { auth, team } = await organisation(world)
  const body = hello({ stream: true })
  const offer = offersOf(await post(world.chat, body))[0]!
  const ceiling = BigInt(offer.amount)
  const limit = ceiling * BigInt(ROOM) + ceiling / 2n
  await world.farebox.desk.run(OWNER, 'node.budgets', {
    id: team.id,
    budgets: [{ per: 'total', limit: `0.${limit.toString().padStart(6, '0')}` }],
  })
  await seen()
  const answering = lasting()
  world.upstream.script(answering.script)
  const payers: LocalAccount[] = []
  for (let i = 0; i < 3; i++) payers.push(await world.payer())
  const signed = await Promise.all(
    Array.from({ length: calls }, (_, i) => signOffer(payers[i % payers.length]!, offer)),
  )
  const { counter } = await budgetOf(world.farebox, team.id)
  const stop = watching(ledger, counter)
  const answers = await Promise.all(
    signed.map((payment, i) =>
      post(`${all[i % all.length]!.url}/v1/chat/completions`, body, {
        ...auth,
        'payment-signature': header(payment),
      }),
    ),
  )
  const served = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ status }) => status !== 200)
  expect(await ledger.counter(counter)).toBe(ceiling * BigInt(ROOM))
  answering.end()
  const texts = await Promise.all(served.map((one) => one.text()))
  const { most, looks } = await stop()
  const codes = await Promise.all(refused.map(async (one) => `${one.status} ${(await told(one)).code}`))
  expect(new Set(codes)).toEqual(new Set(['429 budget_reached']))
  expect(texts.filter((text) => text.includes('[DONE]'))).toHaveLength(ROOM)
  expect(looks).toBeGreaterThan(20)
  expect(most).toBe(ceiling * BigInt(ROOM))
  // Nothing is held or charged for who was refused, here or of its money.
  const made: Call[] = (await ledger.calls(undefined, 1_000)).filter((one) => one.account?.includes(team.id))
  expect(made).toHaveLength(ROOM)
  const charged = made.reduce((sum, call) => sum + (billOf(call)?.charged ?? 0n), 0n)
  expect(charged > 0n && charged < ceiling * BigInt(ROOM)).toBe(true)
  expect(await ledger.counter(counter)).toBe(charged)
  expect(world.upstream.seen).toHaveLength(ROOM)
  expect((await ledger.calls(undefined, 1_000)).length).toBe(ROOM)
}

describe('hundreds of paid calls at once for a budget with room for ten', { timeout: 60_000 }, () => {
  test('over SQLite ten are served, the others refused at no charge', async () => {
    const world = await startWorld({ store: 'sqlite' })
    try {
      await race(world, [], 500)
    } finally {
      await world.close()
    }
  })

  test('over Redis and two routers it is the same', async () => {
    const world = await startWorld({ store: 'redis' })
    let second: Farebox | undefined
    try {
      second = await startFarebox(world.config, { log: quietLog })
      await race(world, [second], 200)
    } finally {
      await second?.close(1_000)
      await world.close()
    }
  })
})

test('after a thousand calls, charged in part, not at all or given back, a budget holds what they were charged', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'farebox-budget-'))
  const ledger = await sqliteLedger(join(dir, 'ledger.db'))
  const counter = 'budget:key_cycles:b1:total'
  const beside = ['budget:key_cycles:b2:20261121T2100Z']
  const budgets = [
    { counter, limit: usd(1_000_000) },
    { counter: 'budget:key_cycles:b2:20261121T2200Z', beside },
  ]
  let spent = 0n
  const live = async (i: number) => {
    const call = aCall({ id: `call_cycle_${i}`, payer: address(50_000 + i), budgets, at: Date.now() })
    const ways = moves(call)
    expect(await ledger.post(ways.claim())).toMatchObject({ ok: true })
    const charged = BigInt(i % 101)
    const way = i % 5
    if (way === 0) expect(await ledger.post(ways.reject)).toMatchObject({ ok: true })
    else if (way === 1) expect(await postAll(ledger, ways.dispatch, ways.release)).toMatchObject({ ok: true })
    else {
      expect(await postAll(ledger, ways.dispatch, ways.billDue(charged))).toMatchObject({ ok: true })
      if (way !== 2) spent += charged
      // Given back once, however often it is asked for.
      else await Promise.all([ledger.post(ways.refund), ledger.post(ways.refund)])
    }
  }
  for (let i = 0; i < 1_000; i += 100) await Promise.all(Array.from({ length: 100 }, (_, k) => live(i + k)))
  expect(await ledger.counter(counter)).toBe(spent)
  expect(await ledger.counter(budgets[1]!.counter)).toBe(spent)
  await ledger.close()
  rmSync(dir, { recursive: true, force: true })
})
