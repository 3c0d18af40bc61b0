import type { Clock } from '../clock.ts'
import { type Bounds, freshLevel, type Level, step } from './aimd.ts'

/** A place at a provider. It must be left, once or more often, on every way out. */
export type Slot = {
  /** The provider answered. `firstByteMs`: how long a stream took to begin. */
  answered: (firstByteMs?: number) => void
  /** The provider said that it has too many calls, or was too slow to begin. */
  crowded: () => void
  leave: () => void
}

export type GateState = { limit: number; inFlight: number; waiting: number; turnedAway: number }

export type Gates = {
  /**
   * A place at this provider, at once or after a short wait in line; undefined when there is none, or when `signal` fires
   * first. The wait is a tenth where there is another provider to go to.
   */
  enter: (provider: string, signal: AbortSignal, elsewhere?: boolean) => Promise<Slot | undefined>
  /** How every provider stands that was asked so far. */
  states: () => Readonly<Record<string, GateState>>
}

export type GateFacts = {
  clock: Clock
  /** Most calls at once at a provider; undefined: as many as come. */
  most: (provider: string) => number | undefined
  start?: number
  least?: number
  /** How many may wait in line, and how long, ms. */
  line?: number
  waitMs?: number
}

const START = 64
const LEAST = 4
const LINE = 256
const WAIT_MS = 2_000

/** One gate for each provider, which lets in as many calls at once as the provider has shown to take well. */
export const createGates = (facts: GateFacts): Gates => {
  const { clock, most, start = START, least = LEAST, line = LINE, waitMs = WAIT_MS } = facts
  const gates = new Map<string, Gate>()
  const gateOf = (provider: string, limit: number): Gate => {
    const known = gates.get(provider)
    if (known) {
      known.allow(limit)
      return known
    }
    const gate = createGate({ clock, bounds: { start, least, most: limit }, line })
    gates.set(provider, gate)
    return gate
  }
  return {
    enter: async (provider, signal, elsewhere = false) => {
      const limit = most(provider)
      if (limit === undefined) return OPEN
      return gateOf(provider, limit).enter(signal, elsewhere ? waitMs / 10 : waitMs)
    },
    states: () => Object.fromEntries([...gates].map(([provider, gate]) => [provider, gate.state()])),
  }
}

const OPEN: Slot = { answered: () => {}, crowded: () => {}, leave: () => {} }

type Gate = {
  /** Takes over the most that is configured. */
  allow: (most: number) => void
  enter: (signal: AbortSignal, waitMs: number) => Promise<Slot | undefined>
  state: () => GateState
}

const createGate = ({ clock, bounds: begin, line }: { clock: Clock; bounds: Bounds; line: number }): Gate => {
  let bounds = begin
  let level: Level = freshLevel(bounds, clock.now())
  let inFlight = 0
  let turnedAway = 0
  const waiting: ((slot: Slot) => void)[] = []

  const isFull = () => inFlight >= Math.floor(level.limit)
  const next = () => {
    while (waiting.length > 0 && !isFull()) waiting.shift()!(slot())
  }

  const slot = (): Slot => {
    inFlight++
    const at = clock.now()
    let inside = true
    return {
      answered: (firstByteMs) => {
        level = step(level, { kind: 'answered', at, firstByteMs }, bounds, inFlight, clock.now())
        next()
      },
      crowded: () => {
        level = step(level, { kind: 'crowded', at }, bounds, inFlight, clock.now())
      },
      leave: () => {
        if (inside) inFlight--
        inside = false
        next()
      },
    }
  }

  const wait = (signal: AbortSignal, waitMs: number): Promise<Slot | undefined> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
      }
      const called = (slot: Slot) => {
        done()
        resolve(slot)
      }
      const giveUp = () => {
        done()
        waiting.splice(waiting.indexOf(called), 1)
        turnedAway++
        resolve(undefined)
      }
      const timer = setTimeout(giveUp, waitMs)
      signal.addEventListener('abort', giveUp, { once: true })
      waiting.push(called)
    })

  return {
    allow: (most) => {
      if (most === bounds.most) return
      bounds = { ...bounds, most }
      level = { ...level, limit: Math.min(level.limit, most) }
    },
    enter: async (signal, waitMs) => {
      if (signal.aborted) return undefined
      if (!isFull() && waiting.length === 0) return slot()
      if (waiting.length < line) return wait(signal, waitMs)
      turnedAway++
      return undefined
    },
    state: () => ({ limit: Math.floor(level.limit), inFlight, waiting: waiting.length, turnedAway }),
  }
}
