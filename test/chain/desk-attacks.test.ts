import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Approval, createCallApprovals, putOf } from '../../src/accounts/approvals.ts'
import { callerOf } from '../../src/accounts/caller.ts'
import type { Node } from '../../src/accounts/node.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { systemClock } from '../../src/clock.ts'
import { callsOf } from '../../src/desk/calls.ts'
import { createCursors } from '../../src/desk/cursor.ts'
import type { Refusal } from '../../src/errors.ts'
import type { Call } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Usd } from '../../src/money.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { DEPOSIT, sign } from '../campaign/ways.ts'
import { aCall } from '../ledger/fixtures.ts'
import { made, OWNER, organisation, seen } from '../support/organisation.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { startRedis } from '../support/redis.ts'
import { told } from '../support/refused.ts'
import { chunk, goodAnswer } from '../support/upstream.ts'
import { ADMIN_PASSWORD, hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({
    extra:
      'desk: { operators: [{ name: root, passwordEnv: FAREBOX_ADMIN_PASSWORD }], webhooks: { allowPrivate: true } }',
  })
})
afterAll(() => world.close())

const desk = () => world.farebox.desk
const run = (name: string, input: object, approval?: string) => desk().run(OWNER, name, input, approval)
const usd = (units: bigint) => `0.${units.toString().padStart(6, '0')}`
const usedOf = async (id: string): Promise<string[]> =>
  ((await run('node.get', { id })) as { node: { spent: { used: string }[] } }).node.spent.map(
    (one) => one.used,
  )
const actorOf = (user: Node, role: Actor['grants'][number]['role'], at: string): Actor => ({
  user: user.id,
  name: user.name,
  grants: [{ role, at }],
  via: 'password',
})
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: Refusal) => `${error.status} ${error.code} ${JSON.stringify(error.details)}`,
  )

test('names of all kinds are told as they are, break no header, no line and no page', async () => {
  const names = [
    'two\nlines\r\nSet-Cookie: a=b',
    '\u202eright to left',
    'é'.repeat(120),
    '🦊 fox',
    '__proto__',
    'constructor',
    '<script>alert(1)</script>',
    "'; DROP TABLE nodes; --",
    '{name}',
    '$& $1',
  ]
  const keys: { name: string; auth: Record<string, string>; ids: Record<string, string> }[] = []
  for (const name of names) {
    const org = await made(desk(), 'org.create', { name })
    const user = await made(desk(), 'user.create', { in: org.id, name })
    const ids: Record<string, string> = {}
    const auth: Record<string, string> = {}
    for (const [what, more] of Object.entries({
      scope: { rules: { maxPerCall: '0.000001' } },
      waits: { rules: { approveAbove: '0' } },
      over: { budgets: [{ per: 'total', limit: '0.000001' }] },
    })) {
      const key = await made(desk(), 'key.create', { user: user.id, name, ...more })
      ids[what] = key.id
      auth[what] = `Bearer ${key.secret}`
    }
    keys.push({ name, auth, ids })
  }
  for (const { name, auth } of keys) {
    const statuses = { scope: 403, waits: 202, over: 429 }
    for (const [what, status] of Object.entries(statuses)) {
      const answer = await post(world.chat, hello(), { authorization: auth[what]! })
      const { error } = (await answer.json()) as { error: { message: string } }
      expect([name, what, answer.status]).toEqual([name, what, status])
      expect(error.message).toMatch(/^[\x20-\x7e]+$/)
      expect([...answer.headers].some(([header]) => header === 'set-cookie')).toBe(false)
    }
  }
  const { url } = world.farebox
  const signedIn = await post(`${url}/admin/session`, { name: 'root', password: ADMIN_PASSWORD })
  const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!
  const bad = keys[names.indexOf('<script>alert(1)</script>')]!
  for (const path of [
    '',
    '/tree',
    `/tree/${bad.ids['over']}`,
    '/keys',
    '/approvals',
    '/members',
    '/audit',
    '/analytics',
  ]) {
    const page = await fetch(`${url}/admin${path}`, { headers: { cookie } })
    const html = await page.text()
    expect([path, page.status, html.includes('<script>alert')]).toEqual([path, 200, false])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  }
})

