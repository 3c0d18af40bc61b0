import { afterEach, expect, test } from 'vitest'
import { OUTBOX } from '../../src/accounts/events.ts'
import { SITE } from '../../src/accounts/node.ts'
import { createAlerts } from '../../src/alerts/alerts.ts'
import { DUE, WAITS } from '../../src/alerts/delivery.ts'
import { HEALTH, HOOKS, type Hook } from '../../src/alerts/hook.ts'
import { PAUSED_AFTER_MS } from '../../src/alerts/note.ts'
import type { Send } from '../../src/alerts/send.ts'
import { verifyWebhook } from '../../src/client/webhooks.ts'
import { systemClock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'
import { handClock, ORG, openReceiver, openWorld, PRIVATE, step, TEAM } from './world.ts'

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
const receiver = async (...given: Parameters<typeof openReceiver>) => {
  const one = await openReceiver(...given)
  open.push(one)
  return one
}
const DAY = 86_400_000

test('an event reaches a webhook, signed so that its receiver can check it', async () => {
  const world = openWorld()
  const to = await receiver()
  const hook = await world.addHook(to.url)
  await world.tell({ about: { percent: 80 } })
  await step(world.open())
  expect(to.got).toHaveLength(1)
  const { headers, body } = to.got[0]!
  const now = world.clock.now()
  const checked = verifyWebhook({ secret: hook.secret, headers, body, now })
  const event = { type: 'budget.threshold', time: now, at: ORG, path: [ORG], about: { percent: 80 } }
  expect(checked).toEqual({ ok: true, event: { id: headers['webhook-id'], ...event } })
  expect(Object.keys(JSON.parse(body))).toEqual(['id', 'type', 'time', 'about', 'at', 'path'])
  expect(await world.deliveries()).toMatchObject([
    { state: 'delivered', attempts: [{ status: 200, at: now }] },
  ])
  expect(await world.records.list(OUTBOX, { limit: 9 })).toEqual([])
  expect(await world.records.list(DUE, { limit: 9 })).toEqual([])
})

test('hooks of the node, of what stands above it and of the site are told, others are not', async () => {
  const world = openWorld()
  const told: string[] = []
  const send: Send = async ({ url }) => {
    told.push(url)
    return { ms: 1, status: 200 }
  }
  await world.addHook('https://team.net/', { at: TEAM, path: [ORG, TEAM] })
  await world.addHook('https://org.net/')
  await world.addHook('https://site.net/', { at: SITE, path: [] })
  await world.addHook('https://other.net/', { at: 'org_z', path: ['org_z'] })
  await world.addHook('https://below.net/', { at: 'key_k', path: [ORG, TEAM, 'key_k'] })
  await world.addHook('https://choosy.net/', { events: ['provider.down'] })
  await world.addHook('https://paused.net/', { paused: { at: 0, why: 'by hand' } })
  await world.tell({ at: TEAM, path: [ORG, TEAM] })
  await step(createAlerts({ ...world, log: quietLog, targets: () => PRIVATE, send }))
  expect(told.toSorted()).toEqual(['https://org.net/', 'https://site.net/', 'https://team.net/'])
})

test('a delivery that fails is tried again, later each time, and then given up', async () => {
  const world = openWorld()
  const to = await receiver(() => 500)
  await world.addHook(to.url)
  await world.tell()
  const alerts = world.open()
  await step(alerts)
  for (const [i, wait] of WAITS.entries()) {
    world.clock.pass(wait - 1)
    await step(alerts)
    expect(to.got).toHaveLength(i + 1)
    world.clock.pass(1)
    await step(alerts)
    expect(to.got).toHaveLength(i + 2)
  }
  world.clock.pass(30 * 60_000)
  await step(alerts)
  expect(to.got).toHaveLength(WAITS.length + 1)
  expect(new Set(to.got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(new Set(to.got.map(({ body }) => body)).size).toBe(1)
  const [delivery] = await world.deliveries()
  expect(delivery).toMatchObject({ state: 'failed', tries: 7 })
  expect(delivery!.attempts).toHaveLength(7)
  expect(delivery!.next).toBeUndefined()
})

test('one that succeeds after a failure is done, and the hook is well again', async () => {
  const world = openWorld()
  let status = 503
  const to = await receiver(() => status)
  await world.addHook(to.url)
  await world.tell()
  const alerts = world.open()
  await step(alerts)
  expect(await world.records.list(HEALTH, { limit: 9 })).toMatchObject([
    { value: { why: 'it answered 503' } },
  ])
  status = 200
  world.clock.pass(WAITS[0])
  await step(alerts)
  expect(await world.deliveries()).toMatchObject([
    { state: 'delivered', attempts: [{ status: 503 }, { status: 200 }] },
  ])
  expect(await world.records.list(HEALTH, { limit: 9 })).toEqual([])
})

test('after a crash between sending and noting it, it is sent again with the same id', async () => {
  const clock = handClock()
  const base = memoryRecords({ clock })
  // The first one dies before it can write what came of it.
  let dead = false
  const dying: Records = {
    ...base,
    write: (writes) =>
      dead || writes.some(({ table, ...one }) => table === 'deliveries' && 'value' in one && one.if !== 0)
        ? Promise.reject(new Error('dead'))
        : base.write(writes),
  }
  const to = await receiver()
  const first = openWorld({ clock, records: dying })
  await first.addHook(to.url)
  await first.tell()
  await step(first.open())
  dead = true
  expect(to.got).toHaveLength(1)
  const second = openWorld({ clock, records: base })
  await step(second.open())
  expect(to.got).toHaveLength(2)
  expect(to.got[1]!.headers['webhook-id']).toBe(to.got[0]!.headers['webhook-id'])
  expect(await second.deliveries()).toMatchObject([{ state: 'delivered' }])
})

test('what is broken off by a stop is sent by who comes next', async () => {
  const world = openWorld({})
  let silent = true
  const to = await receiver(() => (silent ? 'silence' : 200))
  await world.addHook(to.url)
  await world.tell()
  const facts = { records: world.records, clock: systemClock, log: quietLog, targets: () => PRIVATE }
  const first = createAlerts(facts)
  first.start()
  await until(() => to.got.length === 1)
  await first.stop()
  expect(await world.deliveries()).toMatchObject([{ state: 'waiting', attempts: [] }])
  silent = false
  const second = createAlerts(facts)
  second.start()
  await until(() => to.got.length === 2)
  await second.stop()
  expect(to.got[1]!.headers['webhook-id']).toBe(to.got[0]!.headers['webhook-id'])
})

test('two at once make one delivery of each event', async () => {
  const world = openWorld()
  const to = await receiver()
  await world.addHook(to.url)
  for (let i = 0; i < 60; i++) await world.tell({ about: { i } })
  const both = [world.open(), world.open()]
  await Promise.all(both.map(step))
  for (let i = 0; i < 30; i++) await Promise.all(both.map(step))
  const deliveries = await world.deliveries()
  expect(deliveries).toHaveLength(60)
  expect(deliveries.every(({ state, attempts }) => state === 'delivered' && attempts.length === 1)).toBe(true)
  expect(new Set(to.got.map(({ headers }) => headers['webhook-id'])).size).toBe(60)
})

test('a hook gets few at once, and one that hangs does not keep the others waiting', async () => {
  const world = openWorld()
  let at = 0
  let most = 0
  const free: (() => void)[] = []
  const quick: string[] = []
  const send: Send = async ({ url, headers }) => {
    if (url.includes('quick')) quick.push(headers['webhook-id']!)
    else {
      most = Math.max(most, ++at)
      await new Promise<void>((resolve) => free.push(resolve))
      at--
    }
    return { ms: 1, status: 200 }
  }
  await world.addHook('https://slow.net/')
  for (let i = 0; i < 250; i++) await world.tell()
  const alerts = createAlerts({ ...world, log: quietLog, targets: () => PRIVATE, send })
  for (let i = 0; i < 3; i++) await alerts.turn()
  // Behind all of the others.
  world.clock.pass(1)
  await world.addHook('https://quick.net/')
  await world.tell()
  for (let i = 0; i < 3; i++) await alerts.turn()
  await until(() => quick.length === 1)
  expect(most).toBe(4)
  for (const go of free) go()
  await alerts.idle()
})

test('an organisation whose many receivers hang does not keep another waiting', async () => {
  const world = openWorld()
  const free: (() => void)[] = []
  const quick: string[] = []
  const send: Send = async ({ url, headers }) => {
    if (url.includes('quick')) quick.push(headers['webhook-id']!)
    else await new Promise<void>((resolve) => free.push(resolve))
    return { ms: 1, status: 200 }
  }
  for (let i = 0; i < 12; i++) await world.addHook(`https://slow${i}.net/`)
  for (let i = 0; i < 8; i++) await world.tell()
  const alerts = createAlerts({ ...world, log: quietLog, targets: () => PRIVATE, send })
  await alerts.turn()
  world.clock.pass(1)
  await world.addHook('https://quick.net/', { at: 'org_other', path: ['org_other'] })
  await world.tell({ at: 'org_other', path: ['org_other'] })
  await alerts.turn()
  await until(() => quick.length === 1)
  expect(free).toHaveLength(8)
  while (free.length > 0) {
    for (const go of free.splice(0)) go()
    await step(alerts)
  }
})

test('a hook that fails for three days is paused, and its organisation is told', async () => {
  const world = openWorld()
  const send: Send = async ({ url }) => ({
    ms: 1,
    ...(url.includes('well') ? { status: 200 } : { why: 'no connection' }),
  })
  const ill = await world.addHook('https://ill.net/secret-path', { events: ['budget.threshold'] })
  await world.addHook('https://well.net/')
  const alerts = createAlerts({ ...world, log: quietLog, targets: () => PRIVATE, send })
  for (let past = 0; past <= PAUSED_AFTER_MS + DAY; past += DAY / 2) {
    await world.tell()
    await step(alerts)
    world.clock.pass(DAY / 2)
  }
  await step(alerts)
  expect((await world.records.get<Hook>(HOOKS, ill.id))?.value.paused).toMatchObject({ why: 'failing' })
  const told = (await world.deliveries()).filter(({ type }) => type === 'hook.paused')
  expect(told).toHaveLength(1)
  expect(JSON.parse(told[0]!.body)).toMatchObject({
    at: ORG,
    about: { hook: ill.id, host: 'ill.net', why: 'failing' },
  })
  expect(told[0]!.body).not.toContain('secret-path')
  expect((await world.deliveries()).filter(({ state }) => state === 'dropped').length).toBeGreaterThan(0)
})

test('a receiver that says 410 is gone: its hook is paused at once', async () => {
  const world = openWorld()
  const to = await receiver(() => 410)
  const hook = await world.addHook(to.url)
  await world.tell()
  await step(world.open())
  expect((await world.records.get<Hook>(HOOKS, hook.id))?.value.paused).toMatchObject({ why: 'gone' })
})

test('a redirect counts as a failure and its target is never asked', async () => {
  const world = openWorld()
  const to = await receiver(() => 302)
  await world.addHook(to.url)
  await world.tell()
  await step(world.open())
  expect(to.got).toHaveLength(1)
  expect(await world.deliveries()).toMatchObject([{ state: 'waiting', attempts: [{ status: 302 }] }])
})

const until = async (is: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !is(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(is()).toBe(true)
}
