import type { Call } from '../ledger/call.ts'
import { UpstreamError, type UpstreamFault } from '../providers/provider.ts'
import type { Terms } from '../quote/seal.ts'
import type { Route } from '../route/plan.ts'
import type { Order } from '../wire/order.ts'
import { attempt, type Begun } from './attempt.ts'
import type { Deps } from './deps.ts'
import { placed } from './place.ts'
import type { Standing } from './retries.ts'
import type { Trail } from './trail.ts'

/** One call on its way through its routes. */
export type Run = {
  deps: Deps
  call: Call
  terms: Terms
  order: Order
  /** When its patience ends, ms. */
  until: number
  turns: Map<Route, { asked: number; fault?: UpstreamFault }>
  /** Providers that had no place. */
  full: Set<string>
  errors: UpstreamError[]
  attempts: number
  trail?: Trail | undefined
}

/** `extra`: asked beyond what calls ask anyway, and paid for by the budget already. `elsewhere`: there is another route, so a place is not waited for long. `beside`: another is being asked and is late. */
export type Turn = {
  route: Route
  signal: AbortSignal
  limitMs: number
  extra: boolean
  elsewhere: boolean
  beside?: boolean
}

/** How every route of a call stands now. */
export const standingsOf = ({ deps, terms, turns, full }: Run): Standing[] =>
  terms.routes.map((route) => ({
    route,
    asked: 0,
    ...turns.get(route),
    resting: deps.health.resting(route.provider, route.hostModel),
    barredMs: deps.health.barredFor(route.provider, route.hostModel),
    full: full.has(route.provider),
    spare: deps.retries.spare(route.provider),
  }))

/** Asks one route once and notes what became of it; undefined when it gave no answer. Throws only what is a bug. */
export const takeTurn = async (run: Run, turn: Turn): Promise<Begun | undefined> => {
  const { deps } = run
  const { route, signal, extra, elsewhere } = turn
  const { provider, hostModel } = route
  // Before the request as well: a listener on a signal that has fired already would never hear of it.
  if (signal.aborted) return undefined
  // Before the first wait: others that decide meanwhile must see that the host is being probed.
  deps.health.began(provider, hostModel)
  const slot = await deps.gates.enter(provider, signal, elsewhere)
  if (!slot || signal.aborted) {
    slot?.leave()
    deps.health.left(provider, hostModel)
    if (!signal.aborted) run.full.add(provider)
    return undefined
  }
  const again =
    run.attempts++ === 0 ? undefined : turn.beside ? 'hedge' : run.turns.has(route) ? 'retry' : 'failover'
  run.turns.set(route, { asked: (run.turns.get(route)?.asked ?? 0) + 1 })
  if (!extra) deps.retries.asked(provider)
  try {
    const limitMs = Math.min(turn.limitMs, run.until - deps.clock.now())
    const begun = await placed(slot, signal, () => attempt(deps, { ...run, route, signal, limitMs, again }))
    deps.health.succeeded(provider, hostModel)
    return begun
  } catch (error) {
    if (signal.aborted || !(error instanceof UpstreamError)) {
      deps.health.left(provider, hostModel)
      if (signal.aborted) return undefined
      throw error
    }
    note(run, route, error)
    return undefined
  }
}

/** The request or its fit is at fault: the host is well. */
const BLAMELESS: ReadonlySet<UpstreamFault> = new Set(['rejected', 'filtered', 'too_long', 'unfit'])
/** Nobody is there, whatever the model. */
const NOBODY = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/

const note = ({ deps, call, turns, errors }: Run, route: Route, error: UpstreamError): void => {
  const { model, provider, hostModel } = route
  const { fault, message, retryAfterMs: restMs } = error
  errors.push(error)
  turns.set(route, { asked: turns.get(route)?.asked ?? 1, fault })
  deps.log.info('attempt_failed', { call: call.id, model, provider, fault, why: message })
  if (BLAMELESS.has(fault)) deps.health.left(provider, hostModel)
  else {
    const whole = fault === 'unauthorized' || NOBODY.test(message)
    deps.health.failed(provider, hostModel, { restMs, whole })
  }
}