test('words that every object knows are no operation, no node and no tag of their own', async () => {
  for (const word of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    expect(await codeOf(run(word, {}))).toMatch(/^404 not_here/)
    for (const [name, input] of [
      ['node.get', { id: word }],
      ['tree.list', { under: word }],
      ['call.list', { at: word }],
      ['analytics.summary', { at: word }],
      ['analytics.top', { at: word, by: 'model' }],
      ['approval.decide', { id: word, approve: true }],
      ['audit.list', { at: word }],
      ['hook.list', { at: word }],
    ] as const)
      expect([name, word, await codeOf(run(name, input))]).toEqual([
        name,
        word,
        '404 not_here {"what":"such id"}',
      ])
  }
  const { auth } = await organisation(world)
  const bought = await buy(world.chat, await world.payer(), hello(), {
    ...auth,
    'x-farebox-tags': 'constructor=prototype, tostring=valueOf',
  })
  expect(bought.status).toBe(200)
  for (const tags of [
    '__proto__=1',
    'a=1,'.repeat(6),
    `a=${'x'.repeat(65)}`,
    'a',
    '=',
    ',',
    'a=b=c\u00e9',
    'x'.repeat(9_000),
  ]) {
    const answer = await post(world.chat, hello(), { ...auth, 'x-farebox-tags': tags })
    expect([tags.slice(0, 20), answer.status]).toEqual([tags.slice(0, 20), 400])
  }
})

test('a foreign organisation is nothing to every operation that takes an id', async () => {
  const a = await organisation(world)
  const b = await organisation(world)
  const thief = actorOf(a.user, 'owner', a.org.id)
  await buy(world.chat, await world.payer(), hello(), b.auth)
  const { hook } = (await run('hook.create', { at: b.org.id, url: 'http://127.0.0.1:9/x' })) as {
    hook: { id: string }
  }
  const none = (id: string) => `${id.slice(0, -3)}zzz`
  const both = (make: (id: string) => [string, object], id: string, no = none(id)) =>
    [make(id), make(no)] as const
  const budgets = [{ per: 'day', limit: '1' }]
  const cases = [b.org.id, b.team.id, b.user.id, b.key.id].flatMap((id) => [
    both((one) => ['node.get', { id: one }], id),
    both((one) => ['tree.list', { under: one }], id),
    both((one) => ['node.rename', { id: one, name: 'x' }], id),
    both((one) => ['node.freeze', { id: one, frozen: true }], id),
    both((one) => ['node.freeze', { id: one, frozen: false }], id),
    both((one) => ['node.delete', { id: one }], id),
    both((one) => ['node.rules', { id: one, rules: {} }], id),
    both((one) => ['node.budgets', { id: one, budgets }], id),
    both((one) => ['node.move', { id: one, to: a.org.id }], id),
    both((one) => ['node.move', { id: a.team.id, to: one }], id),
    both((one) => ['node.move', { id: a.user.id, to: one }], id),
    both((one) => ['node.move', { id: a.key.id, to: one }], id),
    both((one) => ['team.create', { org: one, name: 'x' }], id),
    both((one) => ['user.create', { in: one, name: 'x' }], id),
    both((one) => ['key.create', { user: one, name: 'x' }], id),
    both((one) => ['key.rotate', { id: one }], id),
    both((one) => ['call.list', { at: one }], id),
    both((one) => ['approval.list', { at: one }], id),
    both((one) => ['analytics.summary', { at: one }], id),
    both((one) => ['analytics.series', { at: one }], id),
    both((one) => ['analytics.top', { at: one, by: 'model' }], id),
    both((one) => ['analytics.csv', { at: one }], id),
    both((one) => ['audit.list', { at: one }], id),
    both((one) => ['audit.export', { at: one }], id),
    both((one) => ['hook.list', { at: one }], id),
    both((one) => ['hook.create', { at: one, url: 'http://127.0.0.1:9' }], id),
    both((one) => ['role.grant', { user: one, role: 'owner', at: a.org.id }], id),
    both((one) => ['role.grant', { user: a.user.id, role: 'owner', at: one }], id),
    both((one) => ['role.revoke', { user: a.user.id, role: 'owner', at: one }], id),
    both((one) => ['session.list', { user: one }], id),
    both((one) => ['session.end', { user: one, all: true }], id),
    both((one) => ['token.list', { user: one }], id),
    both((one) => ['token.revoke', { user: one, id: 'tok_x' }], id),
    both((one) => ['token.create', { name: 'x', grants: [{ role: 'auditor', at: one }] }], id),
  ])
  const hooks = [
    'hook.get',
    'hook.pause',
    'hook.resume',
    'hook.delete',
    'hook.rotate',
    'hook.test',
    'delivery.list',
  ].map((name) => both((one) => [name, { hook: one }], hook.id, hook.id.replace(/^hook_.{5}/, 'hook_aaaaa')))
  for (const [[name, input], [, other]] of [...cases, ...hooks]) {
    const said = await codeOf(desk().run(thief, name, input))
    expect([name, JSON.stringify(input), said]).toEqual([
      name,
      JSON.stringify(input),
      await codeOf(desk().run(thief, name, other)),
    ])
    expect([name, JSON.stringify(input), said]).toEqual([
      name,
      JSON.stringify(input),
      '404 not_here {"what":"such id"}',
    ])
  }
})

