import { expect, test } from 'vitest'
import { createBudgets } from '../../src/accounts/budget.ts'
import { callerOf } from '../../src/accounts/caller.ts'
import type { Budget, Node } from '../../src/accounts/node.ts'
import { createAdmission } from '../../src/admit/admit.ts'
import { memoryBuckets } from '../../src/admit/buckets.ts'
import type { Deps } from '../../src/call/deps.ts'
import { permit, refusedBy } from '../../src/call/permit.ts'
import type { Refusal } from '../../src/errors.ts'
import type { Usd } from '../../src/money.ts'
import type { Order } from '../../src/wire/order.ts'
import { handClock } from '../support/desk.ts'

const HOUR = 3_600_000
const node = (id: string, level: Node['level'], more: Partial<Node> = {}): Node => ({
  ...{ id, level, above: [], name: id, created: 1, budgets: [], rules: {} },
  ...more,
})

const open = () => {
  const clock = handClock()
  const buckets = memoryBuckets({ clock })
  const admission = createAdmission({ limits: { unpaid: {}, paid: {}, signIn: {} }, buckets })
  const budgets = createBudgets()
  const alerts = { drew: () => {}, refused: () => {} }
  const deps = { clock, admission, budgets, alerts } as unknown as Deps
  const asset = { chain: 'eip155:1', address: '0x1', symbol: 'USDC', decimals: 6 }
  const terms = { routes: [{ model: 'test/small' }], strategy: 'balanced', ceiling: 1n, asked: 'x' }
  const grant = (nodes: Node[], order = {}) =>
    permit(deps, callerOf(nodes), { order: order as Order }, {
      ...{ terms, asset, used: async () => undefined },
    } as never)
  /** What a call of some nodes is told, in a word. */
  const ask = (nodes: Node[], order = {}): Promise<string> =>
    grant(nodes, order).then(
      () => 'ok',
      (error: Refusal) => error.code,
    )
  return { clock, budgets, deps, ask, grant }
}

const HOURLY: Budget = {
  ...{ id: 'b_1', per: 'hour', limit: '0.0001', kind: 'hard', window: 'calendar', zone: 'UTC', alerts: [] },
}

test('a key that asks more than it may takes nothing from the calls a minute of others', async () => {
  const { ask } = open()
  const org = node('org_1', 'org', { rules: { perMinute: 5 } })
  const loop = node('key_1', 'key', { rules: { perMinute: 2 } })
  const other = node('key_2', 'key')
  const many = []
  for (let i = 0; i < 20; i++) many.push(await ask([org, loop]))
  expect(many.filter((one) => one === 'ok')).toHaveLength(2)
  const rest = []
  for (let i = 0; i < 4; i++) rest.push(await ask([org, other]))
  expect(rest).toEqual(['ok', 'ok', 'ok', 'rate_limited'])
})

test('a call that stood in line and is asked about again counts once', async () => {
  const { ask } = open()
  const key = node('key_1', 'key', { rules: { perMinute: 2 } })
  const [one, two, three] = [{}, {}, {}]
  expect([await ask([key], one), await ask([key], one)]).toEqual(['ok', 'ok'])
  expect([await ask([key], two), await ask([key], three)]).toEqual(['ok', 'rate_limited'])
})

test('who is refused by a window that has just ended is told the budget, and to ask again at once', () => {
  const { clock, budgets, deps } = open()
  const caller = callerOf([node('org_1', 'org'), node('key_1', 'key', { budgets: [HOURLY] })])
  const { drawn, window } = budgets.drawOf('key_1', HOURLY, clock.now())!
  const posted = { ok: false, why: 'limit', counter: drawn.counter, value: 90n, limit: 100n } as const
  const told = () => refusedBy(deps, caller, posted, { order: {} as Order, ceiling: 20n as Usd })
  clock.pass(window.resets! - clock.now() - 1_000)
  expect(told()).toMatchObject({ code: 'budget_reached', details: { left: '0.00001', retryAfter: 1 } })
  clock.pass(2_000)
  expect(told()).toMatchObject({ code: 'budget_reached', details: { name: 'key_1', retryAfter: 1 } })
  clock.pass(HOUR)
  const exposure = { ...posted, counter: 'exposure' }
  expect(refusedBy(deps, caller, exposure, { order: {} as Order, ceiling: 20n as Usd })).toBeUndefined()
})

test('a call draws on the window in which it is claimed, however long a deposit was waited for', async () => {
  const { clock, budgets, grant } = open()
  const granted = await grant([node('key_1', 'key', { budgets: [HOURLY] })])
  clock.pass(HOUR)
  const { drawn } = budgets.drawOf('key_1', HOURLY, clock.now())!
  expect(granted()).toEqual({ account: ['key_1'], budgets: [drawn] })
  expect((await grant([node('key_1', 'key')]))()).toEqual({ account: ['key_1'] })
})
