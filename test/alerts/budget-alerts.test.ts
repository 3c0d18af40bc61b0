import { expect, test } from 'vitest'
import { createBudgets } from '../../src/accounts/budget.ts'
import { callerOf, walletCaller } from '../../src/accounts/caller.ts'
import { type Event, OUTBOX } from '../../src/accounts/events.ts'
import type { Budget, Node } from '../../src/accounts/node.ts'
import { createBudgetAlerts } from '../../src/alerts/budget-alerts.ts'
import type { Call } from '../../src/ledger/call.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { aCall } from '../ledger/fixtures.ts'
import { handClock } from '../support/desk.ts'

const DAY = 86_400_000
const budget: Budget = {
  id: 'b_1',
  per: 'day',
  limit: '0.0001',
  kind: 'hard',
  window: 'calendar',
  zone: 'UTC',
  alerts: [50, 80, 100],
}
const org: Node = {
  id: 'org_a',
  level: 'org',
  above: [],
  name: 'A',
  created: 1,
  budgets: [budget],
  rules: {},
}

const open = () => {
  const clock = handClock()
  const kept = memoryRecords({ clock })
  let writes = 0
  let away = false
  const counted: Records['write'] = async (all) => {
    writes++
    if (away) throw new Error('the store is away')
    return kept.write(all)
  }
  const records: Records = { ...kept, write: counted }
  const budgets = createBudgets()
  const alerts = createBudgetAlerts({ records, clock, log: quietLog, budgets })
  const told = async () => {
    await new Promise(setImmediate)
    const rows = await kept.list<Event>(OUTBOX, { limit: 50 })
    return rows.map(({ value }) =>
      `${value.type} ${value.about['percent'] ?? ''} ${value.about['level']}`.trim(),
    )
  }
  /** A call of 20 micro-dollars after which `used` are spent and held. */
  const draw = (caller: ReturnType<typeof callerOf>, used: bigint): void => {
    const { id, budgets: own } = caller.bounds[0]!
    const { drawn } = budgets.drawOf(id, own[0]!, clock.now())!
    const call: Call = { ...aCall({}), ceiling: 20n, decimals: 6, budgets: [drawn] }
    alerts.drew(caller, call, { [drawn.counter]: used })
  }
  const lose = (now: boolean): void => {
    away = now
  }
  return { clock, alerts, told, draw, lose, writes: () => writes }
}

/** The same organisation after its budget was changed. */
const changed = (more: Partial<Budget>) => callerOf([{ ...org, budgets: [{ ...budget, ...more }] }])

test('each threshold that a call passes is told once in a window, and again in the next', async () => {
  const { clock, told, draw } = open()
  const caller = callerOf([org])
  draw(caller, 40n)
  expect(await told()).toEqual([])
  draw(caller, 55n)
  draw(caller, 55n)
  expect(await told()).toEqual(['budget.threshold 50 org'])
  draw(caller, 100n)
  expect((await told()).toSorted()).toEqual(['budget.threshold 100 org', 'budget.threshold 50 org'])
  clock.pass(DAY)
  draw(caller, 55n)
  expect(await told()).toHaveLength(3)
})

test('who is refused a thousand times asks the store once', async () => {
  const { clock, alerts, told, writes } = open()
  const caller = callerOf([org])
  for (let i = 0; i < 1_000; i++) alerts.refused(caller, 'org_a', budget)
  expect(await told()).toEqual(['budget.refused  organisation'])
  expect(writes()).toBe(1)
  clock.pass(DAY)
  alerts.refused(caller, 'org_a', budget)
  expect(await told()).toHaveLength(2)
})

test('the same budget of two wallets is two', async () => {
  const { told, draw } = open()
  for (const wallet of [`0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`])
    draw(walletCaller(wallet, { rules: {}, budgets: [budget] }), 55n)
  expect(await told()).toEqual(['budget.threshold 50 wallet', 'budget.threshold 50 wallet'])
})

test('a budget that is raised in the midst of its window tells the parts of its new limit, and its refusals', async () => {
  const { alerts, told, draw } = open()
  draw(callerOf([org]), 90n)
  alerts.refused(callerOf([org]), 'org_a', budget)
  expect(await told()).toHaveLength(3)
  const larger = changed({ limit: '0.001' })
  draw(larger, 110n)
  expect(await told()).toHaveLength(3)
  draw(larger, 510n)
  alerts.refused(larger, 'org_a', larger.bounds[0]!.budgets[0]!)
  const all = (await told()).toSorted()
  expect(all.filter((one) => one === 'budget.threshold 50 org')).toHaveLength(2)
  expect(all.filter((one) => one.startsWith('budget.refused'))).toHaveLength(2)
})

test('a soft budget that is lowered below what was spent tells with the next call that it is passed', async () => {
  const { told, draw } = open()
  draw(changed({ kind: 'soft', limit: '1' }), 90n)
  expect(await told()).toEqual([])
  const lower = changed({ kind: 'soft', limit: '0.00005' })
  for (const used of [110n, 130n, 150n]) draw(lower, used)
  expect((await told()).toSorted()).toEqual([100, 50, 80].map((part) => `budget.threshold ${part} org`))
})

test('what a store that was away did not take is told with a later call', async () => {
  const { told, draw, lose } = open()
  const caller = callerOf([org])
  lose(true)
  draw(caller, 60n)
  expect(await told()).toEqual([])
  lose(false)
  draw(caller, 70n)
  expect(await told()).toEqual(['budget.threshold 50 org'])
})

test('a call above a soft limit of each call is told, once an hour', async () => {
  const { alerts, clock, told } = open()
  const of = (kind: Budget['kind']) => changed({ per: 'call', kind, alerts: [100] })
  const cost = (ceiling: bigint) => ({ ...aCall({}), ceiling, decimals: 6 })
  alerts.drew(of('soft'), cost(99n), {})
  alerts.drew(of('hard'), cost(100n), {})
  expect(await told()).toEqual([])
  for (let i = 0; i < 3; i++) alerts.drew(of('soft'), cost(100n), {})
  expect(await told()).toEqual(['budget.threshold 100 org'])
  clock.pass(3_600_000)
  alerts.drew(of('soft'), cost(100n), {})
  expect(await told()).toHaveLength(2)
})
