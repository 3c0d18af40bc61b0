import { HTTPException } from 'hono/http-exception'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fail } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { readBody } from '../../src/http/body.ts'
import { json, type Resource } from '../../src/http/resources.ts'
import type { Log } from '../../src/log.ts'

const logged: string[] = []
const log: Log = {
  info: () => {},
  warn: () => {},
  error: (event, fields) => void logged.push(`${event} ${fields?.['why']}`),
}
const resource = (path: string, answer: Resource['answer'], more: Partial<Resource> = {}): Resource => ({
  method: 'get',
  path,
  summary: 'A path for tests.',
  paid: false,
  answer,
  ...more,
})
const schema = z.strictObject({ a: z.union([z.string(), z.array(z.strictObject({ b: z.literal(1) }))]) })
const table = (ending: boolean) =>
  createApp({
    publicUrl: 'https://router.test',
    log,
    ending: () => ending,
    resources: [
      resource('/bug', () => Promise.reject(new TypeError('secret of the house'))),
      resource('/later', () => Promise.reject(fail('upstream_busy', { retryAfter: 7, id: 'call_x' }))),
      resource('/soon', () => Promise.reject(fail('chain_unavailable'))),
      resource('/teapot', () => Promise.reject(new HTTPException(418, { message: 'short and stout' }))),
      resource('/free', async () => json({ ok: true })),
      resource('/paid', async () => json({ ok: true }), { paid: true, method: 'post' }),
      resource('/body', async (c) => json(await readBody(c, schema, 100)), { method: 'post' }),
    ],
  })
const app = table(false)
const said = async (response: Response) =>
  ((await response.json()) as { error: { code?: string; param?: string; message: string } }).error

test('a mistake of ours is a 500 without its words; they go to the log', async () => {
  const response = await app.request('/bug')
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('secret')
  expect(logged).toEqual(['bug TypeError: secret of the house'])
})

test('a refusal says when to come back, and for which call it was', async () => {
  const later = await app.request('/later')
  expect([later.status, later.headers.get('retry-after'), later.headers.get('x-farebox-call')]).toEqual([
    503,
    '7',
    'call_x',
  ])
  const soon = await app.request('/soon')
  expect([soon.status, soon.headers.get('retry-after'), soon.headers.get('x-should-retry')]).toEqual([
    503,
    '1',
    'false',
  ])
})

test('what the framework refuses keeps its status', async () => {
  expect((await app.request('/teapot')).status).toBe(418)
})

test('an instance that is told to end begins nothing that is paid for, and says that trying again is safe', async () => {
  const ending = table(true)
  const refused = await ending.request('/paid', { method: 'POST' })
  expect([refused.status, refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual(
    [503, 'true', '1'],
  )
  expect(await refused.json()).toMatchObject({
    error: {
      code: 'shutting_down',
      message: 'This instance is shutting down.',
      hint: 'Try again: nothing was charged.',
    },
  })
  expect((await ending.request('/free')).status).toBe(200)
  expect((await app.request('/paid', { method: 'POST' })).status).toBe(200)
})

const send = (
  body: RequestInit['body'],
  headers: Record<string, string> = { 'content-type': 'application/json' },
) => app.request('/body', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)

test.each([
  ['application/json', 200],
  ['application/json; charset=utf-8', 200],
  ['APPLICATION/JSON', 200],
  ['application/ld+json', 200],
  ['text/json', 415],
  ['application/jsonp', 415],
  ['application/x-json', 415],
  ['multipart/form-data', 415],
  ['json', 415],
])('a body of type %s is answered with %i', async (type, status) => {
  expect((await send('{"a":"x"}', { 'content-type': type })).status).toBe(status)
})

test.each([
  ['identity', 200],
  ['gzip', 415],
  ['br', 415],
  ['deflate', 415],
  ['gzip, identity', 415],
])('a body encoded as %s is answered with %i', async (encoding, status) => {
  expect(
    (await send('{"a":"x"}', { 'content-type': 'application/json', 'content-encoding': encoding })).status,
  ).toBe(status)
})

test('the limit is in bytes, and holds whatever the announced length', async () => {
  const of = (size: number) => `{"a":"${'é'.repeat(10)}${'x'.repeat(size - 28)}"}`
  expect(Buffer.byteLength(of(100))).toBe(100)
  expect((await send(of(100))).status).toBe(200)
  expect((await said(await send(of(101)))).code).toBe('body_too_large')
  expect((await send(of(100), { 'content-type': 'application/json', 'content-length': '5000' })).status).toBe(
    413,
  )
})

test.each([
  ['{"a":[{"b":2}]}', 'invalid_request', 'a.0.b'],
  ['{"a":[{"b":1,"c":2}]}', 'unknown_field', 'a.0.c'],
  ['{"a":5}', 'invalid_request', 'a'],
  ['{"a":"x","d":1}', 'unknown_field', 'd'],
  ['{}', 'invalid_request', 'a'],
])('%s names the parameter at fault', async (body, code, param) => {
  expect(await said(await send(body))).toMatchObject({ code, param })
})
