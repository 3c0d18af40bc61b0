import type { UpstreamFault } from '../providers/provider.ts'
import type { Route } from '../route/plan.ts'
import type { Strategy } from '../route/strategies.ts'

/** How one route stands in a call at this moment. */
export type Standing = {
  route: Route
  /** How often this call has asked it. */
  asked: number
  /** Why it did not answer the last time. */
  fault?: UpstreamFault | undefined
  /** It rests after failures, or another call probes it. */
  resting: boolean
  /** How long it asked to be left alone, ms; 0 when it did not. */
  barredMs: number
  /** Its provider has as many calls as it takes. */
  full: boolean
  /** Its provider may be asked once more than calls ask it anyway. */
  spare: boolean
}

/** `extra`: it is asked more than calls would ask it anyway, so its budget pays for it. */
export type Next = { do: 'ask'; route: Route; waitMs: number; extra: boolean } | { do: 'stop' }

export type Limits = {
  strategy: Strategy
  /** What is left of the patience of this call, ms. */
  leftMs: number
  /** What this call has waited already before it asked, ms. */
  waitedMs: number
  /** A fair roll from 0 to 1: so much of a backoff is waited. */
  roll: number
}

/** Attempts of one call, all routes together. */
const MOST_ATTEMPTS = 8
/** Of one route. */
const MOST_TURNS = 2
const BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 2_000
/** Longest that a call waits for hosts that asked for it, and before an answer by another model; ms. */
const LONGEST_WAIT_MS = 5_000
const LONGEST_WAIT_FOR_MODEL_MS = 2_500

/** The request is at fault: every host would say the same. */
const FINAL: ReadonlySet<UpstreamFault> = new Set(['rejected', 'filtered'])
/** It may pass when it is asked once more. */
const PASSING: ReadonlySet<UpstreamFault> = new Set([
  'unavailable',
  'timeout',
  'malformed',
  'empty',
  'rate_limited',
])
/** So quickly that nobody minds; what was silent once would cost the same wait again. */
const BRIEF: ReadonlySet<UpstreamFault> = new Set(['unavailable', 'malformed', 'empty', 'rate_limited'])

/**
 * What a call does next. Every route in its turn: those that rest come last. Then, and before another model than the one
 * that was asked for has to answer, once more those whose fault may pass, after a wait.
 */
export const nextOf = (standings: readonly Standing[], limits: Limits): Next => {
  const attempts = standings.reduce((sum, { asked }) => sum + asked, 0)
  const isFinal = standings.some(({ fault }) => fault !== undefined && FINAL.has(fault))
  if (isFinal || attempts >= MOST_ATTEMPTS || limits.leftMs <= 0) return { do: 'stop' }
  const open = standings.filter((one) => !one.full && hasRoom(one, standings))
  const fresh = open.find((one) => one.asked === 0 && !one.resting && one.barredMs === 0)
  const again = soonest(open, standings, limits)
  const asked = standings[0]?.route.model
  if (fresh && !(again && isWorthIt(again, fresh, asked, limits))) return ask(fresh, 0, false)
  const asleep = open.find((one) => one.asked === 0 && one.resting && one.barredMs === 0 && one.spare)
  if (asleep && !fresh) return ask(asleep, 0, true)
  return again ? ask(again.standing, again.waitMs, again.standing.asked > 0) : { do: 'stop' }
}

/** Who else could be asked at once, at another provider if there is one. */
export const otherOf = (standings: readonly Standing[], route: Route): Standing | undefined => {
  const others = standings.filter(
    (one) =>
      one.route !== route &&
      one.asked === 0 &&
      !one.full &&
      !one.resting &&
      one.barredMs === 0 &&
      hasRoom(one, standings),
  )
  return others.find((one) => one.route.provider !== route.provider) ?? others[0]
}

const ask = ({ route }: Standing, waitMs: number, extra: boolean): Next => ({
  do: 'ask',
  route,
  waitMs,
  extra,
})

/** A request that was too long for a model is too long for it everywhere. */
const hasRoom = ({ route }: Standing, standings: readonly Standing[]): boolean =>
  !standings.some((one) => one.fault === 'too_long' && one.route.model === route.model)

