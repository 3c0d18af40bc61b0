import { afterAll, beforeAll, expect, test } from 'vitest'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { postLines, rawRequest } from '../support/raw.ts'
import { costingNothing, told } from '../support/refused.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

const BODY = JSON.stringify(hello())
const raw = (target: string, more: readonly string[] = []) =>
  rawRequest(world.farebox.url, postLines(target, BODY, more), BODY)

test.each([
  '//v1/chat/completions',
  '/v1//chat/completions',
  '/v1%2Fchat/completions',
  '/v1/chat%2fcompletions',
  '/v1%5Cchat/completions',
  '/v1/chat/completions/',
  '/v1/chat/completions%00',
  '/v1/chat/completions;x=1',
  '/V1/chat/completions',
  '/v1/Chat/Completions',
  '/v1/chat',
  '/chat/completions',
  '/v1/chat/completions/../../../v2',
  '/v1/%',
  '/v1/chat/completions%zz',
  '/',
])('%s is no way past the price: there is nothing there', async (target) => {
  const answer = await costingNothing(world, () => raw(target))
  expect(answer.status).toBe(404)
  expect(JSON.parse(answer.body)).toMatchObject({
    error: { code: 'not_found', message: 'There is nothing at this path.' },
  })
})

test.each([
  '/v1/chat/completions',
  '/v1/chat/completions?x=1',
  '/v1/./chat/completions',
  '/v1/models/../chat/completions',
  '/v1/models/%2e%2e/chat/completions',
  '/%761/chat/completions',
  'http://evil.test/v1/chat/completions',
])('%s is the paid path however it is spelled: it asks for payment', async (target) => {
  const answer = await costingNothing(world, () => raw(target))
  expect(answer.status).toBe(402)
})

test('a backslash is not a path', async () => {
  const answer = await costingNothing(world, () => raw('/v1\\chat\\completions'))
  expect(answer.status).toBe(400)
})

test.each([
  ['an absolute request line', 'http://evil.test/v1/chat/completions', []],
  ['another Host', '/v1/chat/completions', ['Host: evil.test']],
  [
    'forwarding headers',
    '/v1/chat/completions',
    ['X-Forwarded-Host: evil.test', 'X-Forwarded-Proto: gopher', 'Forwarded: host=evil.test'],
  ],
])('%s does not change whose resource is sold', async (_, target, lines) => {
  const answer = await raw(target, lines)
  const required = JSON.parse(Buffer.from(answer.headers['payment-required']!, 'base64').toString())
  expect(required.resource.url).toBe(world.chat)
  expect(answer.body).not.toContain('evil.test')
})

test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
  '%s on the paid path is told which method answers',
  async (method) => {
    const response = await costingNothing(world, () => fetch(world.chat, { method }))
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
    if (method === 'HEAD') return
    const { says, hint } = await told(response)
    expect(says).toBe(`405 method_not_allowed This path does not answer ${method}.`)
    expect(hint).toBe('GET /openapi.json lists every path and method.')
  },
)

test('free paths answer GET and HEAD, and nothing else', async () => {
  for (const path of [
    '/v1/models',
    '/healthz',
    '/readyz',
    '/openapi.json',
    '/llms.txt',
    '/.well-known/x402',
  ]) {
    const url = `${world.farebox.url}${path}`
    expect((await fetch(url)).status, path).toBe(200)
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, await head.text()], path).toEqual([200, ''])
    const other = await fetch(url, { method: 'POST' })
    expect([other.status, other.headers.get('allow')], path).toEqual([405, 'GET'])
  }
})

test('nobody can read calls or receipts without knowing their id', async () => {
  const say = async (path: string) =>
    (await costingNothing(world, async () => told(await fetch(`${world.farebox.url}${path}`)))).says
  expect(await say('/v1/calls/call_nope')).toBe('404 call_not_found There is no such call.')
  expect(await say('/v1/receipts/call_nope')).toBe('404 call_not_found There is no such call.')
  for (const id of ['__proto__', 'constructor', '%00', '%F0%9F%99%82', 'x'.repeat(5000), '..%2f..%2fetc']) {
    expect(await say(`/v1/calls/${id}`), id).toMatch(/^404 /)
  }
  expect(await say('/v1/calls/')).toBe('404 not_found There is nothing at this path.')
  expect(await say('/v1/calls')).toBe('404 not_found There is nothing at this path.')
})

test('headers of thirty-three kilobytes are refused before anything is read', async () => {
  const answer = await costingNothing(world, () =>
    raw('/v1/chat/completions', [`X-Payment: ${'A'.repeat(33_000)}`]),
  )
  expect(answer.status).toBe(431)
})

test('bytes beyond ASCII in headers break nothing', async () => {
  const answer = await costingNothing(world, () =>
    raw('/v1/chat/completions', ['X-Note: \xe9\xff', 'User-Agent: \x80']),
  )
  expect(answer.status).toBe(402)
  const payment = await costingNothing(world, () =>
    raw('/v1/chat/completions', ['PAYMENT-SIGNATURE: \xe9\xff']),
  )
  expect([payment.status, JSON.parse(payment.body).error.code]).toEqual([400, 'payment_malformed'])
  const payer = await costingNothing(world, () => raw('/v1/chat/completions', ['X-Farebox-Payer: 0x\xe9']))
  expect([payer.status, JSON.parse(payer.body).error.code]).toEqual([400, 'invalid_request'])
})

test('a payment header in pieces, with a folded line or smuggled in a second request, pays nothing', async () => {
  const signed = header(await signOffer(await world.payer(), offersOf(await post(world.chat, hello()))[0]!))
  const twice = await costingNothing(world, () =>
    raw('/v1/chat/completions', [`PAYMENT-SIGNATURE: ${signed}`, `payment-signature: ${signed}`]),
  )
  expect([twice.status, JSON.parse(twice.body).error.code]).toEqual([400, 'payment_malformed'])
  const both = await costingNothing(world, () =>
    raw('/v1/chat/completions', ['Transfer-Encoding: chunked', `PAYMENT-SIGNATURE: ${signed}`]),
  )
  expect(both.status).toBe(400)
})
