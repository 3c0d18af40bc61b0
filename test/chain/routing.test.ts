import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { payingFetch } from '../../src/client/index.ts'
import { type Hosts, startHosts } from '../support/hosts.ts'
import { buy, post } from '../support/pay.ts'
import { receiptOf, streamed } from '../support/receipt.ts'
import { goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let hosts: Hosts
beforeAll(async () => {
  world = await startWorld({ extra: 'cache: { megabytes: 4 }' })
  hosts = await startHosts(world)
})
afterAll(async () => {
  await hosts.close()
  await world.close()
})
beforeEach(() => {
  hosts.wake()
  hosts.first.script(goodAnswer)
  hosts.second.script(goodAnswer)
})

type Told = { model: string; provider: string }
type Explained = {
  strategy: string
  why: string
  routes: Told[]
  candidates: (Told & { failing: number; ms_is: string })[]
  excluded: (Told & { why: string })[]
}

const explained = async (body: unknown, headers: Record<string, string> = {}): Promise<Explained> => {
  const response = await post(`${hosts.farebox.url}/v1/route/explain`, body, headers)
  expect(response.status).toBe(200)
  return (await response.json()) as Explained
}

test('the reasons of a route can be asked for nothing, and nobody is asked for an answer', async () => {
  const before = hosts.upstream.seen.length
  const told = await explained(hello({ model: 'test/two', models: ['test/other'], seed: 1 }))
  expect(told).toMatchObject({
    strategy: 'balanced',
    why: 'balanced of 3 hosts',
    routes: [
      { model: 'test/two', provider: 'first', host_model: 'first-model' },
      { model: 'test/two', provider: 'second', host_model: 'second-model' },
      { model: 'test/other', provider: 'second', host_model: 'second-model' },
    ],
    excluded: [],
  })
  expect(told.candidates[0]).toMatchObject({ model: 'test/two', ms_is: 'supposed' })
  expect(hosts.upstream.seen.length).toBe(before)
  const without = await explained(hello({ model: 'test/two', provider: { ignore: ['first'] } }))
  expect(without).toMatchObject({
    why: 'balanced of 1 host 1 out',
    excluded: [{ model: 'test/two', provider: 'first', why: 'your provider preferences leave it out' }],
    excluded_by: { provider: 1 },
  })
})

test('a request that nobody can answer is told why, by the same words as a call', async () => {
  const body = hello({ model: 'test/two', max_tokens: 5_000 })
  const told = await post(`${hosts.farebox.url}/v1/route/explain`, body)
  const asked = await post(hosts.chat, body)
  expect([told.status, asked.status]).toEqual([400, 400])
  expect(await told.json()).toEqual(await asked.json())
})

test('the strategy may be said in a header, which is part of what is quoted and paid', async () => {
  const headers = { 'x-farebox-strategy': 'availability' }
  expect(await explained(hello({ model: 'test/two' }), headers)).toMatchObject({ strategy: 'availability' })
  const response = await hosts.buy(hello({ model: 'test/two' }), headers)
  expect(response.status).toBe(200)
  expect(response.headers.get('x-farebox-route')).toMatch(/^availability of 2 hosts/)
  expect((await post(hosts.chat, hello(), { 'x-farebox-strategy': 'luck' })).status).toBe(400)
})

test('why a call was routed as it was stands in its answer and in the ledger', async () => {
  const response = await hosts.buy(hello({ model: 'auto:cost' }))
  expect(response.status).toBe(200)
  const why = response.headers.get('x-farebox-route')
  expect(why).toMatch(/^cost p=0\.\d\d of 4 hosts/)
  const call = await hosts.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!)
  expect(call?.why).toBe(why)
  expect(call?.asked).toBe('auto:cost')
})

test('a host that fails is passed over by the next calls, and the explanation says so', async () => {
  hosts.first.script(({ response }) => void response.writeHead(500).end())
  for (let i = 0; i < 3; i++) expect((await hosts.buy(hello({ model: 'test/two' }))).status).toBe(200)
  const told = await explained(hello({ model: 'test/two' }))
  expect(told.routes[0]).toMatchObject({ provider: 'second' })
  const first = told.candidates.find((one) => one.provider === 'first')
  expect(first?.failing).toBeGreaterThan(0.1)
})