/** Nobody answers in less, so nobody is asked again for it, ms; one that was silent gets a whole attempt or none. */
const LEAST_USE_MS = 100
const leastFor = ({ fault }: Standing): number => (fault === 'timeout' ? LEAST_LIMIT_MS : LEAST_USE_MS)

type Again = { standing: Standing; waitMs: number }

/** Who may be asked once more, the first of them: after what it asked for, or after a backoff. */
const soonest = (
  open: readonly Standing[],
  standings: readonly Standing[],
  { leftMs, waitedMs, roll }: Limits,
): Again | undefined => {
  const retries = standings.reduce((sum, { asked }) => sum + Math.max(0, asked - 1), 0)
  const backoff = Math.min(LONGEST_BACKOFF_MS, BACKOFF_MS * 2 ** retries) * roll
  return open
    .filter(({ asked, fault, barredMs, spare }) =>
      asked === 0 ? barredMs > 0 : asked < MOST_TURNS && fault !== undefined && PASSING.has(fault) && spare,
    )
    .map((standing) => ({ standing, waitMs: Math.ceil(waitOf(standing, backoff)) }))
    .filter(({ waitMs }) => waitedMs + waitMs <= LONGEST_WAIT_MS)
    .filter(({ standing, waitMs }) => waitMs + leastFor(standing) < leftMs)
    .reduce<Again | undefined>((best, one) => (best && best.waitMs <= one.waitMs ? best : one), undefined)
}

/** Exactly what a host asked for, by who was told so; others come after it one by one, so that it is not overrun. */
const waitOf = ({ asked, fault, barredMs }: Standing, backoff: number): number => {
  if (asked === 0) return barredMs + backoff
  return Math.max(barredMs, fault === 'rate_limited' && barredMs === 0 ? BACKOFF_MS + backoff : backoff)
}

/** The model that was asked for is worth a short wait, unless time is what matters. */
const isWorthIt = (
  { standing, waitMs }: Again,
  fresh: Standing,
  asked: string | undefined,
  { strategy }: Limits,
): boolean =>
  (strategy === 'balanced' || strategy === 'cost') &&
  standing.asked > 0 &&
  standing.fault !== undefined &&
  BRIEF.has(standing.fault) &&
  (!standing.resting || standing.barredMs > 0) &&
  waitMs <= LONGEST_WAIT_FOR_MODEL_MS &&
  fresh.route.model !== standing.route.model &&
  standing.route.model === asked

/** Where a first word may come later: the wait for a long prompt, ms per token. */
const MS_PER_INPUT_TOKEN = 0.2
const LEAST_LIMIT_MS = 2_000
const UNKNOWN_LIMIT_MS = 12_000
const TIMES_SLOW = 3

/**
 * How long one attempt may take to begin, ms: all that is left when there is nobody else to ask; otherwise half of it at
 * most, and less when `slowMs` says that this host usually is much faster.
 */
export const limitOf = ({
  leftMs,
  elsewhere,
  slowMs,
  input,
  stream,
}: {
  leftMs: number
  elsewhere: boolean
  slowMs: number | undefined
  input: number
  stream: boolean
}): number => {
  if (!elsewhere) return leftMs
  const usual = slowMs === undefined ? (stream ? UNKNOWN_LIMIT_MS : leftMs) : slowMs * TIMES_SLOW
  return Math.min(leftMs / 2, Math.max(LEAST_LIMIT_MS, usual) + input * MS_PER_INPUT_TOKEN)
}

/** The most telling of what went wrong: what is worth a later try, before what only says that a host was the wrong one. */
const TELLING: readonly UpstreamFault[] = [
  'rejected',
  'filtered',
  'rate_limited',
  'timeout',
  'unavailable',
  'malformed',
  'empty',
  'unauthorized',
  'too_long',
  'missing',
  'unfit',
]

export const mostTelling = <E extends { fault: UpstreamFault }>(errors: readonly E[]): E | undefined =>
  errors.toSorted((a, b) => TELLING.indexOf(a.fault) - TELLING.indexOf(b.fault))[0]