const waitingId = async (answer: Response) => /apr_[\w-]+/.exec(await answer.text())![0]

test('an approval is good for one key, one door, one request and its price', async () => {
  const rules = { approveAbove: '0.000001' }
  const { user, key, auth } = await organisation(world, { rules })
  const twin = await made(desk(), 'key.create', { user: user.id, name: 'twin', rules })
  const id = await waitingId(await post(world.chat, hello(), auth))
  await run('approval.decide', { id, approve: true })
  const approved = { ...auth, 'x-farebox-approval': id }
  const code = async (answer: Response) => `${answer.status} ${(await told(answer)).code}`
  const stolen = { authorization: `Bearer ${twin.secret}`, 'x-farebox-approval': id }
  expect(await code(await post(world.chat, hello(), stolen))).toBe('403 approval_invalid')
  const messages = { model: 'test/small', max_tokens: 50, messages: hello().messages }
  expect((await post(`${world.farebox.url}/v1/messages`, messages, approved)).status).toBe(403)
  expect(await code(await post(world.chat, hello({ n: 2 }), approved))).toBe('403 approval_invalid')
  // Another wallet may pay: the approval is the key's. But only one of many at once.
  const offer = offersOf(await post(world.chat, hello(), approved))[0]!
  const payments: string[] = []
  for (let i = 0; i < 4; i++) payments.push(header(await signOffer(await world.payer(), offer)))
  const answers = await Promise.all(
    payments.map((payment) => post(world.chat, hello(), { ...approved, 'payment-signature': payment })),
  )
  expect(answers.map((one) => one.status).toSorted((a, b) => a - b)).toEqual([200, 403, 403, 403])
  expect(key.id).not.toBe(twin.id)
})

test('whoever freezes a key or lowers its budget while it streams stops what comes next, not what was paid for', async () => {
  const { key, team, auth } = await organisation(world, { budgets: [{ per: 'day', limit: '1' }] })
  const payer = await world.payer()
  let end = () => {}
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  world.upstream.script(async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ role: 'assistant', content: 'Hello' }))
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 1_800))])
    write(chunk({ content: ' there' }))
    write(chunk({}, 'stop'))
    write({ ...chunk({}), choices: [], usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } })
    response.end('data: [DONE]\n\n')
  })
  const stream = hello({ stream: true })
  // Quoted and signed before, shown after.
  const offer = offersOf(await post(world.chat, stream, auth))[0]!
  const [first, late] = [await signOffer(payer, offer), await signOffer(payer, offer)]
  const running = await post(world.chat, stream, { ...auth, 'payment-signature': header(first) })
  expect(running.status).toBe(200)
  const held = BigInt(offer.amount)
  expect(await usedOf(key.id)).toEqual([usd(held)])
  const { node } = (await run('node.get', { id: key.id })) as { node: Node }
  await run('node.budgets', { id: key.id, budgets: [{ ...node.budgets[0]!, limit: '0.000001' }] })
  await run('node.freeze', { id: team.id, frozen: true })
  await seen()
  const refused = await post(world.chat, stream, { ...auth, 'payment-signature': header(late) })
  expect((await told(refused)).says).toBe('403 key_unusable The team "Search" is frozen.')
  await run('node.freeze', { id: team.id, frozen: false })
  await seen()
  const full = await post(world.chat, stream, { ...auth, 'payment-signature': header(late) })
  expect((await told(full)).says).toMatch(/^429 budget_reached .* \$0 of \$0\.000001 is left/)
  end()
  expect(await running.text()).toContain('[DONE]')
  world.upstream.script(goodAnswer)
  expect(await usedOf(key.id)).toEqual(['0.000014'])
  // The signature that was refused is worth as much as before.
  await run('node.budgets', { id: key.id, budgets: [{ ...node.budgets[0]!, limit: '1' }] })
  await seen()
  expect((await post(world.chat, stream, { ...auth, 'payment-signature': header(late) })).status).toBe(200)
})

