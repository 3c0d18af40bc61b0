import { type Context, Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Addresses } from '../admit/address.ts'
import type { Admission, Kind } from '../admit/admit.ts'
import { JSON_TYPE, NO_STORE, type Reply } from '../call/reply.ts'
import { type Code, type Details, errorBody, fail, REFUSALS, Refusal } from '../errors.ts'
import { type Log, reasonOf } from '../log.ts'
import { HEADER } from '../wire/payment.ts'
import { llmsText, openApi } from './docs.ts'
import { inTheirForm } from './messages.ts'
import type { RequestMeter } from './metrics.ts'
import { json, type Resource } from './resources.ts'
import { type Env, headerOf, send as sendTo } from './send.ts'

export type AppFacts = {
  resources: readonly Resource[]
  publicUrl: string
  log: Log
  /** True once the process is told to end: what runs is finished, nothing that is paid for is begun. */
  ending?: () => boolean
  /** Counts requests by where they come from. */
  door?: Door
  /** Counts what is answered. */
  meter?: RequestMeter
  /** How long a reader may take nothing, ms, and who is told when one is cut off for it. */
  readerMs?: number
  stalled?: () => void
}

export type Door = { admission: Admission; addresses: Addresses }

/** The HTTP application. Anything not in the table is a 404, anything with another method a 405: there is no second router to slip past. */
export const createApp = ({
  resources,
  publicUrl,
  log,
  ending,
  door,
  meter,
  readerMs,
  stalled,
}: AppFacts): Hono<Env> => {
  const send = (c: Context<Env>, reply: Reply) => sendTo(c, inTheirForm(c.req.path, reply), readerMs, stalled)
  const app = new Hono<Env>({ strict: true })
  const all = [...resources, ...describing(resources, publicUrl)]
  for (const resource of all) {
    const { method, path, paid, answer } = resource
    const begin = meter?.(path, paid)
    app[method](path, async (c) => {
      const metered = begin?.()
      const told = (reply: Reply) => metered?.answered(reply) ?? reply
      try {
        const counted = door && enter(c, door, kindOf(c, resource))
        if (counted) await counted
        if (paid && ending?.()) throw fail('shutting_down')
        return await send(c, told(await answer(c)))
      } catch (error) {
        return await send(c, told(refused(error, log)))
      } finally {
        metered?.ended()
      }
    })
  }
  const begin = meter?.('other', false)
  const stray = (reply: Reply): Reply => {
    const metered = begin?.()
    metered?.ended()
    return metered?.answered(reply) ?? reply
  }
  for (const [path, ways] of Map.groupBy(all, (one) => one.path)) {
    const allow = ways.map(({ method }) => method.toUpperCase()).join(', ')
    app.all(path, (c) => send(c, stray(refusal('method_not_allowed', { method: c.req.method }, { allow }))))
  }
  app.notFound(async (c) => {
    await (door && enter(c, door, 'unpaid'))
    return send(c, stray(refusal('not_found')))
  })
  app.onError((error, c) => send(c, refused(error, log)))
  return app
}

const kindOf = (c: Context<Env>, { counts, signed, paid }: Resource): Kind | 'free' => {
  if (counts) return counts
  if (signed) return 'signIn'
  const pays = paid && (headerOf(c, HEADER.signature) ?? headerOf(c, HEADER.v1Payment)) !== undefined
  return pays ? 'paid' : 'unpaid'
}

const enter = (
  c: Context<Env>,
  { admission, addresses }: Door,
  kind: Kind | 'free',
): void | Promise<void> => {
  if (kind === 'free') return
  const remote = c.env?.incoming?.socket.remoteAddress
  const address = addresses.subjectOf({ remote, forwarded: headerOf(c, 'x-forwarded-for') })
  if (address !== undefined) return admission.admit(kind, { address })
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
  const told = [...resources.filter(({ hidden }) => !hidden), ...own]
  const document = JSON.stringify(openApi(told, publicUrl))
  const text = llmsText(told, publicUrl)
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
  const { policy, limit } = details
  return {
    status,
    code,
    headers: {
      'content-type': JSON_TYPE,
      'cache-control': NO_STORE,
      'x-should-retry': String(retry),
      ...(after !== undefined && { 'retry-after': String(after) }),
      ...(code === 'rate_limited' && { 'ratelimit-policy': String(policy), ratelimit: String(limit) }),
      ...(typeof id === 'string' && { [HEADER.call]: id }),
      ...headers,
    },
    body: JSON.stringify(errorBody(code, details)),
  }
}
