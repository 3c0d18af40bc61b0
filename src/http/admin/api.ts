/** The operations of the desk over HTTP: one path for all of them, the list of them, and the session. */
import type { Context } from 'hono'
import { z } from 'zod'
import type { Reply } from '../../call/reply.ts'
import type { Desk, Operation } from '../../desk/desk.ts'
import { fail } from '../../errors.ts'
import { parseJson } from '../../wire/json.ts'
import type { Resource } from '../resources.ts'
import { type Env, headerOf, json } from '../send.ts'
import type { Guard } from './guard.ts'
import { readInput, type SessionFacts, sessionResources } from './session.ts'

/** The id of an approval that was given for exactly this. */
export const APPROVAL_HEADER = 'x-farebox-approval'

export type AdminFacts = SessionFacts & { desk: Desk; guard: Guard }

const API = '/admin/api'

/** Everything of the desk that is no page. */
export const adminResources = (facts: AdminFacts): Resource[] => {
  const { desk, guard, bodyLimit } = facts
  const list = once(() => ({ operations: Object.entries(desk.operations).map(describe) }))
  return [
    ...sessionResources(facts),
    {
      method: 'get',
      path: API,
      summary:
        'All operations of the desk for operators and organisations, and what each takes: POST /admin/api/{operation} does one, by a token of the desk.',
      paid: false,
      session: true,
      answer: async (c) => {
        await guard.enter(c)
        return json(list())
      },
    },
    {
      method: 'get',
      path: `${API}/:operation`,
      summary: 'Reads by an operation of the desk; its input is the query, or JSON in `input`.',
      paid: false,
      hidden: true,
      query: [{ name: 'input', description: 'The whole input as JSON, instead of one parameter a field.' }],
      answer: async (c) => {
        const { actor } = await guard.enter(c)
        const name = c.req.param('operation') ?? ''
        const one = operationOf(desk, name)
        if (one.kind !== 'read') throw fail('method_not_allowed', { method: 'GET' })
        return answerOf(await desk.run(actor, name, queryOf(c, one)))
      },
    },
    {
      method: 'post',
      path: `${API}/:operation`,
      summary: 'Does an operation of the desk; its input is the body.',
      paid: false,
      hidden: true,
      body: operationInput,
      answer: async (c) => {
        const visitor = await guard.enter(c)
        guard.change(c, visitor)
        const name = c.req.param('operation') ?? ''
        operationOf(desk, name)
        const input = await readInput(c, operationInput, bodyLimit)
        return answerOf(await desk.run(visitor.actor, name, input, headerOf(c, APPROVAL_HEADER)))
      },
    },
  ]
}

const operationInput = z
  .record(z.string(), z.unknown())
  .meta({ id: 'DeskInput', description: 'What the operation takes: GET /admin/api lists it.' })

const operationOf = (desk: Desk, name: string): Operation => {
  const one = Object.hasOwn(desk.operations, name) ? desk.operations[name] : undefined
  if (!one) throw fail('not_here', { what: 'such operation' })
  return one
}

const describe = ([name, { kind, summary, needs, input }]: [string, Operation]) => {
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' })
  return { name, kind, summary, needs: needs ?? null, input: schema }
}

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** What an operation answered; a file is sent as it is. */
const answerOf = (result: unknown): Reply => {
  if (!isFile(result)) return json(result ?? {})
  const { file, type, text, next } = result
  return {
    status: 200,
    headers: {
      'content-type': type,
      'cache-control': 'no-store, private',
      'content-disposition': `attachment; filename="${file.replace(/[^\w.-]/g, '_')}"`,
      'x-content-type-options': 'nosniff',
      ...(next !== undefined && next !== null && { 'x-farebox-next': String(next) }),
    },
    body: text,
  }
}

type File = { file: string; type: string; text: string; next?: number | string | null }

const isFile = (result: unknown): result is File =>
  typeof result === 'object' &&
  result !== null &&
  ['file', 'type', 'text'].every((name) => typeof (result as Record<string, unknown>)[name] === 'string')

/** The query as input. A query holds only text, so numbers, lists and what nests are read as the schema says. */
const queryOf = (c: Context<Env>, { input }: Operation): unknown => {
  const query = new URL(c.req.url).searchParams
  const whole = query.get('input')
  if (whole !== null) return parseJson(whole)
  const { properties = {} } = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' })
  const fields = [...new Set(query.keys())].map((name) => {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
    const type = typeof schema === 'object' ? schema.type : undefined
    return [name, fieldOf(type, query.getAll(name))]
  })
  return Object.fromEntries(fields)
}

const fieldOf = (type: unknown, texts: readonly string[]): unknown => {
  const text = texts.at(-1) ?? ''
  if (type === 'array') return texts
  if (type === 'object') return parseJson(text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return (type === 'number' || type === 'integer') && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
