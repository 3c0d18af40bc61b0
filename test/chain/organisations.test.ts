import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Refusal } from '../../src/errors.ts'
import type { Call } from '../../src/ledger/call.ts'
import { made, OTHER, OWNER, organisation, seen } from '../support/organisation.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { told } from '../support/refused.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ extra: 'desk: { webhooks: { allowPrivate: true } }' })
})
afterAll(() => world.close())

const callOf = async (answer: Response): Promise<Call> =>
  (await world.farebox.deps.ledger.call(answer.headers.get('x-farebox-call')!))!
const desk = () => world.farebox.desk
const run = (name: string, input: object, approval?: string) => desk().run(OWNER, name, input, approval)
const CEILING = async () => BigInt(offersOf(await post(world.chat, hello()))[0]!.amount)
const usd = (units: bigint) => `0.${units.toString().padStart(6, '0')}`

test('a call with a bearer key is paid by any wallet and counts for the key and all above it', async () => {
  const { org, team, user, key, auth } = await organisation(world)
  const answer = await buy(world.chat, await world.payer(), hello(), {
    ...auth,
    'x-farebox-tags': 'project=apollo, run=17',
  })
  expect(answer.status).toBe(200)
  const call = await callOf(answer)
  expect(call.account).toEqual([org.id, team.id, user.id, key.id])
  expect(call.tags).toEqual({ project: 'apollo', run: '17' })
})

test('the key of Anthropic clients is read too, and keys of others are nobody’s business', async () => {
  const { key } = await organisation(world)
  const payer = await world.payer()
  const answer = await buy(world.chat, payer, hello(), { 'x-api-key': key.secret })
  expect((await callOf(answer)).account).toContain(key.id)
  const both = { authorization: 'Bearer sk-not-used', 'x-api-key': key.secret }
  expect((await callOf(await buy(world.chat, payer, hello(), both))).account).toContain(key.id)
  const other = await buy(world.chat, payer, hello(), { authorization: 'Bearer sk-not-used' })
  expect(other.status).toBe(200)
  expect((await callOf(other)).account).toBeUndefined()
})

test('a key that is not known is refused before anything is priced', async () => {
  const { key } = await organisation(world)
  const wrong = `${key.secret.slice(0, -1)}${key.secret.endsWith('A') ? 'B' : 'A'}`
  for (const secret of [
    wrong,
    'fbx_',
    'fbx_abcdefgh_short',
    `${key.secret}x`,
    key.secret.replace('fbx_', 'fbx_x'),
  ]) {
    const answer = await post(world.chat, hello(), { authorization: `Bearer ${secret}` })
    expect((await told(answer)).says).toBe('401 key_invalid This key is not known here.')
  }
})

test('a wallet that is a key’s pays as that key, and not with the key of another', async () => {
  const payer = await world.payer()
  const { key } = await organisation(world, { bearer: false, wallet: payer.address })
  const { auth } = await organisation(world)
  await seen()
  const answer = await buy(world.chat, payer, hello())
  expect((await callOf(answer)).account).toContain(key.id)
  const mixed = await buy(world.chat, payer, hello(), auth)
  expect((await told(mixed)).says).toMatch(/^403 key_mismatch /)
  const taken = run('key.create', { user: key.above.at(-1), name: 'again', wallet: payer.address })
  await expect(taken).rejects.toMatchObject({ code: 'taken_here' })
})

test('what a key may not do is refused before anybody signs', async () => {
  const cases: [rules: object, says: RegExp, body?: object][] = [
    [{ models: ['test/large', 'other/*'] }, /^403 key_scope \[model\] This key may not use test\/small\./],
    [
      { maxPerCall: '0.000001' },
      /^403 key_scope This call may cost \$0\.\d+, and the key "night run" allows \$0\.000001 a call\./,
    ],
    [
      { strategies: ['cost'] },
      /^403 key_scope This key may not use the strategy latency, only cost\./,
      { strategy: 'latency' },
    ],
    [
      { addresses: ['203.0.113.0/24'] },
      /^403 key_scope The key "night run" may not be used from this address\./,
    ],
    [{ expires: 1 }, /^403 key_unusable The key "night run" is expired\./],
  ]
  for (const [rules, says, more] of cases) {
    const { auth } = await organisation(world, { rules })
    expect((await told(await post(world.chat, hello(more as Record<string, unknown>), auth))).says).toMatch(
      says,
    )
  }
})

