import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newToken } from '../../src/accounts/tokens.ts'
import { deskCommand } from '../../src/cli/desk.ts'
import { fieldsOf, inputOf } from '../../src/cli/desk-input.ts'
import { LIVE, namesOf, tableOf } from '../../src/cli/desk-table.ts'
import { routerWay, storeWay, type Way } from '../../src/cli/desk-way.ts'
import { keysCreate, keysList } from '../../src/cli/keys.ts'
import { systemClock } from '../../src/clock.ts'
import { createDesk } from '../../src/desk/desk.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { openRecords } from '../../src/main/fleet.ts'
import { actorOf, deskWorld } from '../support/desk.ts'
import { runNode } from '../support/run.ts'
import { ENV, paper, type Site, site } from './site.ts'

let here: Site
let own: () => Promise<Way>
beforeAll(() => {
  here = site()
  own = here.way()
})
afterAll(() => here.stop())

type Wish = { approval?: string; input?: string; fields?: boolean; way?: () => Promise<Way> }
const desk = async (operation: string | undefined, words: string[] = [], wish: Wish = {}) => {
  const { text, out } = paper()
  const code = await deskCommand({ operation, words, way: own, out, ...wish })
  return { code, text: text() }
}
const json = async (operation: string, words: string[], wish: Wish = {}) =>
  JSON.parse((await desk(operation, words, wish)).text)

test('without an operation all of them are listed, each with its sentence', async () => {
  const { code, text } = await desk(undefined)
  expect(code).toBe(0)
  for (const [name, { summary }] of Object.entries(namesOf())) {
    expect(text).toContain(`${name} `)
    expect(text).toContain(summary.replace(/\.$/, ''))
  }
  expect(text.match(/by --url only/g)).toHaveLength(LIVE.length)
})

test('an operation is done over the store, and its JSON printed', async () => {
  const { node } = await json('org.create', ['name=Acme'])
  const { nodes } = await json('tree.list', [])
  expect(nodes).toMatchObject([{ id: node.id, name: 'Acme' }])
  const changed = await json('node.budgets', [`id=${node.id}`, 'budgets={"per":"day","limit":"5"}'])
  expect(changed.node.budgets).toMatchObject([{ per: 'day', limit: '5', kind: 'hard' }])
  const got = await json('node.get', [], { input: JSON.stringify({ id: node.id }) })
  expect(got.node.spent).toMatchObject([{ used: '0', limit: '5' }])
  const csv = await desk('audit.export', ['format=csv', 'limit=1'])
  expect(csv.text.split('\r\n')[1]).toMatch(/^1,.*,operator:cli,.*,org\.create,/)
})

test('a refusal is printed with what to do, and its exit code says so', async () => {
  const missing = await desk('node.get', ['id=org_nothing'])
  expect(missing).toEqual({
    code: 1,
    text: 'There is no such id here. [not_here]\n  List what there is, and use an id from that list.',
  })
  const wrong = await desk('user.create', ['in=org_x'])
  expect(wrong.code).toBe(2)
  expect(wrong.text).toMatch(/^name: .*\[invalid_request\]/)
  expect(wrong.text).toContain('user.create takes:\n  in           text\n')
  await expect(desk('nothing.do')).rejects.toThrow('there is no operation nothing.do')
  await expect(desk('org.create', ['Acme'])).rejects.toThrow('say name=value instead of Acme')
})

test('what only a running router knows is asked there', async () => {
  for (const name of LIVE)
    await expect(desk(name)).rejects.toThrow(`${name} is known to the running router alone; say --url`)
  const config = { ...here.config, store: 'memory:' }
  const no = () => Promise.reject(new Error('opened'))
  const way = storeWay({ config, openRecords: no, openLedger: no, clock: systemClock })
  await expect(way).rejects.toThrow('store memory: is known to the running router alone')
})

test('what needs a second person says what to do, and is done once another has said yes', async () => {
  const { node } = await json('org.create', ['name=Careful'])
  await json('node.rules', [`id=${node.id}`, 'rules={"fourEyes":true,"maxPerCall":"0.01"}'])
  const words = [`id=${node.id}`, 'rules={"fourEyes":true,"maxPerCall":"0.05"}']
  const asked = await desk('node.rules', words)
  expect(asked.code).toBe(1)
  const id = /--approval (apr_[\w-]+)$/.exec(asked.text)?.[1] ?? ''
  expect(asked.text).toContain(`farebox desk approval.decide id=${id} approve=true`)
  expect((await desk('approval.decide', [`id=${id}`, 'approve=true'])).text).toContain('somebody else must')
  const other = await here.way('root')()
  await expect(other.run('approval.decide', { id, approve: true })).rejects.toThrow(
    '--as is for what is one’s own',
  )
  await other.close()
  await decide(id)
  const { node: done } = await json('node.rules', words, { approval: id })
  expect(done.rules.maxPerCall).toBe('0.05')
})

/** As an operator does at the dashboard. */
const decide = async (id: string) => {
  const records = await openRecords(here.config.store, systemClock)
  const nobody = (): never => {
    throw new Error('not here')
  }
  const operations = tableOf({ config: nobody, ledger: nobody, clock: systemClock })
  const vera = createDesk({ operations, records, clock: systemClock, approve: async () => [] })
  await vera.run(actorOf([{ role: 'owner', at: 'site' }], 'operator:vera'), 'approval.decide', {
    id,
    approve: true,
  })
  await records.close()
}

