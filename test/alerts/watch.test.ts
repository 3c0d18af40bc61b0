import { expect, test } from 'vitest'
import { type Event, OUTBOX } from '../../src/accounts/events.ts'
import { createAlerts } from '../../src/alerts/alerts.ts'
import type { Call } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { quietLog } from '../../src/log.ts'
import { createWatch, type Source } from '../../src/main/watch.ts'
import {
  hostsDown,
  settlementsLate,
  settlerLow,
  spendAnomalies,
  spendersIn,
} from '../../src/main/watch-sources.ts'
import { tellFindings, tellReorgs } from '../../src/main/watch-taps.ts'
import { parseUsd } from '../../src/money.ts'
import { createHealth } from '../../src/route/health.ts'
import { memoryBoard } from '../../src/store/board.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { handClock, PRIVATE } from './world.ts'

const openWatch = (make: (clock: ReturnType<typeof handClock>) => Source) => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  const source = make(clock)
  const open = () => createWatch({ records, clock, log: quietLog, sources: [source] })
  let watch = open()
  return {
    clock,
    records,
    look: async () => {
      clock.pass(600_000)
      await watch.look()
    },
    /** Another instance leads from now on. */
    elect: () => {
      watch = open()
    },
    told: async () =>
      (await records.list<Event>(OUTBOX, { limit: 99 })).map(({ value }) => ({
        type: value.type,
        about: value.about,
      })),
  }
}

test('a host that goes down is told once, also by the next leader, and again when it is up', async () => {
  let board = memoryBoard({ clock: handClock() })
  const watch = openWatch((clock) => {
    board = memoryBoard({ clock })
    return hostsDown({ board })
  })
  const health = createHealth({ clock: watch.clock, board })
  const fail = () => {
    health.began('openai', 'gpt 4/mini')
    health.failed('openai', 'gpt 4/mini')
    watch.clock.pass(16_000)
  }
  const about = { provider: 'openai', model: 'gpt 4/mini' }
  for (let i = 0; i < 3; i++) fail()
  await watch.look()
  expect(await watch.told()).toEqual([])
  for (let i = 0; i < 12; i++) fail()
  watch.clock.pass(-600_000)
  await watch.look()
  expect(await watch.told()).toEqual([{ type: 'provider.down', about }])
  watch.elect()
  watch.clock.pass(-600_000)
  await watch.look()
  expect(await watch.told()).toHaveLength(1)
  health.succeeded('openai', 'gpt 4/mini')
  await watch.look()
  await watch.look()
  expect(await watch.told()).toEqual([
    { type: 'provider.down', about },
    { type: 'provider.up', about },
  ])
})

test('a settlement that takes too long is told once a chain, and again when it happens again', async () => {
  let calls: Partial<Call>[] = []
  const ledger = { open: async () => calls } as unknown as Ledger
  const watch = openWatch((clock) => settlementsLate({ ledger, clock, lateMs: () => 600_000 }))
  const call = (id: string, chain: string, age: number, at = 'settling') => ({
    id,
    chain,
    at: watch.clock.now() - age,
    service: { at: 'served', bill: { at: watch.clock.now() - age } },
    settlement: { at },
  })
  calls = [call('call_1', 'eip155:1', 0), call('call_3', 'eip155:2', 9e6, 'none')] as Partial<Call>[]
  watch.clock.pass(-600_000)
  await watch.look()
  expect(await watch.told()).toEqual([])
  calls = [call('call_1', 'eip155:1', 600_001), call('call_2', 'eip155:1', 700_000)] as Partial<Call>[]
  await watch.look()
  await watch.look()
  expect(await watch.told()).toMatchObject([
    { type: 'settlement.late', about: { chain: 'eip155:1', calls: 2, oldest: 'call_1' } },
  ])
  const late = calls
  calls = []
  await watch.look()
  expect(await watch.told()).toHaveLength(1)
  calls = late
  await watch.look()
  expect(await watch.told()).toHaveLength(2)
})

test('a settler with little gas is told once, until it has twice as much as is little', async () => {
  let settlements: string | undefined = '50'
  let dark = false
  const ready = async () => ({
    ready: true,
    problems: [],
    warnings: [],
    checks: dark
      ? {}
      : { chains: { 'eip155:1': { ok: true, nodes: [], ...(settlements && { settlements }) } } },
  })
  const watch = openWatch(() => settlerLow({ ready, least: 50 }))
  const count = async (now: string | undefined) => {
    settlements = now
    await watch.look()
    return (await watch.told()).length
  }
  expect(await count('50')).toBe(0)
  expect(await count('49')).toBe(1)
  expect(await count('60')).toBe(1)
  expect(await count('49')).toBe(1)
  expect(await count(undefined)).toBe(1)
  dark = true
  expect(await count('49')).toBe(1)
  dark = false
  expect(await count('100')).toBe(1)
  expect(await count('0')).toBe(2)
})