test('the very same request of the same payer is answered from memory at no charge, when both sides want that', async () => {
  const payer = await world.payer()
  const on = { 'x-farebox-cache': 'on' }
  const ask = (body: unknown, headers: Record<string, string> = on) => buy(hosts.chat, payer, body, headers)
  const body = hello({ model: 'test/one', temperature: 0 })
  const first = await ask(body)
  expect(first.headers.get('x-farebox-cache')).toBe('miss')
  const asked = hosts.upstream.seen.length
  const again = await ask(body)
  expect(again.headers.get('x-farebox-cache')).toBe('hit')
  expect(await again.text()).toBe(await first.text())
  expect(receiptOf(again)).toMatchObject({ charged: '0', inputTokens: 0, outputTokens: 0 })
  expect(hosts.upstream.seen.length).toBe(asked)
  // Neither who did not ask for it, nor another payer, nor another request.
  expect((await ask(body, {})).headers.get('x-farebox-cache')).toBeNull()
  expect((await hosts.buy(body, on)).headers.get('x-farebox-cache')).toBe('miss')
  expect((await ask({ ...body, temperature: 1 })).headers.get('x-farebox-cache')).toBe('miss')
  expect(hosts.upstream.seen.length).toBe(asked + 3)
})

test('a stream is kept as it was, once it came to its end', async () => {
  const payer = await world.payer()
  const on = { 'x-farebox-cache': 'on' }
  const body = hello({ model: 'test/one', stream: true })
  const ask = () => buy(hosts.chat, payer, body, on)
  hosts.first.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write({ choices: [{ index: 0, delta: { content: 'half' } }] })
    response.end()
  })
  const broken = await streamed(await ask())
  expect(broken.data.join()).toContain('stream_broken')
  hosts.wake()
  hosts.first.script(goodAnswer)
  const whole = await ask()
  expect(whole.headers.get('x-farebox-cache')).toBe('miss')
  const said = await streamed(whole)
  const again = await ask()
  expect(again.headers.get('x-farebox-cache')).toBe('hit')
  const repeated = await streamed(again)
  expect(repeated.data).toEqual(said.data)
  expect(repeated.receipt).toMatchObject({ charged: '0' })
})

test('a provider that gives fewer vectors than texts is passed over and not billed', async () => {
  const vectors =
    (count: number): Script =>
    ({ response }) => {
      const data = Array.from({ length: count }, (_, index) => ({
        object: 'embedding',
        index,
        embedding: [1, 0],
      }))
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ object: 'list', data, usage: { prompt_tokens: 4, total_tokens: 4 } }))
    }
  hosts.first.script(vectors(1))
  hosts.second.script(vectors(2))
  const url = `${hosts.farebox.url}/v1/embeddings`
  const body = { model: 'test/vectors', input: ['one', 'two'] }
  const answer = await buy(url, await world.payer(), body)
  expect(answer.headers.get('x-farebox-provider')).toBe('second')
  expect(receiptOf(answer)).toMatchObject({ inputTokens: 4, outputTokens: 0, charged: '12' })
  hosts.second.script(vectors(3))
  const none = await buy(url, await world.payer(), body)
  expect(none.status).toBe(502)
})

test('a model is told of by any of its names, and one that is not there is not', async () => {
  const told = await fetch(`${hosts.farebox.url}/v1/models/test/two`)
  expect(await told.json()).toMatchObject({ id: 'test/two', object: 'model' })
  expect((await fetch(`${hosts.farebox.url}/v1/models/test%2Ftwo`)).status).toBe(200)
  expect((await fetch(`${hosts.farebox.url}/v1/models/two`)).status).toBe(200)
  expect((await fetch(`${hosts.farebox.url}/v1/models/three`)).status).toBe(404)
})

test('our own client checks the receipt of a call whose strategy is in a header', async () => {
  const { farebox, chat } = hosts
  const pay = payingFetch({
    wallet: await world.payer(),
    policy: {
      maxPerCall: '1',
      assets: [{ chain: `eip155:${world.net.chainId}`, address: world.token, decimals: 6 }],
      receipt: 'require',
    },
  })
  const response = await pay(chat, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-farebox-strategy': 'cost' },
    body: JSON.stringify(hello({ model: 'test/two' })),
  })
  expect(response.status).toBe(200)
  expect(pay.lastReceipt).toMatchObject({ ok: true, problems: [] })
  const call = await farebox.deps.ledger.call(response.headers.get('x-farebox-call')!)
  expect(call?.why).toMatch(/^cost/)
})
