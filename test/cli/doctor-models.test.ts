import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { builtinModels, readBuiltin } from '../../src/catalog/builtin.ts'
import { judgeModels, lookAtModels, offersIn } from '../../src/cli/doctor-models.ts'
import { readConfig } from '../../src/config.ts'
import { model } from '../support/models.ts'

const TODAY = '2026-11-21'
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})
const serve = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}
const listing =
  (body: unknown, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

const configOf = (provider: string) =>
  readConfig(
    `
chains:
  - { id: "eip155:8453", rpc: ["https://rpc.test"], payTo: "0x${'ab'.repeat(20)}", assets: [{ symbol: USDC, address: "0x${'cd'.repeat(20)}", decimals: 6 }] }
providers: [${provider}]
models: [{ id: a/one, hosts: [{ provider: up, model: one }, { provider: up, model: two-2025-08-07 }], inputPerMillion: "1", outputPerMillion: "2" }]
`,
    { FAREBOX_QUOTE_SECRET: 'x'.repeat(32), FAREBOX_SETTLER_KEY: `0x${'11'.repeat(32)}`, UP_KEY: 'sk-up' },
    TODAY,
  )
const look = (baseUrl: string, more = 'type: openai') => {
  const config = configOf(`{ id: up, baseUrl: "${baseUrl}", keyEnv: UP_KEY, ${more} }`)
  return lookAtModels(config, config.providers[0]!, TODAY)
}
const linesOf = (findings: Awaited<ReturnType<typeof look>>) =>
  findings.map(({ state, text }) => `${state} ${text}`)

test('a provider that offers all that is sold of it is well; what else it offers is noted', async () => {
  const seen: (string | undefined)[] = []
  const url = await serve((request, response) => {
    seen.push(request.url, request.headers.authorization)
    listing({ data: [{ id: 'one' }, { id: 'two' }, { id: 'three' }] })(request, response)
  })
  expect(linesOf(await look(url))).toEqual([
    `well provider up: ${url} answers 200`,
    'well provider up: all 2 models that are sold are offered',
    'note provider up: offers 1 model that is not sold: three',
  ])
  expect(seen).toEqual(['/v1/models', 'Bearer sk-up'])
})

test('a model that is gone is wrong, and told by its name', async () => {
  const url = await serve(listing({ data: [{ id: 'two' }] }))
  expect(linesOf(await look(url))).toContain('wrong provider up: 1 model gone: one')
})

test('an end that the provider tells is noted', async () => {
  const url = await serve(
    listing({
      data: [
        { id: 'one', shutdown_date: '2027-01-14' },
        { id: 'two', shutdown_date: null },
      ],
    }),
  )
  expect(linesOf(await look(url))).toContain('note provider up: 1 model deprecated: one (2027-01-14)')
})

test('Anthropic and Gemini are asked in their own ways', async () => {
  const seen: unknown[] = []
  const url = await serve((request, response) => {
    seen.push(request.url, request.headers['x-api-key'] ?? request.headers['x-goog-api-key'])
    listing({ models: [{ name: 'models/one' }, { name: 'models/two' }] })(request, response)
  })
  await look(url, 'type: anthropic')
  expect(linesOf(await look(url, 'type: gemini'))).toContain(
    'well provider up: all 2 models that are sold are offered',
  )
  expect(seen).toEqual(['/v1/models?limit=1000', 'sk-up', '/v1/models?pageSize=1000', 'sk-up'])
})

test.each([
  [404, 'well'],
  [401, 'wrong'],
  [500, 'wrong'],
])('an answer of %i is %s', async (status, state) => {
  const url = await serve(listing({ error: 'x' }, status))
  expect(linesOf(await look(url))[0]).toBe(`${state} provider up: ${url} answers ${status}`)
})

test('a list that cannot be read says nothing of the models', async () => {
  const url = await serve(listing({ hello: 'world' }))
  expect(linesOf(await look(url))).toEqual([
    `well provider up: ${url} answers 200`,
    'note provider up: does not list its models',
  ])
})

test('a provider that is not there is wrong', async () => {
  const [first] = await look('http://127.0.0.1:1/v1')
  expect(first).toMatchObject({ state: 'wrong', text: expect.stringContaining('cannot be reached') })
})

test('a list without an end is given up', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200)
    const part = Buffer.alloc(1 << 20, 97)
    const more = () => {
      while (response.write(part)) {}
    }
    response.on('drain', more)
    more()
  })
  expect(linesOf(await look(url))[0]).toContain('cannot be reached')
})

test('prices that nobody has looked at for 120 days are told in one line for each provider', () => {
  const models = builtinModels({
    builtin: readBuiltin(),
    providers: new Map([
      ['groq', ['groq']],
      ['openai', ['openai']],
    ]),
    day: TODAY,
  })
  const stale = judgeModels('groq', models, undefined, TODAY).filter(({ text }) => text.includes('older'))
  expect(stale).toHaveLength(1)
  expect(stale[0]!.text).toMatch(
    /^provider groq: prices of \d+ models? are older than 120 days, the oldest of 20/,
  )
  expect(
    judgeModels('groq', models, undefined, '2025-01-01').filter(({ text }) => text.includes('older')),
  ).toEqual([])
  const ending = judgeModels('openai', models, undefined, TODAY).find(({ text }) =>
    text.includes('deprecated'),
  )
  expect(ending?.text).toContain('(2026-12-11)')
})

test('a provider of which nothing is sold is not judged', () => {
  expect(judgeModels('nobody', [model('a/one')], [{ id: 'x' }], TODAY)).toEqual([])
})

test.each([
  ['{"data":[{"id":"a"}]}', [{ id: 'a' }]],
  ['{"models":[{"name":"models/a"}]}', [{ id: 'models/a' }]],
  ['[{"id":"a"},{"name":"b"},null,7]', [{ id: 'a' }, { id: 'b' }]],
  ['{"data":[]}', undefined],
  ['<html>', undefined],
  ['null', undefined],
])('%s is read', (text, offers) => {
  expect(offersIn(text)).toEqual(offers)
})