test('what only the payment shows is refused before anything is held for it', async () => {
  const cases: [rules: object, says: RegExp][] = [
    [{ chains: ['eip155:1'] }, /^403 key_scope The key "night run" does not pay on eip155:84532\./],
    [{ assets: ['USDT'] }, /^403 key_scope The key "night run" does not pay in USDC\./],
  ]
  for (const [rules, says] of cases) {
    const { auth } = await organisation(world, { rules })
    const before = world.upstream.seen.length
    const answer = await buy(world.chat, await world.payer(), hello(), auth)
    expect((await told(answer)).says).toMatch(says)
    expect(world.upstream.seen).toHaveLength(before)
  }
})

test('a quote that was given to nobody is not paid with a key that may not use its models', async () => {
  const payer = await world.payer()
  await organisation(world, { bearer: false, wallet: payer.address, rules: { models: ['test/large'] } })
  await seen()
  // The 402 is for whoever asks; that the wallet is a key's is known when it pays.
  const answer = await buy(world.chat, payer, hello())
  expect((await told(answer)).says).toBe('403 key_scope This key may not use test/small.')
})

test('a wallet that asked for the price unknown is given one that its key may pay, and pays that', async () => {
  for (const rules of [{ models: ['test/large'] }, { strategies: ['cost'], strategy: 'cost' }]) {
    const payer = await world.payer()
    const { key } = await organisation(world, { bearer: false, wallet: payer.address, rules })
    await seen()
    const body = hello({ model: 'auto' })
    const again = await buy(world.chat, payer, body)
    expect([again.status, again.headers.get('x-should-retry')]).toEqual([402, 'false'])
    const payment = await signOffer(payer, offersOf(again)[0]!)
    const answer = await post(world.chat, body, { 'payment-signature': header(payment) })
    expect(answer.status).toBe(200)
    expect((await callOf(answer)).account).toContain(key.id)
  }
  // What no price of its own would change stays refused.
  const payer = await world.payer()
  await organisation(world, { bearer: false, wallet: payer.address, rules: { assets: ['USDT'] } })
  await seen()
  expect((await told(await buy(world.chat, payer, hello({ model: 'auto' })))).code).toBe('key_scope')
})

test('auto chooses among the models of the key, by its own strategy', async () => {
  const { auth } = await organisation(world, { rules: { models: ['test/l*'], strategy: 'cost' } })
  const asked = await post(world.chat, hello({ model: 'auto' }), auth)
  const { quote } = (await asked.json()) as { quote: { routes: { model: string }[]; why: string } }
  expect(quote.routes.map((one) => one.model)).toEqual(['test/large'])
  expect(quote.why).toMatch(/^cost /)
})

test('freezing a team stops its keys at once, and unfreezing lets them go on', async () => {
  const { team, auth } = await organisation(world)
  const payer = await world.payer()
  expect((await buy(world.chat, payer, hello(), auth)).status).toBe(200)
  await run('node.freeze', { id: team.id, frozen: true })
  await seen()
  const answer = await post(world.chat, hello(), auth)
  expect((await told(answer)).says).toBe('403 key_unusable The team "Search" is frozen.')
  await run('node.freeze', { id: team.id, frozen: false })
  await seen()
  expect((await buy(world.chat, payer, hello(), auth)).status).toBe(200)
})

test('the first budget that is reached is named, with what is left, when it resets and what still fits', async () => {
  const { org, team, user, key, auth } = await organisation(world)
  const ceiling = await CEILING()
  // Room for two and a half calls in the team, for one and a half in the key.
  await run('node.budgets', { id: org.id, budgets: [{ per: 'month', limit: '100' }] })
  await run('node.budgets', { id: team.id, budgets: [{ per: 'day', limit: usd((ceiling * 5n) / 2n) }] })
  await run('node.budgets', { id: user.id, budgets: [{ per: 'hour', limit: '1', kind: 'soft' }] })
  await run('node.budgets', { id: key.id, budgets: [{ per: 'total', limit: usd((ceiling * 3n) / 2n) }] })
  await seen()
  const payer = await world.payer()
  // Three calls at once: what each may cost is held while it runs.
  world.upstream.script(async (ask) => {
    await new Promise((resolve) => setTimeout(resolve, 400))
    await goodAnswer(ask)
  })
  const answers = await Promise.all([1, 2, 3].map(() => buy(world.chat, payer, hello(), auth)))
  world.upstream.script(goodAnswer)
  const refused = answers.filter((one) => one.status !== 200)
  expect(refused).toHaveLength(2)
  const { says, hint } = await told(refused[0]!)
  expect(says).toMatch(
    /^429 budget_reached \[max_tokens\] The budget of key "night run" per total is reached: \$0\.\d+ of \$0\.\d+ is left, this call may cost \$0\.\d+\.$/,
  )
  expect(hint).toMatch(
    /^Nothing was charged\. \d+ output tokens would still fit \(max_tokens\)\. It resets never\.$/,
  )
})

