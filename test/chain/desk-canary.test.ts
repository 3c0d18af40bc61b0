import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buy, post } from '../support/pay.ts'
import { type RouterProcess, startRouter } from '../support/process.ts'
import { DURABLE, startRedis } from '../support/redis.ts'
import { chunk, type Script } from '../support/upstream.ts'
import { PAY_TO, startWorld, type World } from '../support/world.ts'

// Said by nobody else, so that wherever one of them is found, it was kept.
const word = (name: string) => `canary-${name}-${randomBytes(16).toString('hex')}`
const SAID = {
  question: word('question'),
  system: word('system'),
  answer: word('answer'),
  tool: word('tool'),
  toolAnswer: word('toolanswer'),
  refusal: word('refusal'),
  name: word('name'),
}
const HELD = {
  provider: word('provider'),
  quote: word('quote'),
  admin: word('admin'),
  wrong: word('wrong'),
  person: word('person'),
}

let world: World
beforeAll(async () => {
  world = await startWorld()
  world.upstream.script(telling)
})
afterAll(() => world.close())

const call = {
  index: 0,
  id: 'call_1',
  type: 'function',
  function: { name: 'look', arguments: SAID.toolAnswer },
}

/** Does what the model's name asks for: answers in every way, or refuses, or breaks off. */
const telling: Script = async ({ body, response, write }) => {
  const asked = JSON.stringify(body)
  if (asked.includes('please refuse')) {
    response.writeHead(400, { 'content-type': 'application/json' })
    return void response.end(JSON.stringify({ error: { message: `${SAID.refusal} ${SAID.question}` } }))
  }
  const said = {
    role: 'assistant',
    content: SAID.answer,
    ...(asked.includes('"tools"') && { tool_calls: [call] }),
  }
  const usage = { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 }
  if (!body['stream']) {
    response.writeHead(200, { 'content-type': 'application/json' })
    const choices = [{ index: 0, message: said, finish_reason: 'stop' }]
    return void response.end(JSON.stringify({ choices, usage }))
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk(said))
  if (asked.includes('please break')) return void setTimeout(() => response.destroy(), 10)
  write(chunk({}, 'stop'))
  write({ ...chunk({}), choices: [], usage })
  response.end('data: [DONE]\n\n')
}

