import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Grant } from '../../src/accounts/roles.ts'
import { newToken } from '../../src/accounts/tokens.ts'
import { auditOperations } from '../../src/desk/audit.ts'
import { changing, type Operations, reading } from '../../src/desk/desk.ts'
import { roleOperations } from '../../src/desk/roles.ts'
import { sessionOperations } from '../../src/desk/sessions.ts'
import { type DeskWorld, deskWorld } from '../support/desk.ts'

const operations: Operations = {
  ...sessionOperations(),
  ...roleOperations(),
  ...auditOperations(),
  'echo.get': reading({
    summary: 'What was asked.',
    needs: 'tree.read',
    input: z.strictObject({
      at: z.string(),
      many: z.array(z.string()).optional(),
      count: z.int().optional(),
      yes: z.boolean().optional(),
      deep: z.object({ a: z.int() }).optional(),
      text: z.string().optional(),
    }),
    at: ({ at }) => at,
    run: async (_, input) => input,
  }),
  'echo.set': changing({
    summary: 'Changes nothing.',
    needs: 'tree.write',
    input: z.strictObject({ at: z.string() }),
    at: ({ at }) => at,
    run: async (_, input) => ({ result: input, writes: [] }),
  }),
}

const worldOf = async (grants: Grant[] = [{ role: 'admin', at: 'org_a' }]) => {
  const world = await deskWorld({ operations })
  await world.add('user_ann', ['org_a'], { login: { name: 'ann' }, grants })
  const made = newToken({
    user: 'user_ann',
    name: 'ci',
    created: 0,
    expires: world.clock.now() + 1e9,
    grants,
  })
  await world.records.write([made.put])
  const bearer = { authorization: `Bearer ${made.token}` }
  return { ...world, bearer }
}
type World = Awaited<ReturnType<typeof worldOf>>

