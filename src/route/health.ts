import type { Clock } from '../clock.ts'
import { type Board, memoryBoard } from '../store/board.ts'
import {
  answered,
  type Breaker,
  begun,
  ended,
  failed,
  failingOf,
  freshBreaker,
  isResting,
  NO_REST,
  type Rest,
} from './breaker.ts'

export type Health = {
  /** To be asked last: it rests after failures, asked to be left alone, or is being probed by another call. */
  resting: (provider: string, hostModel: string) => boolean
  /** Milliseconds for which the host itself asked to be left alone (Retry-After); 0 when it did not. */
  barredFor: (provider: string, hostModel: string) => number
  /** Share of attempts here that failed lately, 0..1; older ones weigh less. */
  failing: (provider: string, hostModel: string) => number
  /** Milliseconds until the first resting host wakes; 0 when none rests. */
  wakesIn: () => number
  /** An attempt begins; it is over with one of the next three. */
  began: (provider: string, hostModel: string) => void
  succeeded: (provider: string, hostModel: string) => void
  failed: (provider: string, hostModel: string, how?: Failure) => void
  /** It ended without telling anything of the host: the caller left, or the request was at fault. */
  left: (provider: string, hostModel: string) => void
  /** Nothing is known of its hosts any more: the provider was set up anew. */
  forget: (provider: string) => void
}

/** `restMs`: how long the host asked to be left alone (Retry-After). `whole`: all models of its provider fail alike. */
export type Failure = { restMs?: number | undefined; whole?: boolean }

const TOPIC = 'host '
/** In the place of a model: all that the provider hosts. */
const ALL = '*'
/** A rest is forgotten after so long, ms. */
const FORGOTTEN_MS = 600_000

/**
 * Remembers how hosts did lately. A host rests from its second failure in a row on (in busy times from the fifth, or when
 * half of all fail), longer each time, up to 15 s; then one call probes it, and one success wakes it. That a host rests is
 * known to all instances that share the board; what is counted up to there is known to this one.
 */
export const createHealth = ({
  clock,
  board = memoryBoard({ clock }),
}: {
  clock: Clock
  board?: Board
}): Health => {
  const breakers = new Map<string, Breaker>()
  const key = (provider: string, hostModel: string) => `${TOPIC}${provider} ${hostModel}`
  const both = (provider: string, hostModel: string) => [key(provider, hostModel), key(provider, ALL)]
  const restOf = (name: string): Rest => parse(board.read(name))
  const rests = (name: string) => isResting(restOf(name), breakers.get(name), clock.now())
  const change = (name: string, step: (breaker: Breaker) => Breaker) =>
    void breakers.set(name, step(breakers.get(name) ?? freshBreaker()))

  const write = (name: string, { opened, until, barred }: Rest): void =>
    board.write(name, `${opened} ${until} ${barred}`, FORGOTTEN_MS)

  const fail = (name: string, restMs?: number): void => {
    const now = clock.now()
    const after = failed(breakers.get(name) ?? freshBreaker(), restOf(name), now, restMs)
    breakers.set(name, after.breaker)
    if (after.rest) write(name, after.rest)
  }

  return {
    resting: (provider, hostModel) => both(provider, hostModel).some(rests),
    barredFor: (provider, hostModel) => Math.max(0, restOf(key(provider, hostModel)).barred - clock.now()),
    failing: (provider, hostModel) =>
      Math.max(...both(provider, hostModel).map((name) => failingOf(breakers.get(name), clock.now()))),
    wakesIn: () => {
      const waits = Object.values(board.under(TOPIC))
        .map(parse)
        .map(({ until, barred }) => Math.max(until, barred) - clock.now())
        .filter((wait) => wait > 0)
      return waits.length === 0 ? 0 : Math.min(...waits)
    },
    began: (provider, hostModel) => {
      for (const name of both(provider, hostModel)) {
        const rest = restOf(name)
        if (rest.opened > 0) change(name, (breaker) => begun(breaker, rest, clock.now()))
      }
    },
    succeeded: (provider, hostModel) => {
      const own = key(provider, hostModel)
      for (const name of both(provider, hostModel)) {
        if (name === own || breakers.has(name)) change(name, (breaker) => answered(breaker, clock.now()))
        // Who asked to be left alone is, whatever was asked before ends well.
        const { barred } = restOf(name)
        if (barred <= clock.now()) board.erase(name)
        else if (restOf(name).opened > 0) write(name, { ...NO_REST, barred })
      }
    },
    failed: (provider, hostModel, { restMs, whole = false } = {}) => {
      fail(key(provider, hostModel), restMs)
      if (whole) fail(key(provider, ALL))
      else if (breakers.has(key(provider, ALL))) change(key(provider, ALL), ended)
    },
    left: (provider, hostModel) => {
      for (const name of both(provider, hostModel)) if (breakers.has(name)) change(name, ended)
    },
    forget: (provider) => {
      const all = key(provider, '')
      for (const name of [...breakers.keys(), ...Object.keys(board.under(all))]) {
        if (!name.startsWith(all)) continue
        breakers.delete(name)
        board.erase(name)
      }
    },
  }
}

const parse = (note: string | undefined): Rest => {
  if (note === undefined) return NO_REST
  const [opened = 0, until = 0, barred = 0] = note.split(' ').map(Number)
  return { opened, until, barred }
}