/** Who is told: keeps all that comes. */
const startEar = async () => {
  const heard: string[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      heard.push(text, JSON.stringify(request.headers))
      response.end('ok')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return { url, heard, close: () => new Promise((resolve) => server.close(resolve)) }
}

const yaml = (store: string) => `
server: { port: 0 }
store: "${store}"
log: { level: debug }
limits: { unpaid: { perAddress: false }, paid: { perAddress: false, perPayer: false }, signIn: { perAddress: false } }
chains:
  - id: eip155:${world.net.chainId}
    rpc: ["${world.net.url}"]
    payTo: "${PAY_TO}"
    confirmations: 1
    pollMs: 100
    assets: [{ symbol: USDC, address: "${world.token}", decimals: 6, name: USD Coin, version: "2", methods: [eip3009] }]
providers: [{ id: up, type: openai, baseUrl: "${world.upstream.url}", keyEnv: PROVIDER_KEY }]
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2" }
desk:
  operators: [{ name: root, passwordEnv: ADMIN_PASSWORD }]
  webhooks: { allowPrivate: true }
`

/** The desk over HTTP, as somebody who signed in with a password and made a token. */
const signedIn = async (url: string) => {
  await post(`${url}/admin/session`, { name: 'root', password: HELD.wrong })
  const reply = await post(`${url}/admin/session`, { name: 'root', password: HELD.admin })
  expect(reply.status).toBe(200)
  const cookie = /fb_desk=([\w-]+)/.exec(reply.headers.get('set-cookie') ?? '')![1]!
  const { csrf } = (await reply.json()) as { csrf: string }
  const session = { cookie: `fb_desk=${cookie}`, 'x-csrf-token': csrf }
  const as = (headers: Record<string, string>) => async (name: string, input: object) => {
    const answer = await post(`${url}/admin/api/${name}`, input, headers)
    const text = await answer.text()
    expect([name, answer.status, answer.status === 200 ? '' : text]).toEqual([name, 200, ''])
    return text
  }
  const made = JSON.parse(
    await as(session)('token.create', { name: 'ci', grants: [{ role: 'owner', at: 'site' }] }),
  ) as { token: string }
  const bearer = { authorization: `Bearer ${made.token}` }
  return { cookie, csrf, token: made.token, session, run: as(bearer), byHand: as(session) }
}

type Key = { id: string; secret: string; auth: Record<string, string> }

/** Calls of every kind with every kind of key; what is told of them by others than their answers. */
const callAll = async (url: string, keys: Record<'free' | 'tight' | 'waits', Key>, calls: number) => {
  const told: string[] = []
  const payers = [await world.payer(), await world.payer()]
  const tools = [
    { type: 'function', function: { name: 'look', description: SAID.tool, parameters: { type: 'object' } } },
  ]
  const user = { role: 'user', content: `Say ${SAID.question}` }
  const plain = {
    model: 'test/small',
    max_tokens: 60,
    messages: [{ role: 'system', content: SAID.system }, user],
  }
  const ways: [path: string, body: object][] = [
    ['/v1/chat/completions', plain],
    ['/v1/chat/completions', { ...plain, stream: true }],
    ['/v1/chat/completions', { ...plain, tools, user: SAID.name, metadata: { [SAID.name]: SAID.name } }],
    [
      '/v1/messages',
      { model: 'test/small', max_tokens: 60, system: SAID.system, messages: [user], stream: true },
    ],
    ['/v1/messages', { model: 'test/small', max_tokens: 60, system: SAID.system, messages: [user] }],
    [
      '/v1/responses',
      { model: 'test/small', max_output_tokens: 60, instructions: SAID.system, input: SAID.question },
    ],
    [
      '/v1/chat/completions',
      { ...plain, messages: [{ role: 'user', content: `please refuse ${SAID.question}` }] },
    ],
    [
      '/v1/chat/completions',
      { ...plain, stream: true, messages: [{ role: 'user', content: `please break ${SAID.question}` }] },
    ],
    ['/v1/chat/completions', { ...plain, nonsense: SAID.question }],
    ['/v1/chat/completions', { ...plain, model: 'nobody/has-this' }],
  ]
  const statuses = new Map<number, number>()
  const one = async (i: number) => {
    const [path, body] = ways[i % ways.length]!
    const key = i % 7 === 5 ? keys.tight : i % 7 === 6 ? keys.waits : keys.free
    const headers = {
      ...key.auth,
      'x-farebox-tags': `project=apollo, run=${i % 5}`,
      'idempotency-key': `${SAID.name}-${i}`,
    }
    const answer = await buy(`${url}${path}`, payers[i % 2]!, { ...body, max_price_usd: '1' }, headers)
    const text = await answer.text()
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    if (answer.status !== 200) told.push(text)
    told.push(JSON.stringify([...answer.headers]))
    const id = answer.headers.get('x-farebox-call')
    for (const kind of id ? ['calls', 'receipts'] : [])
      told.push(await (await fetch(`${url}/v1/${kind}/${id}`)).text())
  }
  for (let i = 0; i < calls; i += 10)
    await Promise.all(Array.from({ length: Math.min(10, calls - i) }, (_, k) => one(i + k).catch(() => {})))
  return { told, statuses }
}

const PAGES = [
  '',
  '/calls',
  '/models',
  '/settlements',
  '/tree',
  '/keys',
  '/approvals',
  '/members',
  '/analytics',
  '/audit',
  '/hooks',
  '/me',
]

/** A day at a router that dies in the midst of it; all that was secret in it, and all that was told. */
const live = async (store: string, dir: string, calls: number) => {
  const config = join(dir, 'farebox.yaml')
  writeFileSync(config, yaml(store))
  const lines: string[] = []
  const env = {
    FAREBOX_QUOTE_SECRET: HELD.quote,
    FAREBOX_SETTLER_KEY: world.net.accounts[1]!.privateKey,
    ADMIN_PASSWORD: HELD.admin,
    PROVIDER_KEY: HELD.provider,
  }
  const start = () => startRouter({ config, db: '', env, heard: (text) => void lines.push(text) })
  const ear = await startEar()
  let router: RouterProcess | undefined
  try {
    router = await start()
    const first = await signedIn(router.url)
    const made = async (name: string, input: object, run = first.run) => {
      const { node, secret } = JSON.parse(await run(name, input)) as { node: { id: string }; secret: string }
      return { id: node.id, secret, auth: { authorization: `Bearer ${secret}` } }
    }
    const org = await made('org.create', { name: 'Acme' })
    const hook = JSON.parse(await first.run('hook.create', { at: org.id, url: ear.url })) as {
      hook: { id: string }
      secret: string
    }
    const rotated = JSON.parse(await first.byHand('hook.rotate', { hook: hook.hook.id })) as {
      secret: string
    }
    const person = { name: 'Ann', login: 'ann', password: HELD.person }
    const user = await made('user.create', { in: org.id, ...person }, first.byHand)
    const key = (name: string, more: object) => made('key.create', { user: user.id, name, ...more })
    const keys = {
      free: await key('free', { budgets: [{ per: 'day', limit: '5' }] }),
      tight: await key('tight', { budgets: [{ per: 'day', limit: '0.0003', alerts: [1, 50] }] }),
      waits: await key('waits', { rules: { approveAbove: '0' } }),
    }
    const old = await key('old', {})
    const turned = JSON.parse(await first.run('key.rotate', { id: old.id })) as { secret: string }
    const before = await callAll(router.url, keys, calls / 2)
    // In the midst of calls.
    const dying = callAll(router.url, keys, 10).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 60))
    router.kill('SIGKILL')
    await router.ended
    await dying

    router = await start()
    const second = await signedIn(router.url)
    const after = await callAll(router.url, keys, calls / 2)
    await second.run('node.freeze', { id: old.id, frozen: true })
    // In a fleet who tells comes to it some seconds after another has died.
    const said = (what: string) => ear.heard.some((text) => text.includes(what))
    await expect
      .poll(() => said('budget.threshold') && said('approval.waiting'), { timeout: 20_000 })
      .toBe(true)
    const told = [...before.told, ...after.told]
    for (const [name, input] of [
      ['audit.export', {}],
      ['audit.export', { format: 'jsonl' }],
      ['analytics.csv', { by: 'tag' }],
      ['analytics.csv', {}],
      ['call.list', {}],
      ['approval.list', {}],
      ['hook.list', { at: org.id }],
      ['delivery.list', { hook: hook.hook.id }],
      ['session.list', {}],
      ['token.list', {}],
      ['tree.list', { under: user.id }],
    ] as const)
      told.push(await second.run(name, input))
    for (const path of PAGES)
      told.push(await (await fetch(`${router.url}/admin${path}`, { headers: second.session })).text())
    told.push(await (await fetch(`${router.url}/metrics`)).text())
    router.kill('SIGTERM')
    await router.ended
    const secrets = {
      ...SAID,
      ...HELD,
      settler: world.net.accounts[1]!.privateKey.slice(2),
      ...Object.fromEntries(
        Object.entries(keys).map(([name, { secret }]) => [`key ${name}`, secret.slice(13)]),
      ),
      'old key': old.secret.slice(13),
      'turned key': turned.secret.slice(13),
      token: first.token.slice(4),
      cookie: first.cookie,
      'token 2': second.token.slice(4),
      'cookie 2': second.cookie,
    }
    const hooks = { hook: hook.secret.slice(6), 'rotated hook': rotated.secret.slice(6) }
    const statuses = [...before.statuses.keys(), ...after.statuses.keys()]
    return { secrets, hooks, told, statuses, lines, heard: ear.heard }
  } finally {
    router?.kill('SIGKILL')
    await ear.close()
  }
}