test('an organisation that spends as never before is told once, until an hour passes without', async () => {
  const HOUR = 3_600_000
  let week = [1, 1]
  let records = memoryRecords({ clock: handClock() })
  const watch = openWatch((clock) => {
    records = memoryRecords({ clock })
    const hourly = async (id: string, hours: number) =>
      (id === 'team_b' ? [...Array(200).fill(1), ...week] : Array(200).fill(6))
        .slice(-hours)
        .map((spend: number) => ({ spend: parseUsd(String(spend))! }))
    return spendAnomalies({ hourly, spenders: () => spendersIn(records), floor: () => parseUsd('5')!, clock })
  })
  const node = (id: string, above: string[], age = 900) => ({
    table: 'nodes',
    id,
    value: { id, above, name: id, created: watch.clock.now() - age * HOUR },
  })
  await records.write([node('org_a', []), node('team_b', ['org_a']), node('user_c', ['org_a', 'team_b'])])
  await watch.look()
  expect(await watch.told()).toEqual([])
  week = [1, 40]
  await watch.look()
  await watch.look()
  week = [40, 1]
  await watch.look()
  const [event] = await watch.records.list<Event>(OUTBOX, { limit: 9 })
  expect(event!.value).toMatchObject({
    type: 'spend.anomaly',
    at: 'team_b',
    path: ['org_a', 'team_b'],
    about: { spent: '40', usual: '1', above: '5' },
  })
  expect(await watch.told()).toHaveLength(1)
  week = [1, 1]
  await watch.look()
  week = [1, 40]
  await watch.look()
  expect(await watch.told()).toHaveLength(2)
})

test('who is new has no habit that it could leave', async () => {
  let records = memoryRecords({ clock: handClock() })
  const watch = openWatch((clock) => {
    records = memoryRecords({ clock })
    const hourly = async (_: string, hours: number) =>
      [...Array(200).fill(0n), 90_000_000n].slice(-hours).map((spend) => ({ spend }))
    return spendAnomalies({ hourly, spenders: () => spendersIn(records), floor: () => parseUsd('5')!, clock })
  })
  const created = watch.clock.now() - 3_600_000
  await records.write([
    { table: 'nodes', id: 'org_a', value: { id: 'org_a', above: [], name: 'a', created } },
  ])
  await watch.look()
  expect(await watch.told()).toEqual([])
  watch.clock.pass(86_400_000)
  await watch.look()
  expect(await watch.told()).toHaveLength(1)
})

test('a source that fails hides nothing and ends nothing', async () => {
  let state: 'there' | 'gone' | 'broken' = 'there'
  const broken: Source = {
    prefix: 'watch.x.',
    look: async () => {
      if (state === 'broken') throw new Error('away')
      return state === 'there'
        ? [{ name: 'watch.x.1', type: 'settler.low', at: 'site', path: [], about: {} }]
        : []
    },
    over: () => ({ type: 'provider.up', at: 'site', path: [], about: {} }),
  }
  const watch = openWatch(() => broken)
  await watch.look()
  state = 'broken'
  await watch.look()
  expect(await watch.told()).toHaveLength(1)
  state = 'gone'
  await watch.look()
  expect((await watch.told()).map(({ type }) => type)).toEqual(['settler.low', 'provider.up'])
})

test('a payment that the chain took back, and what a reconciliation finds, are told once each', async () => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  const { tell } = createAlerts({ records, clock, log: quietLog, targets: () => PRIVATE })
  const call = { is: 'call', id: 'call_1', chain: 'eip155:1', token: '0xa', payer: '0xb', signed: 7n }
  const ledger = {
    post: async (move: { type: string }) =>
      move.type === 'reorg'
        ? { ok: true, call: { ...call, settlement: { at: 'settling', hash: '0xc' } } }
        : { ok: false, why: 'stale' },
  } as unknown as Ledger
  tellReorgs(ledger, { tell, clock })
  await ledger.post({ type: 'reorg', id: 'call_1' })
  await ledger.post({ type: 'reorg', id: 'call_1' })
  await ledger.post({ type: 'settled', id: 'call_1' } as never)
  const log = tellFindings(quietLog, { tell, clock })
  for (let i = 0; i < 2; i++)
    log.error('reconcile_differs', { chain: 'eip155:1', kind: 'missing', hash: '0xd', units: '5' })
  log.error('something_else', {})
  const all = async () => (await records.list<Event>(OUTBOX, { limit: 9 })).map(({ value }) => value)
  await expect.poll(async () => (await all()).length).toBe(2)
  const events = await all()
  expect(events.map(({ type }) => type).toSorted()).toEqual(['payment.reversed', 'reconcile.finding'])
  expect(events.find(({ type }) => type === 'payment.reversed')!.about).toEqual({
    item: 'call_1',
    what: 'payment',
    chain: 'eip155:1',
    token: '0xa',
    payer: '0xb',
    units: '7',
    hash: '0xc',
  })
})