test('limits that are no money are refused, the largest that is counts exactly, and every zone that is taken works', async () => {
  const { key, auth } = await organisation(world)
  for (const limit of [
    '-1',
    '0x10',
    '1e3',
    '',
    ' 1',
    '1.0000001',
    'NaN',
    'Infinity',
    '9'.repeat(19),
    '01',
    '1,5',
  ])
    for (const budgets of [[{ per: 'day', limit }], [{ per: 'call', limit }]])
      expect([limit, await codeOf(run('node.budgets', { id: key.id, budgets }))]).toEqual([
        limit,
        expect.stringMatching(/^400 invalid_request/),
      ])
  const zones = [
    '+05:30',
    '-12:00',
    'us/pacific',
    'Etc/GMT+12',
    'Pacific/Kiritimati',
    'Asia/Kathmandu',
    'EST5EDT',
  ]
  const budgets = zones.map((zone) => ({ per: 'month', limit: `${'9'.repeat(18)}.999999`, zone }))
  await run('node.budgets', { id: key.id, budgets })
  await seen()
  expect((await buy(world.chat, await world.payer(), hello(), auth)).status).toBe(200)
  expect(await usedOf(key.id)).toEqual(zones.map(() => '0.000014'))
})

test('a list that goes on at a call of somebody else does not say which one that is', async () => {
  const all = Array.from({ length: 12_000 }, (_, i): Call => {
    const account = i === 11_000 ? ['org_mine', 'team_1', 'user_1', 'key_1'] : ['org_other']
    return { ...aCall({ id: `call_${String(99_999 - i)}_secret` }), account }
  })
  const at = new Map(all.map(({ id }, i) => [id, i]))
  const recent: Ledger['recent'] = async ({ before, limit }) => {
    const from = before === undefined ? 0 : at.get(before)! + 1
    return all.slice(from, from + limit)
  }
  const cursors = createCursors(() => ['a new secret', 'an old secret'])
  const list = (before?: string) =>
    callsOf(
      { ledger: { recent }, assets: () => [], cursors },
      { path: ['org_mine'], records: memoryRecords({ clock: systemClock }) },
      { at: 'org_mine', limit: 50, before },
    )
  const found: string[] = []
  let pages = 0
  for (let next: string | undefined; pages === 0 || next !== undefined; pages++) {
    const page = await list(next)
    found.push(...page.calls.map((one) => one.id))
    next = page.next
    expect(next ?? 'cur_').toMatch(/^cur_/)
    expect(Buffer.from(next ?? '', 'base64url').toString('latin1')).not.toContain('secret')
  }
  expect([pages, found]).toEqual([3, [all[11_000]!.id]])
  const old = createCursors(() => ['an old secret']).seal(all[10_000]!.id)
  expect((await list(old)).calls).toHaveLength(1)
  for (const wrong of [
    'cur_',
    'cur_AAAA',
    createCursors(() => ['of others']).seal('x'),
    `${old.slice(0, -2)}AA`,
  ])
    await expect(list(wrong)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('while the store is away a key is not believed, who shows none is told prices, and all is well when it is back', async () => {
  const redis = await startRedis()
  const away = await startWorld({ store: redis.url as `redis://${string}` })
  try {
    const { auth } = await organisation(away)
    const offer = offersOf(await post(away.chat, hello(), auth))[0]!
    const payment = { 'payment-signature': header(await signOffer(await away.payer(), offer)) }
    redis.pause()
    await seen()
    const stranger = { authorization: `Bearer fbx_abcdefgh_${'a'.repeat(43)}` }
    const explain = `${away.farebox.url}/v1/route/explain`
    const ask = (url: string, headers: Record<string, string>) => post(url, hello(), headers)
    const paid = await ask(away.chat, { ...auth, ...payment })
    expect((await told(paid)).says).toMatch(/^503 ledger_unavailable /)
    expect((await ask(away.chat, stranger)).status).toBe(503)
    expect((await ask(explain, auth)).status).toBe(503)
    expect((await ask(explain, {})).status).toBe(200)
    expect((await fetch(`${away.farebox.url}/v1/models`)).status).toBe(200)
    redis.resume()
    await seen()
    expect((await ask(away.chat, { ...auth, ...payment })).status).toBe(200)
    expect((await ask(away.chat, stranger)).status).toBe(401)
  } finally {
    redis.resume()
    await away.close()
    await redis.stop()
  }
})

test('nobody puts money into a channel for a call that a budget refuses', async () => {
  const other = await startWorld({ x402: true })
  try {
    const { auth } = await organisation(other, { budgets: [{ per: 'total', limit: '0.000001' }] })
    const payer = await other.payer()
    // Quoted to nobody in particular, so that the price says nothing of the budget.
    const { payment } = await sign({ way: 'deposit', account: payer, chat: other.chat, body: hello() })
    const answer = await post(other.chat, hello(), { ...auth, ...payment })
    expect((await told(answer)).code).toBe('budget_reached')
    await other.settle()
    expect(await other.balance(payer.address)).toBe(10_000_000n)
    const paid = await post(other.chat, hello(), payment)
    expect(paid.status).toBe(200)
    expect(await other.balance(payer.address)).toBe(10_000_000n - DEPOSIT)
  } finally {
    await other.close()
  }
})

test('webhooks are listed where their nodes are, also after those have moved', async () => {
  const { org, team, user } = await organisation(world)
  const other = await made(desk(), 'team.create', { org: org.id, name: 'Other' })
  await run('hook.create', { at: user.id, url: 'http://127.0.0.1:9/x' })
  const below = async (at: string) =>
    ((await run('hook.list', { at, below: true })) as { hooks: unknown[] }).hooks.length
  expect(await Promise.all([org, team, other, user].map(({ id }) => below(id)))).toEqual([1, 1, 0, 1])
  await run('node.move', { id: user.id, to: other.id })
  expect(await Promise.all([org, team, other, user].map(({ id }) => below(id)))).toEqual([1, 0, 1, 1])
})

test('an approval that has expired, was used or was for less is asked for anew, and one that was refused stays so', async () => {
  let now = Date.now()
  const clock = { now: () => now, sleep: async () => {} }
  const records = memoryRecords({ clock })
  const used = new Set<string>()
  const hour = 3_600_000
  const isUsed = async (id: string) => used.has(id)
  const approvals = createCallApprovals({ records, clock, ttl: () => hour, isUsed })
  const key: Node = {
    ...{ id: 'key_1', level: 'key', above: ['org_1', 'user_1'], name: 'night run', created: now },
    ...{ budgets: [], rules: { approveAbove: '0' } },
  }
  const caller = callerOf([key])
  const ask = (micro: bigint, approval?: string) =>
    approvals
      .need({
        ...{ caller, needed: { bound: caller.bounds[0]!, above: 0n as Usd }, model: 'test/small' },
        ...{ digest: '0x1', ceiling: micro as Usd, approval },
      })
      .catch((error: Refusal) => `${error.code} ${error.details['approval'] ?? error.details['problem']}`)
  const idOf = (said: string) => /apr_.*/.exec(said)![0]
  const decide = async (id: string, status: 'approved' | 'refused') => {
    const { value, version } = (await records.get<Approval>('approvals', id))!
    await records.write([putOf({ ...value, status }, version)])
  }
  const first = idOf(await ask(100n))
  expect(await ask(90n)).toBe(`approval_waiting ${first}`)
  await decide(first, 'approved')
  expect(await ask(100n)).toBe(first)
  expect(await ask(101n, first)).toBe('approval_invalid the call costs more now')
  const dearer = idOf(await ask(101n))
  expect(dearer).not.toBe(first)
  // What was asked for last is what is found by the request; the other is still good for who names it.
  expect(await ask(100n, first)).toBe(first)
  now += hour
  expect(await ask(100n, first)).toBe('approval_invalid it is expired')
  const late = idOf(await ask(100n))
  expect([first, dearer]).not.toContain(late)
  await decide(late, 'approved')
  used.add(late)
  expect(await ask(100n, late)).toBe('approval_invalid a call has used it')
  const next = idOf(await ask(100n))
  await decide(next, 'refused')
  expect(await ask(100n)).toMatch(/^approval_invalid it was refused/)
  // Of many who ask at once all wait for the same.
  now += hour
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => ask(100n)))).size).toBe(1)
})