/** Where any of these is, as it is or in another spelling; `places` by their names. */
const found = (secrets: Record<string, string>, places: Iterable<readonly [string, string]>): string[] => {
  const spellings = Object.entries(secrets).flatMap(([name, secret]) => {
    const bytes = Buffer.from(secret)
    const inner = [0, 1, 2].map((at) => bytes.subarray(at).toString('base64url').slice(0, 24))
    return [secret, ...inner, bytes.toString('hex')].map((text) => [name, text] as const)
  })
  const hits: string[] = []
  for (const [place, text] of places)
    for (const [name, spelling] of spellings) if (text.includes(spelling)) hits.push(`${name} in ${place}`)
  return hits
}

const filesOf = function* (dir: string): Generator<[string, string]> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name)
    if (statSync(path).isDirectory()) yield* filesOf(path)
    else yield [name, readFileSync(path, 'latin1').replaceAll('+', '-').replaceAll('/', '_')]
  }
}

const expectSilence = ({
  secrets,
  hooks,
  told,
  statuses,
  lines,
  heard,
}: Awaited<ReturnType<typeof live>>) => {
  expect(statuses).toEqual(expect.arrayContaining([200, 202, 400, 404, 429]))
  expect(lines.join('').length).toBeGreaterThan(1_000)
  expect(heard.some((text) => text.includes('budget.threshold'))).toBe(true)
  expect(heard.some((text) => text.includes('approval.waiting'))).toBe(true)
  const spoken = [
    ...lines.map((text) => ['a log line', text] as const),
    ...told.map((text) => ['what is told', text] as const),
    ...heard.map((text) => ['a webhook', text] as const),
  ]
  expect([...new Set(found({ ...secrets, ...hooks }, spoken))]).toEqual([])
}