const ask = async ({ app, bearer }: World, path: string, init: RequestInit = {}) => {
  const reply = await app.request(path, { ...init, headers: { ...bearer, ...(init.headers as object) } })
  const text = await reply.text()
  const body = text.startsWith('{') ? (JSON.parse(text) as Record<string, never>) : text
  return {
    status: reply.status,
    headers: reply.headers,
    text,
    body: body as Record<string, never> & { error: { code: string } },
  }
}
const post = (world: World, path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(world, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

test('a token does operations without a csrf token, as far as its roles go', async () => {
  const world = await worldOf()
  const done = await post(
    world,
    '/admin/api/echo.set',
    { at: 'org_a' },
    { origin: 'https://anywhere.example' },
  )
  expect([done.status, done.body]).toEqual([200, { at: 'org_a' }])
  expect(done.headers.get('cache-control')).toContain('no-store')
  const foreign = await post(world, '/admin/api/echo.set', { at: 'org_b' })
  const none = await post(world, '/admin/api/echo.set', { at: 'org_x' })
  expect([foreign.status, foreign.text]).toEqual([404, none.text])
  await world.change('user_ann', { grants: [{ role: 'developer', at: 'org_a' }] })
  expect((await post(world, '/admin/api/echo.set', { at: 'org_a' })).body.error.code).toBe('forbidden')
  expect((await post(world, '/admin/api/echo.get', { at: 'org_a' })).status).toBe(200)
})

test.each([
  ['no token', {}],
  ['an unknown one', { authorization: `Bearer fbt_${'A'.repeat(43)}` }],
  ['a bearer key for calls', { authorization: 'Bearer fbx_abcdefgh_x' }],
  ['a cookie of nobody', { cookie: `fb_desk=${'A'.repeat(43)}` }],
  ['a broken cookie', { cookie: 'fb_desk=%00' }],
])('with %s nothing is told, not even which operations there are', async (_, headers) => {
  const world = await worldOf()
  for (const [method, path] of [
    ['GET', '/admin/api'],
    ['GET', '/admin/api/echo.get?at=org_a'],
    ['GET', '/admin/api/nothing.get'],
    ['POST', '/admin/api/echo.set'],
    ['POST', '/admin/api/nothing.set'],
    ['GET', '/admin/session'],
    ['POST', '/admin/session/end'],
  ] as const) {
    const reply = await world.app.request(path, {
      method,
      headers: { ...(headers as Record<string, string>), 'content-type': 'application/json' },
      ...(method === 'POST' && { body: '{}' }),
    })
    expect([path, reply.status]).toEqual([path, 401])
    expect(await reply.json()).toMatchObject({ error: { code: 'session_required' } })
  }
})

test('a token that is shown is not helped by the cookie beside it, and a proxy’s own password is left alone', async () => {
  const world = await worldOf()
  const person = (await world.people.byId('user_ann'))!
  const { secret, writes } = world.sessions.open(person, {
    via: 'wallet',
    from: undefined,
    before: undefined,
  })
  await world.records.write(writes)
  const cookie = `fb_desk=${secret}`
  const status = async (authorization: string) =>
    (await world.app.request('/admin/session', { headers: { cookie, authorization } })).status
  expect(await status(`Bearer fbt_${'A'.repeat(43)}`)).toBe(401)
  expect(await status('Basic dXNlcjpwYXNz')).toBe(200)
})

test('the list says of each operation what it needs and what it takes', async () => {
  const world = await worldOf()
  const { body } = await ask(world, '/admin/api')
  const listed = body['operations'] as unknown as {
    name: string
    kind: string
    needs: string
    input: object
    summary: string
  }[]
  expect(listed.map(({ name }) => name)).toEqual(Object.keys(operations))
  expect(listed.find(({ name }) => name === 'echo.set')).toEqual({
    name: 'echo.set',
    kind: 'write',
    summary: 'Changes nothing.',
    needs: 'tree.write',
    input: {
      type: 'object',
      properties: { at: { type: 'string' } },
      required: ['at'],
      additionalProperties: false,
    },
  })
})

test('reads take their input from the query, each field as its schema says', async () => {
  const world = await worldOf()
  const read = async (query: string) => (await ask(world, `/admin/api/echo.get?${query}`)).body
  expect(await read('at=org_a&many=1&many=2&count=3&yes=true&deep=%7B%22a%22%3A1%7D&text=5')).toEqual({
    at: 'org_a',
    many: ['1', '2'],
    count: 3,
    yes: true,
    deep: { a: 1 },
    text: '5',
  })
  expect(await read(`input=${encodeURIComponent('{"at":"org_a","count":7}')}`)).toEqual({
    at: 'org_a',
    count: 7,
  })
  expect(await read('at=org_a&count=many')).toMatchObject({
    error: { code: 'invalid_request', param: 'count' },
  })
  expect(await read('at=org_a&__proto__=1')).toMatchObject({ error: { code: 'invalid_request' } })
  expect(await read('input=x')).toMatchObject({ error: { code: 'invalid_json' } })
})

test('what is unknown, malformed or too large is refused in the one envelope', async () => {
  const world = await worldOf()
  const told = async (made: Promise<{ status: number; body: { error: { code: string } } }>) => {
    const { status, body } = await made
    return [status, body.error.code]
  }
  expect(await told(post(world, '/admin/api/nothing.set', {}))).toEqual([404, 'not_here'])
  expect(await told(post(world, '/admin/api/constructor', {}))).toEqual([404, 'not_here'])
  expect(await told(ask(world, '/admin/api/__proto__'))).toEqual([404, 'not_here'])
  expect(await told(ask(world, '/admin/api/echo.set?at=org_a'))).toEqual([405, 'method_not_allowed'])
  expect(await told(post(world, '/admin/api/echo.set', '{'))).toEqual([400, 'invalid_json'])
  expect(await told(post(world, '/admin/api/echo.set', '[]'))).toEqual([400, 'invalid_request'])
  expect(await told(post(world, '/admin/api/echo.set', { at: 'org_a', more: 1 }))).toEqual([
    400,
    'invalid_request',
  ])
  expect(await told(post(world, '/admin/api/echo.set', { at: 'x'.repeat(200_000) }))).toEqual([
    413,
    'body_too_large',
  ])
  expect(
    await told(
      post(world, '/admin/api/echo.set', 'at=org_a', { 'content-type': 'application/x-www-form-urlencoded' }),
    ),
  ).toEqual([415, 'media_type_unsupported'])
  expect(await told(ask(world, '/admin/api/echo.set', { method: 'DELETE' }))).toEqual([
    405,
    'method_not_allowed',
  ])
  for (const { headers } of [await post(world, '/admin/api/nothing.set', {}), await ask(world, '/admin/api')])
    expect(headers.get('cache-control')).toContain('no-store')
})

test('an approval is passed on by its header', async () => {
  const world = await worldOf()
  const seen: (string | undefined)[] = []
  const desk: DeskWorld['desk'] = {
    ...world.desk,
    run: async (_actor, _name, _input, approval) => {
      seen.push(approval)
      return {}
    },
  }
  const { createApp } = await import('../../src/http/app.ts')
  const { adminResources } = await import('../../src/http/admin/api.ts')
  const { quietLog } = await import('../../src/log.ts')
  const resources = adminResources({ ...world, desk, bodyLimit: 1_000 })
  const app = createApp({ resources, publicUrl: 'https://x.example', log: quietLog })
  await post({ ...world, app }, '/admin/api/echo.set', { at: 'org_a' }, { 'x-farebox-approval': 'apr_1' })
  await post({ ...world, app }, '/admin/api/echo.set', { at: 'org_a' })
  expect(seen).toEqual(['apr_1', undefined])
})

test('the audit log is downloaded as a file, and says from where to go on', async () => {
  const world = await worldOf([{ role: 'owner', at: 'org_a' }])
  for (let i = 0; i < 3; i++) await post(world, '/admin/api/echo.set', { at: 'org_a' })
  const { text, headers } = await ask(world, '/admin/api/audit.export?at=org_a&limit=2')
  expect(text.split('\r\n')).toHaveLength(4)
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(headers.get('content-disposition')).toBe('attachment; filename="audit.csv"')
  expect(headers.get('x-farebox-next')).toBe('2')
  const rest = await ask(world, '/admin/api/audit.export?at=org_a&format=jsonl&after=2')
  expect(rest.text.trimEnd().split('\n')).toHaveLength(1)
  expect(rest.headers.get('x-farebox-next')).toBe(null)
})

test('the desk is one path in the document for agents', async () => {
  const world = await worldOf()
  const reply = await world.app.request('/openapi.json')
  const { paths } = (await reply.json()) as { paths: Record<string, object> }
  expect(Object.keys(paths).filter((path) => path.startsWith('/admin'))).toEqual(['/admin/api'])
})
