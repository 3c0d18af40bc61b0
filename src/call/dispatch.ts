import { fail, type Refusal } from '../errors.ts'
import { type Call, isSettling } from '../ledger/call.ts'
import type { Posted } from '../ledger/ledger.ts'
import { type Answer, UpstreamError, WHOLE_ANSWER } from '../providers/provider.ts'
import type { Terms } from '../quote/seal.ts'
import type { Route } from '../route/plan.ts'
import { type ChatRequest, forwardBody } from '../wire/openai.ts'
import type { Deps } from './deps.ts'
import { surely } from './end.ts'
import { type Events, openEvents } from './events.ts'
import { createMeter, type Meter } from './meter.ts'
import { placed } from './place.ts'

/** An answer that has begun: who gives it, and how to stop it. */
export type Attempt = {
  route: Route
  terms: Terms
  meter: Meter
  answer: Extract<Answer, { kind: 'json' }> | { kind: 'stream'; events: Events }
  /** Ends the upstream request at once, and with it the place that it took at the provider. */
  abort: () => void
}

/** Tries the routes of a quote in order until one begins to answer. When none does, everything held is released and nothing is charged. */
export const dispatch = async (
  deps: Deps,
  call: Call,
  terms: Terms,
  request: ChatRequest,
  client: AbortSignal,
): Promise<Attempt> => {
  // Of a call whose money has moved already its payer may ask how far it came. For any other the claim says enough: what a
  // dead process leaves claimed may have been dispatched, and is released as if it was.
  if (call.settleFirst) deps.ledger.post({ type: 'dispatch', id: call.id }).catch(() => {})
  deps.probe('K3')
  let last: UpstreamError | undefined
  const full = new Set<string>()
  const routes = attempts(terms.routes)
  for (const [i, route] of routes.entries()) {
    // Before the request as well: a listener on a signal that has fired already would never hear of it.
    if (client.aborted) break
    if (full.has(route.provider)) continue
    const elsewhere = routes
      .slice(i + 1)
      .some(({ provider }) => provider !== route.provider && !full.has(provider))
    const slot = await deps.gates.enter(route.provider, client, elsewhere)
    if (!slot) {
      full.add(route.provider)
      continue
    }
    if (client.aborted) {
      slot.leave()
      break
    }
    try {
      return await placed(deps, slot, client, () => attempt(deps, call, route, terms, request, client))
    } catch (error) {
      if (client.aborted) break
      if (!(error instanceof UpstreamError)) throw await release(deps, call, 'internal', error)
      last = error
      deps.log.info('attempt_failed', {
        call: call.id,
        model: route.model,
        provider: route.provider,
        fault: error.fault,
        why: error.message,
      })
      if (error.fault === 'rejected') break
      deps.health.failed(route.provider, route.hostModel, error.retryAfterMs)
      // Asking the same host again at once would get the same answer.
      if (terms.routes.length === 1 && (error.fault === 'rate_limited' || error.fault === 'unauthorized'))
        break
    }
  }
  const why = client.aborted ? 'client_left' : (last?.fault ?? (full.size > 0 ? 'overloaded' : 'no_provider'))
  throw await release(deps, call, why, why === 'overloaded' ? fail('overloaded') : refusalOf(deps, last))
}

/** A lone host gets a second chance; several are tried once each. */
const attempts = (routes: readonly Route[]): readonly Route[] =>
  routes.length === 1 ? [routes[0]!, routes[0]!] : routes

/** Seconds that a settlement needs to get into a block before its authorization expires. */
const TO_SETTLE = 30

/** How long an answer may take to begin. One that is paid afterwards must begin while its payment can still be settled. */
const patience = (deps: Deps, call: Call, stream: boolean): number => {
  const own = deps.firstByteMs * (stream ? 1 : WHOLE_ANSWER)
  if (call.settleFirst || call.signed === 0n || call.kind === 'voucher') return own
  return Math.min(own, (Number(call.validBefore) - TO_SETTLE) * 1000 - deps.clock.now())
}

// Every stream ends by it: one for all, because an error of its own for each costs more than ten events.
const OVER = new UpstreamError('unavailable', 'not wanted any more')

const attempt = async (
  deps: Deps,
  call: Call,
  route: Route,
  terms: Terms,
  request: ChatRequest,
  client: AbortSignal,
): Promise<Attempt> => {
  const provider = deps.provider(route.provider)
  if (!provider) throw new UpstreamError('unavailable', 'not configured')
  const limit = patience(deps, call, request.stream === true)
  if (limit <= 0) throw new UpstreamError('timeout', 'the payment is about to expire')
  const controller = new AbortController()
  const abort = () => controller.abort(OVER)
  client.addEventListener('abort', abort, { once: true })
  let late = false
  const timer = setTimeout(() => {
    late = true
    abort()
  }, limit)
  const meter = createMeter({
    input: terms.input,
    maxOutput: terms.maxOutput * terms.choices,
    choices: terms.choices,
  })
  const wantsUsage = request.stream_options?.include_usage === true
  try {
    const body = forwardBody(request)
    const answer = await provider.ask({
      body,
      model: route.hostModel,
      maxOutput: terms.maxOutput,
      signal: controller.signal,
    })
    const begun =
      answer.kind === 'json'
        ? judged(answer, meter)
        : { kind: 'stream' as const, events: await openEvents(answer.events, meter, wantsUsage) }
    deps.health.succeeded(route.provider, route.hostModel)
    return { route, terms, meter, answer: begun, abort }
  } catch (error) {
    abort()
    throw late ? new UpstreamError('timeout', 'no first byte in time') : error
  } finally {
    clearTimeout(timer)
  }
}

const judged = (
  answer: Extract<Answer, { kind: 'json' }>,
  meter: Meter,
): Extract<Answer, { kind: 'json' }> => {
  if (answer.body.error) throw new UpstreamError('unavailable', 'status 200 with an error inside')
  if (!Array.isArray(answer.body.choices)) throw new UpstreamError('malformed', 'no choices')
  meter.see(answer.body)
  if (!meter.hasContent()) throw new UpstreamError('empty', 'no content')
  return answer
}

const release = async (deps: Deps, call: Call, why: string, error: unknown): Promise<unknown> => {
  const posted: Posted = await surely(deps, () => deps.ledger.post({ type: 'release', id: call.id, why }))
  const paid = posted.ok && (isSettling(posted.call) || posted.call.settlement.at === 'settled')
  deps.log.info('call_released', { call: call.id, why })
  // The money has moved already: say so, because "nothing was charged" would be wrong.
  return paid ? fail('upstream_failed_credited', { why, id: call.id }) : error
}

const refusalOf = (deps: Deps, last: UpstreamError | undefined): Refusal => {
  switch (last?.fault) {
    case 'rejected':
      return fail('upstream_rejected', { why: last.message })
    case 'timeout':
      return fail('upstream_timeout')
    case 'rate_limited':
      return fail('upstream_busy', { retryAfter: Math.max(1, Math.ceil(deps.health.wakesIn() / 1000)) })
    default:
      return fail('upstream_failed', { why: last?.fault ?? 'no provider' })
  }
}
