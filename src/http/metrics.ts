import type { Reply } from '../call/reply.ts'
import { type Code, fail } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { createDoor } from './keys.ts'
import type { Resource } from './resources.ts'

/** One request on its way. */
export type Metered = {
  /** Its answer begins; only the first one counts. */
  answered: (reply: Reply) => Reply
  /** Its answer is complete, or its caller is gone. */
  ended: () => void
}

/** Counts the requests of one path of the table, or of none ("other"). */
export type RequestMeter = (path: string, paid: boolean) => () => Metered

/** Counts requests by path, status class and refusal: all of them names of ours. */
export const createRequestMeter = (metrics: Metrics): RequestMeter => {
  let open = 0
  metrics.onScrape(() => metrics.set('farebox_http_open_requests', [], open))
  return (path, paid) => () => {
    const from = performance.now()
    let answered = false
    let ended = false
    open++
    return {
      answered: (reply) => {
        if (answered) return reply
        answered = true
        const { status, code = '' } = reply
        metrics.count('farebox_http_requests_total', [path, classOf(status), code])
        if (BOUNDS.has(code)) metrics.count('farebox_budget_refusals_total', [code])
        const seconds = (performance.now() - from) / 1_000
        metrics.observe('farebox_http_first_byte_seconds', [kindOf(status, paid)], seconds)
        return reply
      },
      ended: () => {
        if (!ended) open--
        ended = true
      },
    }
  }
}

/** What the organisation of a caller does not allow it. */
const BOUNDS: ReadonlySet<string> = new Set<Code>([
  'budget_reached',
  'approval_waiting',
  'approval_invalid',
  'key_scope',
  'key_unusable',
])

const classOf = (status: number): string => `${Math.trunc(status / 100)}xx`

const kindOf = (status: number, paid: boolean): string => {
  if (status >= 400) return status === 402 ? 'demand' : 'refusal'
  return paid ? 'call' : 'free'
}

/** What Prometheus reads. With `keys`, for who holds one of them; without, for callers on this machine: it tells what is earned. */
export const metricsResource = (facts: { metrics: Metrics; keys: readonly string[] }): Resource => {
  const mayEnter = createDoor(facts.keys)
  return {
    method: 'get',
    path: '/metrics',
    summary: 'For operators: what this instance does and earns, as Prometheus reads it.',
    paid: false,
    answer: async (c) => {
      if (!mayEnter(c)) throw fail('metrics_forbidden')
      const { text, type } = await facts.metrics.scrape()
      return { status: 200, headers: { 'content-type': type, 'cache-control': 'no-store' }, body: text }
    },
  }
}