test('a voucher that stands in line is asked again whether its key may still pay', async () => {
  const other = await startWorld({ x402: true })
  try {
    const { auth, key } = await organisation(other)
    const payer = await other.payer()
    const asked = { account: payer, chat: other.chat }
    const paid = await sign({ ...asked, way: 'deposit', body: hello() })
    expect((await post(other.chat, hello(), { ...auth, ...paid.payment })).status).toBe(200)
    other.upstream.script(async ({ response, write }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      write(chunk({ role: 'assistant', content: 'Hello' }))
      await new Promise((resolve) => setTimeout(resolve, 1_600))
      write({ ...chunk({}, 'stop'), usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } })
      response.end('data: [DONE]\n\n')
    })
    const body = hello({ stream: true })
    const [one, two] = [14n, 28n].map((charged) => sign({ ...asked, way: 'voucher', body, charged }))
    const running = await post(other.chat, body, { ...auth, ...(await one!).payment })
    const behind = post(other.chat, body, { ...auth, ...(await two!).payment })
    await other.farebox.desk.run(OWNER, 'node.freeze', { id: key.id, frozen: true })
    expect(await running.text()).toContain('[DONE]')
    expect((await told(await behind)).says).toMatch(/^403 key_unusable /)
  } finally {
    await other.close()
  }
})