test('a token is made for an operator of the configuration, and for nobody else', async () => {
  const grants = 'grants={"role":"owner","at":"site"}'
  const made = await json('token.create', ['name=ci', grants], { way: here.way('root') })
  expect(made.token).toMatch(/^fbt_/)
  await expect(desk('token.create', ['name=ci', grants])).rejects.toThrow('whose token?')
  await expect(desk('token.create', ['name=ci', grants], { way: here.way('eve') })).rejects.toThrow(
    'eve is no operator',
  )
  await expect(desk('org.create', ['name=x'], { way: here.way('root') })).rejects.toThrow(
    '--as is for what is one’s own',
  )
})

/** A desk behind HTTP, with a token of an owner of everything. */
const served = async () => {
  const ledger = memoryLedger({ clock: systemClock })
  const nobody = (): never => {
    throw new Error('not here')
  }
  const operations = tableOf({ config: nobody, ledger: async () => ledger, clock: systemClock })
  const world = await deskWorld({ operations })
  const token = async (role: 'owner' | 'auditor') => {
    const expires = world.clock.now() + 1e9
    const made = newToken({
      user: 'operator:root',
      name: 'ci',
      created: 0,
      expires,
      grants: [{ role, at: 'site' }],
    })
    await world.records.write([made.put])
    return made.token
  }
  const server = createAdaptorServer({ fetch: world.app.fetch })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const owner = await token('owner')
  return {
    url,
    token,
    owner,
    way: async () => routerWay(url, owner),
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
}

test('the same commands are done at a running router, by a token of its desk', async () => {
  const { url, token, way, owner, stop } = await served()
  try {
    const { out, text } = paper()
    const wish = { org: 'Acme', team: 'Search', user: 'Crawler', name: 'ci', bearer: true, budget: ['day=5'] }
    expect(await keysCreate({ way, out, ...wish })).toBe(0)
    expect(text()).toContain(`curl -i ${url}/v1/chat/completions`)
    const listed = paper()
    expect(await keysList({ way, out: listed.out, json: true, org: 'Acme' })).toBe(0)
    expect(JSON.parse(listed.text())).toMatchObject([{ name: 'ci', in: ['Acme', 'Search', 'Crawler'] }])
    const csv = await desk('audit.export', ['format=csv'], { way })
    expect(csv.text).toMatch(/^seq,time,actor/)
    const auditor = await token('auditor')
    const refused = await desk('org.create', ['name=x'], { way: async () => routerWay(url, auditor) })
    expect(refused).toEqual({
      code: 1,
      text: 'Your roles do not allow this: it needs tree.write. [forbidden]\n  Ask an owner for the role.',
    })
    const unknown = await desk('tree.list', [], { way: async () => routerWay(url, `${owner}x`) })
    expect(unknown).toMatchObject({ code: 1, text: expect.stringContaining('[session_required]') })
  } finally {
    await stop()
  }
  expect(() => routerWay(url, undefined)).toThrow('FAREBOX_DESK_TOKEN')
  await expect(desk('tree.list', [], { way })).rejects.toThrow(`${url} does not answer (`)
})

test('words become what their fields are', () => {
  const { 'user.create': user, 'hook.create': hook, 'audit.list': audit, 'node.freeze': freeze } = namesOf()
  expect(inputOf(user!, ['in=org_1', 'name=A=B'])).toEqual({ in: 'org_1', name: 'A=B' })
  expect(inputOf(hook!, ['at=site', 'events=hook.test', 'events=key.frozen'])).toEqual({
    at: 'site',
    events: ['hook.test', 'key.frozen'],
  })
  expect(inputOf(audit!, ['limit=5'], '{"what":"key."}')).toEqual({ limit: 5, what: 'key.' })
  expect(() => inputOf(audit!, ['limit=5', 'limit=6'])).toThrow('limit is said twice')
  expect(() => inputOf(audit!, [], '[]')).toThrow('--input must be a JSON object')
  expect(fieldsOf(freeze!)).toEqual(['id           text', 'frozen       true|false'])
})

test('the program takes the commands, and says by its exit code how it went', async () => {
  const run = (...args: string[]) => runNode(['bin/farebox.js', ...args, '-c', here.file], ENV)
  const [made, unknown] = await Promise.all([
    run(
      'keys',
      'create',
      '--org',
      'Program',
      '--user',
      'One',
      '--name',
      'ci',
      '--no-bearer',
      '--wallet',
      `0x${'ef'.repeat(20)}`,
    ),
    run('desk', 'nothing.do'),
  ])
  expect([made.code, made.output]).toEqual([0, expect.stringContaining('made the key ci')])
  expect(unknown.code).toBe(2)
  const [verified, exported] = await Promise.all([
    run('audit', 'verify'),
    run('audit', 'export', '--format', 'jsonl'),
  ])
  expect([verified.code, verified.output]).toEqual([0, expect.stringContaining('None is missing')])
  expect(exported.output).toContain('"what":"key.create"')
})
