import { sizeOf } from '../quote/quote.ts'
import type { Lacking, Why } from '../route/fit.ts'
import type { Scored } from '../route/plan.ts'
import type { Allowed } from '../route/router.ts'
import type { Order } from '../wire/order.ts'
import type { Deps } from './deps.ts'

/** Rows that are told at most; the rest are counted. */
const MOST = 40

/** Why an order would be routed as it would be, now: nothing is asked of anybody, nothing is stored. Dollars are before margin. */
export const explain = ({ router }: Pick<Deps, 'router'>, order: Order, allowed?: Allowed) => {
  const size = sizeOf(order)
  const { strategy, why, routes, rows, able, out } = router.route(order, size, allowed)
  return {
    strategy,
    why,
    input_tokens: size.input,
    routes: routes.map(({ model, provider, hostModel }) => ({ model, provider, host_model: hostModel })),
    candidates: rows.slice(0, MOST).map(describeRow),
    candidates_left_out: able - Math.min(MOST, rows.length),
    excluded: out.slice(0, MOST).map(({ model, provider, why }) => ({ model, provider, why: wordsOf(why) })),
    excluded_by: countBy(out),
  }
}

const describeRow = ({ route, score, quality, cost, latencyMs, failing, known }: Scored) => ({
  model: route.model,
  provider: route.provider,
  score: rounded(score),
  quality: rounded(quality),
  expected_usd: cost.toPrecision(4),
  expected_ms: Math.round(latencyMs),
  ms_is: known ? 'learned' : 'supposed',
  failing: rounded(failing),
})

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4

const countBy = (out: readonly Lacking[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { why } of out) counts[why.is] = (counts[why.is] ?? 0) + 1
  return counts
}

const wordsOf = (why: Why): string => {
  switch (why.is) {
    case 'kind':
      return 'it makes something else'
    case 'context':
      return `its context is ${why.limit} tokens`
    case 'output':
      return `it writes ${why.limit} tokens at most`
    case 'capability':
      return `it has no ${why.lacks}`
    case 'provider':
      return 'your provider preferences leave it out'
    case 'latency':
      return `it needs about ${Math.round(why.ms)} ms`
  }
}