test('a budget that refuses is told, also where only the price was asked, and once a window', async () => {
  const { org, key, auth } = await organisation(world, { budgets: [{ per: 'month', limit: '0.000001' }] })
  const heard: { about: object }[] = []
  const receiver = createServer(async (request, response) => {
    heard.push((await json(request)) as { about: object })
    response.end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  await run('hook.create', { at: org.id, url, events: ['budget.refused'] })
  for (let i = 0; i < 2; i++) expect((await post(world.chat, hello(), auth)).status).toBe(429)
  await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(1)
  expect(heard[0]!.about).toMatchObject({ node: key.name, level: 'key', per: 'month', limit: '0.000001' })
  receiver.close()
})

test('what was not used goes back to the budget, and what still fits really fits', async () => {
  const ceiling = await CEILING()
  const { key, auth } = await organisation(world, {
    budgets: [{ per: 'day', limit: usd(ceiling), zone: 'Asia/Kathmandu' }],
  })
  const payer = await world.payer()
  expect((await buy(world.chat, payer, hello(), auth)).status).toBe(200)
  const { node } = (await run('node.get', { id: key.id })) as {
    node: { spent: { used: string; resets: number }[] }
  }
  expect(node.spent[0]!.used).toBe('0.000014')
  expect(new Date(node.spent[0]!.resets).toISOString()).toMatch(/T18:15:00\.000Z$/)
  const refused = await post(world.chat, hello(), auth)
  const { hint } = await told(refused)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  const fits = Number(/(\d+) output tokens/.exec(hint)![1])
  expect((await buy(world.chat, payer, hello({ max_tokens: fits + 1 }), auth)).status).toBe(429)
  expect((await buy(world.chat, payer, hello({ max_tokens: fits }), auth)).status).toBe(200)
})

test('a call above the threshold waits for somebody else, and runs once when it is approved', async () => {
  const { key, auth } = await organisation(world, { rules: { approveAbove: '0.000001' } })
  const waiting = await post(world.chat, hello(), auth)
  const { says, hint } = await told(waiting)
  expect(says).toMatch(
    /^202 approval_waiting This waits for an approval: the call may cost \$0\.\d+, above \$0\.000001 of the key "night run"\.$/,
  )
  const id = /approvals\/(apr_[\w-]+)/.exec(hint)![1]!
  // Asking again is the same question.
  expect((await told(await post(world.chat, hello(), auth))).hint).toContain(id)
  const state = async () =>
    ((await (await fetch(`${world.farebox.url}/v1/approvals/${id}`)).json()) as { status: string }).status
  expect(await state()).toBe('waiting')
  await run('approval.decide', { id, approve: true, note: 'fine' })
  expect(await state()).toBe('approved')
  const payer = await world.payer()
  const other = await post(world.chat, hello({ max_tokens: 51 }), { ...auth, 'x-farebox-approval': id })
  expect((await told(other)).says).toMatch(/^403 approval_invalid .* for another request\)?\.$/)
  const answers = await Promise.all(
    [1, 2, 3].map(() => buy(world.chat, payer, hello(), { ...auth, 'x-farebox-approval': id })),
  )
  expect(answers.filter((one) => one.status === 200)).toHaveLength(1)
  expect(answers.filter((one) => one.status === 403)).toHaveLength(2)
  expect((await callOf(answers.find((one) => one.status === 200)!)).approval).toBe(id)
  expect((await post(world.chat, hello(), auth)).status).toBe(202)
  expect(key.id).toMatch(/^key_/)
})

test('a refused call stays refused, and says why', async () => {
  const { auth } = await organisation(world, { rules: { approveAbove: '0.000001' } })
  const { hint } = await told(await post(world.chat, hello(), auth))
  const id = /approvals\/(apr_[\w-]+)/.exec(hint)![1]!
  await run('approval.decide', { id, approve: false, note: 'too dear' })
  expect((await told(await post(world.chat, hello(), auth))).says).toBe(
    '403 approval_invalid The approval cannot be used: it was refused: too dear.',
  )
})

test('a larger budget waits for a second person, who is not the first', async () => {
  const { org, team } = await organisation(world)
  const budgets = (limit: string, id?: string) => ({
    id: team.id,
    budgets: [{ ...(id && { id }), per: 'day', limit }],
  })
  await run('node.rules', { id: org.id, rules: { fourEyes: true } })
  const { node } = (await run('node.budgets', budgets('5'))) as { node: { budgets: { id: string }[] } }
  const own = node.budgets[0]!.id
  await run('node.budgets', budgets('4', own))
  const asked = await run('node.budgets', budgets('50', own)).catch((error: Refusal) => error)
  expect(asked).toMatchObject({ code: 'approval_waiting', status: 202 })
  const approval = String((asked as Refusal).details['approval'])
  await expect(run('approval.decide', { id: approval, approve: true })).rejects.toMatchObject({
    code: 'taken_here',
  })
  await expect(run('node.budgets', budgets('50', own), approval)).rejects.toMatchObject({
    code: 'approval_waiting',
  })
  await desk().run(OTHER, 'approval.decide', { id: approval, approve: true })
  await expect(run('node.budgets', budgets('51', own), approval)).rejects.toMatchObject({
    code: 'approval_invalid',
  })
  await run('node.budgets', budgets('50', own), approval)
  await run('node.budgets', budgets('4', own))
  await expect(run('node.budgets', budgets('50', own), approval)).rejects.toMatchObject({
    code: 'approval_invalid',
  })
})

test('a node that is moved, renamed and deleted keeps what it did', async () => {
  const { org, team, user, key, auth } = await organisation(world)
  const answer = await buy(world.chat, await world.payer(), hello(), auth)
  const other = await made(desk(), 'team.create', { org: org.id, name: 'Other' })
  await run('node.move', { id: user.id, to: other.id })
  await run('node.rename', { id: user.id, name: 'Walker' })
  await seen()
  const later = await buy(world.chat, await world.payer(), hello(), auth)
  expect((await callOf(answer)).account).toEqual([org.id, team.id, user.id, key.id])
  expect((await callOf(later)).account).toEqual([org.id, other.id, user.id, key.id])
  await run('node.delete', { id: key.id })
  await seen()
  expect((await post(world.chat, hello(), auth)).status).toBe(401)
  const { calls, names } = (await run('call.list', { at: team.id })) as {
    calls: { id: string }[]
    names: Record<string, string>
  }
  expect(names).toEqual({ [org.id]: 'Acme', [key.id]: 'night run' })
  expect(calls.map((one) => one.id)).toEqual([answer.headers.get('x-farebox-call')])
  const { nodes } = (await run('tree.list', { under: user.id, deleted: true })) as {
    nodes: { id: string; deleted?: number }[]
  }
  expect(nodes.find((one) => one.id === key.id)!.deleted).toBeGreaterThan(0)
  await expect(run('node.rename', { id: key.id, name: 'x' })).rejects.toMatchObject({ code: 'taken_here' })
})

test('a rotated key ends the old one', async () => {
  const { key, auth } = await organisation(world)
  const { secret } = (await run('key.rotate', { id: key.id })) as { secret: string }
  await seen()
  expect((await post(world.chat, hello(), auth)).status).toBe(401)
  expect((await post(world.chat, hello(), { authorization: `Bearer ${secret}` })).status).toBe(402)
})

test('a move out of a place that asks for two persons waits for the second', async () => {
  const { org, team, user } = await organisation(world)
  const other = await made(desk(), 'team.create', { org: org.id, name: 'Other' })
  await run('node.rules', { id: team.id, rules: { fourEyes: true } })
  const move = run('node.move', { id: user.id, to: other.id })
  await expect(move).rejects.toMatchObject({ code: 'approval_waiting' })
})

test('a payment that has served its call is told so, also when its key may do nothing any more', async () => {
  const { key, auth } = await organisation(world)
  const payer = await world.payer()
  const offer = offersOf(await post(world.chat, hello(), auth))[0]!
  const paid = { ...auth, 'payment-signature': header(await signOffer(payer, offer)) }
  const served = await post(world.chat, hello(), paid)
  expect(served.status).toBe(200)
  await run('node.rules', { id: key.id, rules: { models: ['test/large'], approveAbove: '0.000001' } })
  await seen()
  const again = await post(world.chat, hello(), paid)
  expect((await told(again)).code).toBe('payment_already_used')
  const { approvals } = (await run('approval.list', { at: key.above[0] })) as { approvals: unknown[] }
  expect(approvals).toEqual([])
})
