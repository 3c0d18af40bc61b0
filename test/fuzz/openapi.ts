import type { Answer } from './answer.ts'
import { headerOf } from './answer.ts'
import { openLane } from './lane.ts'
import { mutated, TEXTS, writeJson } from './nasty.ts'
import { type Random, randomOf } from './random.ts'
import { misfit, type Resolve, type Schema, sampleOf, schemaProblems } from './schema.ts'
import { type Request, whole } from './wire.ts'

type Media = Record<string, { schema?: Schema }>
type Parameter = { name: string; in: string; required?: boolean; schema?: Schema }
type Operation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Media }
  responses: Record<string, { description: string; content?: Media }>
}
export type Document = {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Schema> }
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

export const resolverOf =
  (document: Document): Resolve =>
  (ref) =>
    ref.startsWith('#/')
      ? (ref
          .slice(2)
          .split('/')
          .map((key) => decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~'))
          .reduce<unknown>((at, key) => (at as Schema | undefined)?.[key], document) as Schema | undefined)
      : undefined

export const operationsOf = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

/** What is wrong with a document as OpenAPI 3.1. Pure. */
export const documentProblems = (document: Document): string[] => {
  const problems: string[] = []
  const resolve = resolverOf(document)
  const say = (text: string) => void problems.push(text)
  if (!/^3\.1\.\d+$/.test(document.openapi)) say(`openapi is ${document.openapi}`)
  if (!document.info?.title || !document.info?.version) say('info has no title or no version')
  for (const [name, schema] of Object.entries(document.components?.schemas ?? {}))
    problems.push(...schemaProblems(schema, resolve, `components.${name}`))
  const ids = new Set<string>()
  for (const { path, method, operation } of operationsOf(document)) {
    const at = `${method} ${path}`
    if (!path.startsWith('/')) say(`${at} does not begin with /`)
    if (!METHODS.includes(method)) say(`${at} is no method`)
    if (ids.has(operation.operationId)) say(`${at} has the name of another`)
    ids.add(operation.operationId)
    problems.push(...parameterProblems(path, operation, resolve, at))
    if (operation.requestBody)
      problems.push(...mediaProblems(operation.requestBody.content, resolve, `${at} body`))
    const statuses = Object.entries(operation.responses ?? {})
    if (statuses.length === 0) say(`${at} has no responses`)
    for (const [status, { description, content }] of statuses) {
      if (!/^([1-5](\d\d|XX)|default)$/.test(status)) say(`${at} answers ${status}`)
      if (typeof description !== 'string' || description === '') say(`${at} ${status} has no description`)
      if (content) problems.push(...mediaProblems(content, resolve, `${at} ${status}`))
    }
  }
  return problems
}

const parameterProblems = (
  path: string,
  { parameters = [] }: Operation,
  resolve: Resolve,
  at: string,
): string[] => {
  const problems: string[] = []
  const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
  const own = parameters.filter((one) => one.in === 'path')
  if (named.join() !== own.map(({ name }) => name).join()) problems.push(`${at} does not describe its path`)
  for (const one of parameters) {
    if (!['path', 'query', 'header', 'cookie'].includes(one.in))
      problems.push(`${at} ${one.name} is in ${one.in}`)
    if (one.in === 'path' && one.required !== true) problems.push(`${at} ${one.name} is not required`)
    problems.push(...schemaProblems(one.schema, resolve, `${at} ${one.name}`))
  }
  return problems
}

const mediaProblems = (content: Media, resolve: Resolve, at: string): string[] =>
  Object.entries(content).flatMap(([type, { schema }]) =>
    schema === undefined
      ? [`${at} has no schema for ${type}`]
      : schemaProblems(schema, resolve, `${at} ${type}`),
  )

export type Examples = Record<string, readonly Pick<Request, 'headers' | 'body'>[]>
export type Exercised = { sent: number; statuses: Record<string, number> }
export type Explored = { operations: Record<string, Exercised>; problems: string[] }

type Facts = {
  url: string
  document: Document
  seed: number
  each: number
  headers?: Record<string, readonly string[]>
  /** Requests that get further than nonsense does, by operation. */
  examples?: Examples
}

/** Sends every operation of a document requests that fit it and requests that do not, and holds the answers against it. */
export const explore = async (facts: Facts): Promise<Explored> => {
  const { url, document, seed, each } = facts
  const lane = openLane(url)
  const explored: Explored = { operations: {}, problems: [] }
  const resolve = resolverOf(document)
  const ask = async (request: Request): Promise<Answer | string> => {
    const { answers, problem } = await lane.exchange(whole('operation', request))
    return problem ?? answers[0]!
  }
  for (const [i, { path, method, operation }] of operationsOf(document).entries()) {
    const row: Exercised = { sent: 0, statuses: {} }
    explored.operations[`${method} ${path}`] = row
    for (let n = 0; n < each; n++) {
      const random = randomOf(seed + i, n)
      const made = requestFor(random, { path, method, operation }, resolve, facts)
      const answer = await ask(made.request)
      row.sent++
      if (typeof answer !== 'string') row.statuses[answer.status] = (row.statuses[answer.status] ?? 0) + 1
      for (const problem of answerProblems(answer, operation, made.fits, resolve))
        explored.problems.push(
          `${method} ${path} #${n}: ${problem}; sent ${JSON.stringify(made.request).slice(0, 600)}`,
        )
    }
  }
  for (const [path, methods] of Object.entries(document.paths))
    explored.problems.push(...(await otherMethods(ask, path, Object.keys(methods))))
  lane.close()
  return explored
}

type Made = { request: Request; fits: boolean }

const requestFor = (
  random: Random,
  { path, method, operation }: ReturnType<typeof operationsOf>[number],
  resolve: Resolve,
  { headers: words = {}, examples = {} }: Pick<Facts, 'headers' | 'examples'>,
): Made => {
  const target = path.replace(/\{(\w+)\}/g, () =>
    encodeURIComponent(
      random.chance(0.5) ? `call_${random.int(99)}` : random.pick(TEXTS).replace(/[^\x20-\x7e]/g, '') || 'x',
    ).replace(/^\.+$/, 'x'),
  )
  const headers: [string, string][] = []
  for (const { name, in: where } of operation.parameters ?? [])
    if (where === 'header' && random.chance(0.25))
      headers.push([name, random.pick(words[name] ?? ['x', '', `0x${'1'.repeat(40)}`, 'e30='])])
  const schema = operation.requestBody?.content['application/json']?.schema
  const good = examples[`${method} ${path}`]
  if (good && random.chance(0.3)) {
    const request = { method: method.toUpperCase(), target, ...random.pick(good) }
    return { request, fits: true }
  }
  if (method !== 'post') return { request: { method: method.toUpperCase(), target, headers }, fits: true }
  const made = schema ? bodyFor(random, schema, resolve) : { body: '{"a":1}', fits: true }
  const odd = random.int(25)
  if (odd === 0) headers.push(['Content-Type', 'text/plain'])
  if (odd === 1) headers.push(['Content-Encoding', 'br'])
  const body = odd === 2 ? ' '.repeat(300_000) : odd === 3 ? '' : made.body
  return { request: { method: 'POST', target, headers, body }, fits: odd > 3 && made.fits }
}

/** JSON that fits a schema, or that was one change away from it; `fits` is what the schema says of the text. */
const bodyFor = (random: Random, schema: Schema, resolve: Resolve): { body: string; fits: boolean } => {
  const sample = sampleOf(random, schema, resolve)
  // Mostly a model that there is: beyond it the request is read further.
  if (random.chance(0.7) && typeof sample === 'object' && sample !== null && 'model' in sample)
    sample.model = 'test/small'
  const body = writeJson(random.chance(0.5) ? sample : mutated(random, sample))
  try {
    return { body, fits: misfit(JSON.parse(body), schema, resolve) === undefined }
  } catch {
    return { body, fits: false }
  }
}

const answerProblems = (
  answer: Answer | string,
  { responses }: Operation,
  fits: boolean,
  resolve: Resolve,
): string[] => {
  if (typeof answer === 'string') return [answer]
  const { status, body } = answer
  const documented = responses[String(status)]
  if (!documented) return [`${status} is not documented: ${body.toString('utf8').slice(0, 200)}`]
  if (status === 500) return ['a bug']
  if (!fits && status < 400) return [`${status} for a request that does not fit its schema`]
  if (!fits && status === 402) return ['a price for a request that does not fit its schema']
  const media = documented.content
  if (!media) return []
  const type = headerOf(answer, 'content-type')?.split(';')[0] ?? 'none'
  const schema = media[type]?.schema
  if (!schema) return [`${status} as ${type}, documented is ${Object.keys(media).join(', ')}`]
  if (!type.includes('json')) return []
  try {
    const problem = misfit(JSON.parse(body.toString('utf8')), schema, resolve, 'the body')
    return problem ? [`${status}: ${problem}`] : []
  } catch {
    return [`${status}: the body is no JSON`]
  }
}

/** Methods that a path does not have: 405 and which it has. HEAD is GET without a body. */
const otherMethods = async (
  ask: (request: Request) => Promise<Answer | string>,
  path: string,
  methods: readonly string[],
): Promise<string[]> => {
  const target = path.replace(/\{\w+\}/g, 'x')
  const problems: string[] = []
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'PROPFIND']) {
    const has = methods.includes(method.toLowerCase()) || (method === 'HEAD' && methods.includes('get'))
    if (has && method !== 'HEAD') continue
    const answer = await ask({ method, target, headers: [] })
    const at = `${method} ${path}`
    if (typeof answer === 'string') problems.push(`${at}: ${answer}`)
    else if (method === 'HEAD' && has) problems.push(...(await likeGet(ask, target, answer, at)))
    else if (answer.status !== 405) problems.push(`${at}: ${answer.status} instead of 405`)
    else {
      const allowed = (headerOf(answer, 'allow') ?? '').split(', ').toSorted().join()
      const wanted = methods
        .map((one) => one.toUpperCase())
        .toSorted()
        .join()
      if (allowed !== wanted) problems.push(`${at}: Allow is ${allowed}, not ${wanted}`)
    }
  }
  return problems
}

const likeGet = async (
  ask: (request: Request) => Promise<Answer | string>,
  target: string,
  head: Answer,
  at: string,
): Promise<string[]> => {
  const get = await ask({ method: 'GET', target, headers: [] })
  if (typeof get === 'string') return [`${at}: ${get}`]
  const same = get.status === head.status && headerOf(get, 'content-type') === headerOf(head, 'content-type')
  return same
    ? []
    : [
        `${at}: ${head.status} ${headerOf(head, 'content-type')}, GET ${get.status} ${headerOf(get, 'content-type')}`,
      ]
}
