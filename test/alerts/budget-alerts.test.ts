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
  const counted: Records['write'] = (all) => {
    writes++
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
    const { drawn } = budgets.drawOf(caller.bounds[0]!.id, budget, clock.now())!
    const call: Call = { ...aCall({}), ceiling: 20n, decimals: 6, budgets: [drawn] }
    alerts.drew(caller, call, { [drawn.counter]: used })
  }
  return { clock, alerts, told, draw, writes: () => writes }
}

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