describe('no word that was said, and nothing that opens anything, is kept or told', () => {
  test('over SQLite, in any byte of any file', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'farebox-canary-'))
    const places = mkdtempSync(join(tmpdir(), 'farebox-canary-config-'))
    try {
      const lived = await live(`sqlite:${join(dir, 'ledger.db')}`, places, 200)
      expectSilence(lived)
      const files = [...filesOf(dir)]
      // These are the files.
      expect(found({ name: 'Acme', model: 'test_small' }, files).length).toBeGreaterThan(1)
      expect(found(lived.secrets, files)).toEqual([])
      // What signs must be kept, in one table and nowhere else.
      const spelt = Object.fromEntries(
        Object.entries(lived.hooks).map(([name, text]) => [name, text.slice(0, 32)]),
      )
      const desk = readdirSync(dir).find((name) => name.endsWith('-desk'))!
      const db = new DatabaseSync(join(dir, desk), { readOnly: true })
      const rows = db.prepare('SELECT tbl, id, keys, value FROM rows').all() as Record<string, string>[]
      db.close()
      const tables = rows.map((row) => [row['tbl']!, JSON.stringify(row)] as const)
      expect([...new Set(found(spelt, tables))].toSorted()).toEqual([
        'hook in hooksecrets',
        'rotated hook in hooksecrets',
      ])
      expect(
        found(
          spelt,
          files.filter(([name]) => !name.includes('-desk')),
        ),
      ).toEqual([])
    } finally {
      rmSync(dir, { recursive: true, force: true })
      rmSync(places, { recursive: true, force: true })
    }
  }, 120_000)

  test('over Redis, in any byte of its files and in any key', async () => {
    const redis = await startRedis({
      args: [...DURABLE, '--aof-use-rdb-preamble', 'no', '--rdbcompression', 'no'],
    })
    const places = mkdtempSync(join(tmpdir(), 'farebox-canary-config-'))
    try {
      const lived = await live(`${redis.url}?name=canary`, places, 60)
      expectSilence(lived)
      await redis.cli('SAVE')
      const files = [...filesOf(redis.dir)]
      expect(found({ name: 'Acme' }, files)).toContain('name in dump.rdb')
      expect(found(lived.secrets, files)).toEqual([])
      const spelt = Object.fromEntries(
        Object.entries(lived.hooks).map(([name, text]) => [name, text.slice(0, 32)]),
      )
      const keys = (await redis.cli('KEYS', '*')) as string[]
      const values = await Promise.all(
        keys.map(async (key) => [key, String(await readKey(redis.cli, key))] as const),
      )
      expect(keys.length).toBeGreaterThan(100)
      const where = found(spelt, values)
      expect(where.length).toBeGreaterThan(0)
      expect(where.filter((one) => !one.includes(':hooksecrets:'))).toEqual([])
    } finally {
      await redis.stop()
      rmSync(places, { recursive: true, force: true })
    }
  }, 120_000)
})

const READERS: Record<string, (string | number)[]> = {
  string: ['GET', 'KEY'],
  hash: ['HGETALL', 'KEY'],
  list: ['LRANGE', 'KEY', 0, -1],
  set: ['SMEMBERS', 'KEY'],
  zset: ['ZRANGE', 'KEY', 0, -1],
  stream: ['XRANGE', 'KEY', '-', '+'],
}
const readKey = async (cli: (...args: (string | number)[]) => Promise<unknown>, key: string) => {
  const type = String(await cli('TYPE', key))
  const value = await cli(...(READERS[type] ?? ['GET', 'KEY']).map((one) => (one === 'KEY' ? key : one)))
  return JSON.stringify(value)
}
