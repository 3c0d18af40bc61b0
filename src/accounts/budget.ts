import type { Drawn } from '../ledger/call.ts'
import { COUNTER, windowName } from '../ledger/names.ts'
import { maxOf, NO_MONEY, parseUsd, type Usd } from '../money.ts'
import type { Budget, NodeId } from './node.ts'
import { createZones } from './zone.ts'

/**
 * The window of a budget at some time: of a calendar one, when it began and when the next begins; of a rolling one, what
 * it looks back to and when the oldest of that is forgotten. ms; a `total` never resets. Names sort by time.
 */
export type Window = { name: string; from: number; resets: number | undefined }

/** What a call draws on, and the window that it is counted in. */
export type Draw = { drawn: Drawn; window: Window }

export type Budgets = {
  /** Undefined for a limit of each call by itself, which has no window. */
  windowOf: (budget: Budget, now: number) => Window | undefined
  /** What a call of `now` draws on, as the ledger takes it; undefined for a limit of each call by itself. */
  drawOf: (node: NodeId, budget: Budget, now: number) => Draw | undefined
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A rolling window is this many pieces long, and the one before them, of which a part is in it, counts wholly. */
const ROLLING = {
  hour: { piece: 2 * MINUTE, pieces: 30 },
  day: { piece: HOUR, pieces: 24 },
  month: { piece: DAY, pieces: 30 },
} as const

/** Windows of budgets; the present ones are remembered, so that asking again costs next to nothing. */
export const createBudgets = (): Budgets => {
  const zones = createZones()
  const draws = new WeakMap<Budget, Draw & { node: NodeId; now: number }>()

  const windowOf = ({ per, window, zone }: Budget, now: number): Window | undefined => {
    if (per === 'call') return undefined
    if (per === 'total') return { name: 'total', from: 0, resets: undefined }
    if (window === 'rolling') return rolling(ROLLING[per], now)
    const { from, to } = zones.spanOf(zone, per, now)
    return { name: windowName(from), from, resets: to }
  }

  const drawOf = (node: NodeId, budget: Budget, now: number): Draw | undefined => {
    const known = draws.get(budget)
    if (known?.node === node && now >= known.now && now < (known.window.resets ?? Infinity)) return known
    const window = windowOf(budget, now)
    if (!window) return undefined
    const drawn: Drawn = {
      counter: COUNTER.budget(node, budget.id, window.name),
      ...(budget.kind === 'hard' && { limit: limitOf(budget) }),
      ...besideOf(node, budget, window),
    }
    const draw = { drawn, window, node, now }
    draws.set(budget, draw)
    return draw
  }

  return { windowOf, drawOf }
}

/** The limit of a budget; nothing may be spent when it cannot be read. */
export const limitOf = ({ limit }: Budget): Usd => parseUsd(limit) ?? NO_MONEY

/** What is left of a budget of which `value` is spent and held, never below zero. */
export const leftOf = (budget: Budget, value: bigint): Usd =>
  maxOf(NO_MONEY, (limitOf(budget) - value) as Usd)

/** What is spent and held of a budget, by the counters that a move left behind. */
export const usedOf = ({ counter, beside = [] }: Drawn, counters: Readonly<Record<string, bigint>>): Usd => {
  let sum = counters[counter] ?? 0n
  for (const name of beside) sum += counters[name] ?? 0n
  return sum as Usd
}

const rolling = ({ piece, pieces }: (typeof ROLLING)['hour' | 'day' | 'month'], now: number): Window => {
  const start = Math.floor(now / piece) * piece
  return { name: windowName(start), from: start - pieces * piece, resets: start + piece }
}

const besideOf = (node: NodeId, budget: Budget, { from, resets }: Window): { beside?: readonly string[] } => {
  const { window, per } = budget
  if (window !== 'rolling' || per === 'call' || per === 'total' || resets === undefined) return {}
  const { piece, pieces } = ROLLING[per]
  const before = Array.from({ length: pieces }, (_, i) => from + i * piece)
  // Also the piece after it: others may be in that one already, by their clocks or because they asked later and claimed first.
  const beside = [...before, resets].map((at) => COUNTER.budget(node, budget.id, windowName(at)))
  return { beside }
}
