import { fail, type Refusal } from '../errors.ts'
import { type Call, isSettling } from '../ledger/call.ts'
import type { Posted } from '../ledger/ledger.ts'
import { UpstreamError, WHOLE_ANSWER } from '../providers/provider.ts'
import type { Terms } from '../quote/seal.ts'
import type { Order } from '../wire/order.ts'
import type { Attempt, Begun } from './attempt.ts'
import type { Deps } from './deps.ts'
import { surely } from './end.ts'
import { hedged } from './hedge.ts'
import { limitOf, mostTelling, type Next, nextOf, otherOf, type Standing } from './retries.ts'
import type { Trail } from './trail.ts'
import { type Run, standingsOf, takeTurn } from './turn.ts'

/** Asks the routes of a quote until one begins to answer. When none does, everything held is released and nothing is charged. */
export const dispatch = async (
  deps: Deps,
  call: Call,
  terms: Terms,
  order: Order,
  client: AbortSignal,
  trail?: Trail,
): Promise<Attempt> => {
  // Of a call whose money has moved already its payer may ask how far it came. For any other the claim says enough: what a
  // dead process leaves claimed may have been dispatched, and is released as if it was.
  if (call.settleFirst) deps.ledger.post({ type: 'dispatch', id: call.id }).catch(() => {})
  deps.probe('K3')
  const until = deps.clock.now() + patience(deps, call, order.stream)
  const run: Run = {
    deps,
    call,
    terms,
    order,
    until,
    turns: new Map(),
    full: new Set(),
    errors: [],
    attempts: 0,
    trail,
  }
  const begun = await ask(run, client).catch(async (error) => {
    throw await release(deps, call, 'internal', error)
  })
  if (begun) return { ...begun, attempts: run.attempts, trail }
  if (client.aborted)
    throw await release(deps, call, 'client_left', fail('upstream_failed', { why: 'no provider' }))
  const { why, refusal } = verdictOn(run)
  throw await release(deps, call, why, refusal)
}

/** Seconds that a settlement needs to get into a block before its authorization expires. */
const TO_SETTLE = 30

/** How long an answer may take to begin, all attempts together. One that is paid afterwards must begin while its payment can still be settled. */
const patience = (deps: Deps, call: Call, stream: boolean): number => {
  const own = deps.firstByteMs * (stream ? 1 : WHOLE_ANSWER)
  if (call.settleFirst || call.signed === 0n || call.kind === 'voucher') return own
  return Math.min(own, (Number(call.validBefore) - TO_SETTLE) * 1000 - deps.clock.now())
}

/** Turn after turn until one gives an answer; undefined when there is none to be had, or its caller left. */
const ask = async (run: Run, client: AbortSignal): Promise<Begun | undefined> => {
  const { deps, terms, until, errors } = run
  let hedges = 0
  let waitedMs = 0
  while (!client.aborted) {
    const standings = standingsOf(run)
    const leftMs = until - deps.clock.now()
    const next = nextOf(standings, { strategy: terms.strategy, leftMs, waitedMs, roll: Math.random() })
    if (next.do === 'stop') {
      if (leftMs <= 0 && errors.length === 0)
        errors.push(new UpstreamError('timeout', 'the payment is about to expire'))
      return undefined
    }
    const { provider, hostModel } = next.route
    // Before the first wait: others that decide meanwhile must see what is left.
    if (next.extra) deps.retries.spent(provider)
    waitedMs += next.waitMs
    if (next.waitMs > 0) await deps.clock.sleep(next.waitMs, client)
    // Another call may have been told meanwhile to leave it alone.
    if (next.waitMs > 0 && deps.health.barredFor(provider, hostModel) > 0) continue
    const hedge = hedges === 0 && terms.strategy === 'latency' ? otherOf(standings, next.route) : undefined
    const begun = hedge?.spare
      ? await besides(run, next, hedge, standings, client)
      : await takeTurn(run, turnOf(run, next, standings, client))
    if (hedge && run.turns.has(hedge.route)) hedges++
    if (begun) return begun
  }
  return undefined
}

