/** How many calls a provider takes at once, as far as is known. Times in milliseconds of any one clock. */
export type Level = {
  limit: number
  /** When it was lowered last; undefined while it was never. */
  loweredAt: number | undefined
  /** The shortest wait for a first byte lately, and in the time before; their lesser is the provider at its best. */
  least: number
  leastBefore: number
  leastSince: number
  /** The usual wait for a first byte; undefined before the first. */
  usual: number | undefined
}

/** How a call went. `at`: when it was asked. `firstByteMs`: how long a stream took to begin; undefined for an answer in one piece, whose length says nothing. */
export type Outcome = { at: number } & (
  | { kind: 'answered'; firstByteMs: number | undefined }
  | { kind: 'crowded' }
)

export type Bounds = { start: number; least: number; most: number }

/** Where a provider begins that nothing is known of. */
export const freshLevel = ({ start, most }: Bounds, now: number): Level => ({
  limit: Math.min(start, most),
  loweredAt: undefined,
  least: Number.POSITIVE_INFINITY,
  leastBefore: Number.POSITIVE_INFINITY,
  leastSince: now,
  usual: undefined,
})

const LOWER = 0.7
const SLOW_FACTOR = 5
const SLOW_MS = 2_000
const LEAST_FOR_MS = 60_000
const CALM_MS = 15_000

/**
 * The level after an outcome: up while calls are answered and the room is used, down by 0.7 when the provider says that
 * it has too many, or when first bytes usually take far longer than at its best. Calls that were asked before it was
 * lowered do not lower it again.
 */
export const step = (
  before: Level,
  outcome: Outcome,
  bounds: Bounds,
  inFlight: number,
  now: number,
): Level => {
  const level = outcome.kind === 'answered' ? timed(before, outcome.firstByteMs, now) : before
  if (outcome.kind === 'crowded' || isSlow(level)) {
    if (level.loweredAt !== undefined && outcome.at <= level.loweredAt) return level
    const least = Math.min(bounds.least, bounds.most)
    return { ...level, limit: Math.max(least, level.limit * LOWER), loweredAt: now, usual: undefined }
  }
  // Room that nobody needs says nothing about what the provider takes.
  if (inFlight < level.limit / 2) return level
  return { ...level, limit: Math.min(bounds.most, level.limit + growth(level, now)) }
}

// Doubles each round before the first refusal; after one by a call each round, and twice as fast for every calm while.
const growth = ({ limit, loweredAt }: Level, now: number): number => {
  if (loweredAt === undefined) return 1
  const calm = Math.min(10, Math.max(0, Math.floor((now - loweredAt) / CALM_MS)))
  return Math.min(1, 2 ** calm / limit)
}

const isSlow = ({ least, leastBefore, usual }: Level): boolean =>
  usual !== undefined && usual > SLOW_FACTOR * Math.min(least, leastBefore) + SLOW_MS

const timed = (level: Level, ms: number | undefined, now: number): Level => {
  if (ms === undefined) return level
  const usual = level.usual === undefined ? ms : level.usual * 0.9 + ms * 0.1
  if (now - level.leastSince < LEAST_FOR_MS) return { ...level, usual, least: Math.min(level.least, ms) }
  return { ...level, usual, least: ms, leastBefore: level.least, leastSince: now }
}
