import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { JSON_TYPE, NO_STORE, type Reply } from '../call/reply.ts'
import { type Code, type Details, errorBody, fail, REFUSALS, Refusal } from '../errors.ts'
import { type Log, reasonOf } from '../log.ts'
import { HEADER } from '../wire/payment.ts'
import { llmsText, openApi } from './docs.ts'
import { json, type Resource } from './resources.ts'
import { type Env, send } from './send.ts'

export type AppFacts = {
  resources: readonly Resource[]
  publicUrl: string
  log: Log
  /** True once the process is told to end: what runs is finished, nothing that is paid for is begun. */
  ending?: () => boolean
}

/** The HTTP application. Anything not in the table is a 404, anything with another method a 405: there is no second router to slip past. */
export const createApp = ({ resources, publicUrl, log, ending }: AppFacts): Hono<Env> => {
  const app = new Hono<Env>({ strict: true })
  const all = [...resources, ...describing(resources, publicUrl)]
  for (const { method, path, paid, answer } of all) {
    app[method](path, async (c) => {
      try {
        if (paid && ending?.()) throw fail('shutting_down')
        return await send(c, await answer(c))
      } catch (error) {
        return send(c, refused(error, log))
      }
    })
  }
  for (const [path, ways] of Map.groupBy(all, (one) => one.path)) {
    const allow = ways.map(({ method }) => method.toUpperCase()).join(', ')
    app.all(path, (c) => send(c, refusal('method_not_allowed', { method: c.req.method }, { allow })))
  }
  app.notFound((c) => send(c, refusal('not_found')))
  app.onError((error, c) => send(c, refused(error, log)))
  return app
}

const describing = (resources: readonly Resource[], publicUrl: string): Resource[] => {
  const fixed = (path: string, summary: string, type: string, body: () => string): Resource => ({
    method: 'get',
    path,
    summary,
    paid: false,
    answer: async () => ({ status: 200, headers: { 'content-type': type }, body: body() }),
  })
  const own: Resource[] = [
    fixed('/openapi.json', 'This API as OpenAPI 3.1.', JSON_TYPE, () => document),
    fixed('/llms.txt', 'This API for agents.', 'text/plain; charset=utf-8', () => text),
  ]
  // They describe themselves too.
  const document = JSON.stringify(openApi([...resources, ...own], publicUrl))
  const text = llmsText([...resources, ...own], publicUrl)
  return own
}

const refused = (error: unknown, log: Log): Reply => {
  if (error instanceof Refusal) return refusal(error.code, error.details)
  if (error instanceof HTTPException)
    return { ...json({ error: { message: error.message } }), status: error.status }
  log.error('bug', {
    why: reasonOf(error),
    stack: error instanceof Error ? error.stack?.slice(0, 1500) : undefined,
  })
  return refusal('internal')
}

const refusal = (code: Code, details: Details = {}, headers: Record<string, string> = {}): Reply => {
  const { status, retry } = REFUSALS[code]
  const after = details['retryAfter'] ?? (status === 503 ? 1 : undefined)
  const id = details['id']
  return {
    status,
    headers: {
      'content-type': JSON_TYPE,
      'cache-control': NO_STORE,
      'x-should-retry': String(retry),
      ...(after !== undefined && { 'retry-after': String(after) }),
      ...(typeof id === 'string' && { [HEADER.call]: id }),
      ...headers,
    },
    body: JSON.stringify(errorBody(code, details)),
  }
}