type Ask = Extract<Next, { do: 'ask' }>

const turnOf = (run: Run, { route, extra }: Ask, standings: readonly Standing[], signal: AbortSignal) => {
  const { deps, terms, order, until } = run
  const { provider, hostModel } = route
  const elsewhere = otherOf(standings, route) !== undefined
  const slowMs = order.stream
    ? deps.tempo.slowFirstMs(provider, hostModel)
    : deps.tempo.slowMs(provider, hostModel, terms.maxOutput)
  const leftMs = until - deps.clock.now()
  const limitMs = limitOf({ leftMs, elsewhere, slowMs, input: terms.input, stream: order.stream })
  return { route, signal, limitMs, extra, elsewhere }
}

/** How long a host whose pace is unknown may take to begin before another is asked beside it, ms. */
const USUAL_FIRST_MS = 1_500

/** The next turn, and beside it another when it is late: time is what matters to this caller. */
const besides = (
  run: Run,
  next: Ask,
  { route }: Standing,
  standings: readonly Standing[],
  client: AbortSignal,
): Promise<Begun | undefined> => {
  const { deps, terms, order } = run
  const { provider, hostModel } = next.route
  const usual = order.stream
    ? deps.tempo.slowFirstMs(provider, hostModel)
    : deps.tempo.slowMs(provider, hostModel, terms.maxOutput)
  const afterMs = usual ?? USUAL_FIRST_MS * (order.stream ? 1 : WHOLE_ANSWER)
  const second: Ask = { do: 'ask', route, waitMs: 0, extra: true }
  const beside = (signal: AbortSignal) => {
    deps.retries.spent(route.provider)
    return takeTurn(run, { ...turnOf(run, second, standingsOf(run), signal), beside: true })
  }
  return hedged(
    { clock: deps.clock, outer: client, afterMs },
    (signal) => takeTurn(run, turnOf(run, next, standings, signal)),
    beside,
  )
}

const release = async (deps: Deps, call: Call, why: string, error: unknown): Promise<unknown> => {
  const posted: Posted = await surely(deps, () => deps.ledger.post({ type: 'release', id: call.id, why }))
  const paid = posted.ok && (isSettling(posted.call) || posted.call.settlement.at === 'settled')
  // The money has moved already: say so, because "nothing was charged" would be wrong.
  return paid ? fail('upstream_failed_credited', { why, id: call.id }) : error
}

/** Why nobody answered, for the ledger and for the caller. */
const verdictOn = (run: Run): { why: string; refusal: Refusal } => {
  const told = mostTelling(run.errors)
  if (told) return { why: told.fault, refusal: refusalOf(run, told) }
  if (run.full.size > 0) return { why: 'overloaded', refusal: fail('overloaded') }
  return { why: 'resting', refusal: busy(run) }
}

const refusalOf = (run: Run, { fault, message }: UpstreamError): Refusal => {
  switch (fault) {
    case 'rejected':
    case 'unfit':
      return fail('upstream_rejected', { why: message })
    case 'filtered':
      return fail('upstream_filtered')
    case 'too_long':
      return fail('upstream_too_long', { model: run.terms.routes[0]?.model })
    case 'timeout':
      return fail('upstream_timeout')
    case 'rate_limited':
      return busy(run)
    default:
      return fail('upstream_failed', { why: fault })
  }
}

const busy = ({ deps, terms }: Run): Refusal => {
  const waits = terms.routes
    .map(({ provider, hostModel }) => deps.health.barredFor(provider, hostModel))
    .filter((wait) => wait > 0)
  const wait = waits.length > 0 ? Math.min(...waits) : deps.health.wakesIn()
  return fail('upstream_busy', { retryAfter: Math.max(1, Math.ceil(wait / 1000)) })
}
