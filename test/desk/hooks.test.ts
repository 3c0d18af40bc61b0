import { afterEach, expect, test } from 'vitest'
import { AUDIT, type AuditRow, verifyAudit } from '../../src/accounts/audit.ts'
import { type Node, nodePut, SITE } from '../../src/accounts/node.ts'
import type { Actor, Role } from '../../src/accounts/roles.ts'
import { createAlerts } from '../../src/alerts/alerts.ts'
import { KEEP_MS } from '../../src/alerts/delivery.ts'
import { GRACE_MS, MOST_HOOKS } from '../../src/alerts/hook.ts'
import { verifyWebhook } from '../../src/client/webhooks.ts'
import { createDesk } from '../../src/desk/desk.ts'
import { hookOperations } from '../../src/desk/hooks.ts'
import type { HookView } from '../../src/desk/hooks-views.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { handClock, ORG, openReceiver, PRIVATE, step, TEAM } from '../alerts/world.ts'

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const node = (id: string, above: string[]): Node => ({
  id,
  level: id.split('_')[0] as Node['level'],
  above,
  name: id,
  created: 0,
  budgets: [],
  rules: {},
})
const actor = (role: Role, at: string): Actor => ({
  user: `u_${role}`,
  name: role,
  grants: [{ role, at }],
  via: 'token',
})
const owner = actor('owner', ORG)
const PUBLIC_URL = 'https://shop.com/in?token=hush'

const openDesk = async (targets = PRIVATE) => {
  const clock = handClock()
  const records = memoryRecords({ clock })
  await records.write([node(ORG, []), node(TEAM, [ORG]), node('org_z', [])].map((one) => nodePut(one, 0)))
  const resolve = async (name: string) => (name.startsWith('inner') ? ['10.0.0.7'] : ['8.8.8.8'])
  const operations = hookOperations({ targets: () => targets, resolve })
  const desk = createDesk({ operations, records, clock, approve: async () => [] })
  type Made = { hook: HookView; secret: string }
  return {
    clock,
    records,
    run: (who: Actor, name: string, input: unknown) => desk.run(who, name, input) as Promise<never>,
    create: (url = PUBLIC_URL, more: object = {}): Promise<Made> =>
      desk.run(owner, 'hook.create', { at: ORG, url, ...more }) as Promise<Made>,
    alerts: () => createAlerts({ records, clock, log: quietLog, targets: () => targets }),
  }
}
const receiver = async (...given: Parameters<typeof openReceiver>) => {
  const one = await openReceiver(...given)
  open.push(one)
  return one
}
const STRICT = { allowPrivate: false, allowHosts: [] }

test('the secret of a webhook is shown when it is made, and neither lists nor the audit log hold it', async () => {
  const { run, create, records } = await openDesk(STRICT)
  const { hook, secret } = await create(PUBLIC_URL, { events: ['budget.threshold'], description: 'ours' })
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(hook).toMatchObject({
    at: ORG,
    url: PUBLIC_URL,
    events: ['budget.threshold'],
    paused: null,
    failing: null,
  })
  const { secret: second } = (await run(owner, 'hook.rotate', { hook: hook.id })) as { secret: string }
  expect(second).not.toBe(secret)
  await run(owner, 'hook.update', { hook: hook.id, description: 'mine' })
  const seen = [
    await run(owner, 'hook.list', { at: ORG }),
    await run(owner, 'hook.get', { hook: hook.id }),
    await run(owner, 'hook.pause', { hook: hook.id }),
    await run(owner, 'hook.resume', { hook: hook.id }),
  ]
  const audit = await records.list<AuditRow>(AUDIT, { limit: 99 })
  expect(audit.map(({ value }) => value.what)).toEqual([
    'hook.create',
    'hook.rotate',
    'hook.update',
    'hook.pause',
    'hook.resume',
  ])
  for (const one of [secret, second])
    for (const text of [seen, audit, await records.list('hooks', { limit: 9 })].map((all) =>
      JSON.stringify(all),
    )) {
      expect(text).not.toContain(one)
      expect(text).not.toContain(one.slice('whsec_'.length))
    }
  // What a URL carries may be a secret too.
  expect(JSON.stringify(audit)).not.toContain('hush')
  expect((await verifyAudit(records)).problems).toEqual([])
})

