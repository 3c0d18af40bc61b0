import { beforeAll, expect, test } from 'vitest'
import { REFUSALS } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { type Resource, resources } from '../../src/http/resources.ts'
import { quietLog } from '../../src/log.ts'
import { catalogOf, model } from '../support/models.ts'
import { everyField } from '../support/requests.ts'

type Operation = {
  summary: string
  operationId: string
  parameters: { name: string; in: string; required: boolean; description?: string; schema: object }[]
  requestBody?: { required: boolean; content: Record<string, { schema: { $ref: string } }> }
  responses: Record<string, { description: string; content?: object }>
}
type Document = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Record<string, unknown>> }
}

// The tables need no router: nothing here is asked for an answer.
const table: Resource[] = resources({
  deps: undefined as never,
  catalog: catalogOf(model('a/small')),
  margin: 0n,
  bodyLimit: 1000,
  ready: async () => ({ ready: true, problems: [], warnings: [], checks: {} }),
})
const app = createApp({ resources: table, publicUrl: 'https://router.test', log: quietLog })

let document: Document
let text: string
beforeAll(async () => {
  document = (await (await app.request('/openapi.json')).json()) as Document
  text = await (await app.request('/llms.txt')).text()
})

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ path, method, one })),
  )
const resolve = (ref: string): unknown =>
  ref
    .slice(2)
    .split('/')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document)
const refs = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : refs(inner)))

test('every path that answers is in the document, the document itself included', () => {
  const documented = operations().map(({ path, method }) => `${method} ${path}`)
  const answered = app.routes
    .filter((route) => route.method !== 'ALL')
    .map((route) => `${route.method.toLowerCase()} ${route.path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`)
  expect(documented.toSorted()).toEqual([...new Set(answered)].toSorted())
  expect(documented).toContain('get /openapi.json')
})

test('every operation says what it is, with a name of its own, its path parameters, and what it may refuse', () => {
  const names = operations().map(({ one }) => one.operationId)
  expect(new Set(names).size).toBe(names.length)
  for (const { path, one } of operations()) {
    expect(one.summary.length, path).toBeGreaterThan(10)
    expect(one.operationId, path).toMatch(/^[a-z][A-Za-z0-9]+$/)
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    expect(
      one.parameters.filter((each) => each.in === 'path').map((each) => each.name),
      path,
    ).toEqual(wanted)
    for (const [status, response] of Object.entries(one.responses)) {
      expect(status, path).toMatch(/^[2-5]\d\d$/)
      expect(response.description.length, `${path} ${status}`).toBeGreaterThan(1)
    }
  }
})

test('every reference leads somewhere', () => {
  const all = refs(document)
  expect(all.length).toBeGreaterThan(2)
  expect(all.filter((ref) => !ref.startsWith('#/') || resolve(ref) === undefined)).toEqual([])
  expect(JSON.stringify(document)).not.toContain('$defs')
})

test('the request schema knows every field that is accepted, and no other', () => {
  const schema = document.components.schemas['ChatCompletionRequest'] as {
    properties: object
    required: string[]
    additionalProperties: boolean
  }
  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining([...Object.keys(everyField), 'models', 'provider', 'max_price_usd']),
  )
  expect(schema.required).toEqual(['model', 'messages'])
  expect(schema.additionalProperties).toBe(false)
})

test('every door is in the document with a form of its own, and the price of each can be asked for', () => {
  const doors = operations().filter(
    ({ path, one }) =>
      path.startsWith('/v1/') &&
      one.requestBody &&
      one.parameters.some(({ name }) => name === 'PAYMENT-SIGNATURE'),
  )
  const forms = doors.map(({ path, one }) => [
    path,
    one.requestBody!.content['application/json']!.schema.$ref,
  ])
  expect(Object.fromEntries(forms)).toEqual({
    '/v1/chat/completions': '#/components/schemas/ChatCompletionRequest',
    '/v1/messages': '#/components/schemas/MessagesRequest',
    '/v1/responses': '#/components/schemas/ResponsesRequest',
    '/v1/embeddings': '#/components/schemas/EmbeddingsRequest',
  })
  const asked = document.paths['/v1/quote']!['post']!.parameters.find(({ name }) => name === 'for')
  expect(asked).toMatchObject({ in: 'query', schema: { enum: doors.map(({ path }) => path) } })
  for (const { path } of doors) expect(text).toContain(`POST ${path} (paid)`)
})

test('every refusal is in the document: its code in the schema, its words at its status on the paid path', () => {
  const error = document.components.schemas['Error'] as {
    properties: { error: { properties: { code: { enum: string[] } } } }
  }
  expect(error.properties.error.properties.code.enum).toEqual(Object.keys(REFUSALS))
  const paid = document.paths['/v1/chat/completions']!['post']!
  for (const [code, row] of Object.entries(REFUSALS)) {
    if (code === 'method_not_allowed') continue
    // Who signs in is refused with statuses of its own.
    const { responses } = row.status === 401 ? document.paths['/v1/account']!['get']! : paid
    expect(responses[String(row.status)]?.description, code).toContain(`${code}: ${row.title}`)
  }
  expect(paid.parameters.map((one) => one.name)).toEqual([
    'PAYMENT-SIGNATURE',
    'X-PAYMENT',
    'Idempotency-Key',
    'X-Farebox-Network',
    'X-Farebox-Sign',
    'X-Farebox-Payer',
  ])
})

test('llms.txt says how to pay, lists every path and every refusal with what to do next', () => {
  expect(text).toContain('POST https://router.test/v1/chat/completions')
  for (const { path, method } of operations())
    expect(text).toContain(`- ${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`)
  for (const [code, row] of Object.entries(REFUSALS)) {
    expect(text).toContain(`### ${code}\n\n${row.status}. ${row.title} ${row.hint}`)
  }
})

test('the tables come with their types, and only as they are', async () => {
  expect((await app.request('/openapi.json')).headers.get('content-type')).toBe(
    'application/json; charset=utf-8',
  )
  expect((await app.request('/llms.txt')).headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(document.openapi).toMatch(/^3\.1\./)
})