test.each([
  ['http://shop.com/', 'url: it is not https'],
  ['https://127.1/', 'url: the address is loopback'],
  ['https://inner.shop.com/', 'url: its name leads to an address that is not public'],
])('%s is refused with the reason', async (url, problem) => {
  const { create, run } = await openDesk(STRICT)
  await expect(create(url)).rejects.toMatchObject({
    code: 'invalid_request',
    details: { problem, param: 'url' },
  })
  const { hook } = await create()
  const change = run(owner, 'hook.update', { hook: hook.id, url })
  await expect(change).rejects.toMatchObject({ details: { problem } })
})

test('roles say who sees and who changes webhooks, and strangers learn nothing', async () => {
  const { run, create } = await openDesk(STRICT)
  const { hook } = await create()
  const ids = { hook: hook.id }
  await expect(run(actor('auditor', ORG), 'hook.list', { at: ORG })).resolves.toMatchObject({
    hooks: [ids.hook].map((id) => ({ id })),
  })
  for (const name of ['hook.pause', 'hook.rotate', 'hook.delete', 'hook.test', 'hook.update'])
    await expect(run(actor('auditor', ORG), name, ids)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(run(actor('developer', ORG), 'hook.list', { at: ORG })).rejects.toMatchObject({
    code: 'forbidden',
  })
  for (const stranger of [actor('owner', 'org_z'), actor('owner', TEAM)])
    for (const name of ['hook.get', 'hook.rotate', 'hook.delete', 'delivery.list'])
      await expect(run(stranger, name, ids)).rejects.toMatchObject({ code: 'not_here' })
  await expect(run(owner, 'hook.list', { at: SITE })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(run(owner, 'hook.get', { hook: `hook_${'a'.repeat(22)}.${ORG}` })).rejects.toMatchObject({
    code: 'not_here',
  })
})

test('the list of what is below holds the webhooks of teams, and nobody else’s', async () => {
  const { run, create } = await openDesk(STRICT)
  await create()
  await run(actor('owner', TEAM), 'hook.create', { at: TEAM, url: PUBLIC_URL })
  await run(actor('owner', 'org_z'), 'hook.create', { at: 'org_z', url: PUBLIC_URL })
  const places = async (who: Actor, at: string) =>
    ((await run(who, 'hook.list', { at, below: true })) as { hooks: HookView[] }).hooks
      .map((one) => one.at)
      .toSorted()
  expect(await places(owner, ORG)).toEqual([ORG, TEAM])
  expect(await places(owner, TEAM)).toEqual([TEAM])
  expect(await places(actor('owner', SITE), SITE)).toEqual([ORG, 'org_z', TEAM])
})

test('a place has so many webhooks at most', async () => {
  const { create } = await openDesk(STRICT)
  for (let i = 0; i < MOST_HOOKS; i++) await create()
  await expect(create()).rejects.toMatchObject({ code: 'taken_here' })
})

test('a test is sent and logged, and can be sent again by hand with the same id', async () => {
  const { run, create, alerts } = await openDesk()
  let status = 500
  const to = await receiver(() => status)
  const { hook, secret } = await create(to.url)
  const { delivery } = (await run(owner, 'hook.test', { hook: hook.id })) as { delivery: string }
  const sender = alerts()
  await step(sender)
  const list = () => run(owner, 'delivery.list', { hook: hook.id })
  expect(await list()).toMatchObject({
    more: false,
    deliveries: [{ id: delivery, type: 'hook.test', state: 'waiting', attempts: [{ status: 500 }] }],
  })
  expect(await run(owner, 'hook.get', { hook: hook.id })).toMatchObject({
    failing: { why: 'it answered 500' },
  })
  status = 200
  // Without waiting for its next time.
  await run(owner, 'delivery.redeliver', { delivery })
  await step(sender)
  expect(await list()).toMatchObject({ deliveries: [{ state: 'delivered', next: null }] })
  await run(owner, 'delivery.redeliver', { delivery })
  await step(sender)
  expect(to.got).toHaveLength(3)
  expect(new Set(to.got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  const whole = (await run(owner, 'delivery.get', { delivery })) as { attempts: unknown[]; body: object }
  expect(whole.attempts).toHaveLength(3)
  expect(whole.body).toMatchObject({ type: 'hook.test', at: ORG })
  for (const { headers, body } of to.got)
    expect(verifyWebhook({ secret, headers, body, now: handClock().now() }).ok).toBe(true)
})

test('tests of a webhook do not pile up without end', async () => {
  const { run, create } = await openDesk()
  const { hook } = await create()
  for (let i = 0; i < 50; i++) await run(owner, 'hook.test', { hook: hook.id })
  await expect(run(owner, 'hook.test', { hook: hook.id })).rejects.toMatchObject({ code: 'taken_here' })
})

test('after a rotation both secrets sign for a day, and at once only the new one when asked so', async () => {
  const { run, create, alerts, clock } = await openDesk()
  const to = await receiver()
  const { hook, secret } = await create(to.url)
  const rotate = async (more = {}) =>
    ((await run(owner, 'hook.rotate', { hook: hook.id, ...more })) as { secret: string }).secret
  const sender = alerts()
  const good = async (...secrets: string[]) => {
    await run(owner, 'hook.test', { hook: hook.id })
    await step(sender)
    const { headers, body } = to.got.at(-1)!
    return secrets.map((one) => verifyWebhook({ secret: one, headers, body, now: clock.now() }).ok)
  }
  const second = await rotate()
  expect(await good(secret, second)).toEqual([true, true])
  expect(await run(owner, 'hook.get', { hook: hook.id })).toMatchObject({
    oldSecretUntil: clock.now() + GRACE_MS,
  })
  clock.pass(GRACE_MS)
  expect(await good(secret, second)).toEqual([false, true])
  const third = await rotate({ now: true })
  expect(await good(second, third)).toEqual([false, true])
})

test('a paused webhook gets nothing until it is resumed, and a deleted one nothing ever', async () => {
  const { run, create, alerts } = await openDesk()
  const to = await receiver()
  const { hook } = await create(to.url)
  const ids = { hook: hook.id }
  await run(owner, 'hook.test', ids)
  await run(owner, 'hook.pause', ids)
  const sender = alerts()
  await step(sender)
  expect(await run(owner, 'delivery.list', { ...ids, state: 'dropped' })).toMatchObject({ deliveries: [{}] })
  await expect(run(owner, 'hook.test', ids)).rejects.toMatchObject({ code: 'taken_here' })
  await run(owner, 'hook.resume', ids)
  await run(owner, 'hook.test', ids)
  await step(sender)
  expect(to.got).toHaveLength(1)
  await run(owner, 'hook.test', ids)
  await run(owner, 'hook.delete', ids)
  await step(sender)
  expect(to.got).toHaveLength(1)
  await expect(run(owner, 'hook.get', ids)).rejects.toMatchObject({ code: 'not_here' })
  expect(await run(owner, 'hook.list', { at: ORG })).toEqual({ hooks: [] })
})

test('the delivery log comes in pages, newest first, and ages', async () => {
  const { run, create, clock } = await openDesk(STRICT)
  const { hook } = await create()
  for (let i = 0; i < 5; i++) {
    await run(owner, 'hook.test', { hook: hook.id })
    clock.pass(1_000)
  }
  type Page = { deliveries: { id: string; created: number }[]; more: boolean }
  const first = (await run(owner, 'delivery.list', { hook: hook.id, limit: 3 })) as Page
  const rest = (await run(owner, 'delivery.list', {
    hook: hook.id,
    limit: 3,
    before: first.deliveries[2]!.id,
  })) as Page
  const times = [...first.deliveries, ...rest.deliveries].map(({ created }) => created)
  expect([first.more, rest.more]).toEqual([true, false])
  expect(times).toEqual(times.toSorted((a, b) => b - a))
  expect(times).toHaveLength(5)
  clock.pass(KEEP_MS)
  expect(await run(owner, 'delivery.list', { hook: hook.id })).toEqual({ deliveries: [], more: false })
})
