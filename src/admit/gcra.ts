/** How often something may happen: `burst` at once, and then `perSecond`. */
export type Rate = { perSecond: number; burst: number }

/** `left`: how many more would get in now. `waitMs`: when the next one would. */
export type Taken = { ok: true; left: number } | { ok: false; waitMs: number }

/** What one costs, in milliseconds of a bucket. */
export const intervalOf = ({ perSecond }: Rate): number => 1000 / perSecond

/** Milliseconds in which a bucket of this rate empties, whatever was taken. */
export const windowOf = (rate: Rate): number => rate.burst * intervalOf(rate)

// What floats lose when milliseconds since 1970 are added up.
const ROUNDING_MS = 0.01

/**
 * The generic cell rate algorithm: a bucket is one time, `until`, at which it is empty again. Takes one, or none where
 * that would run over. A time that lies further ahead than any bucket reaches is that of a clock which was set back.
 */
export const take = (until: number, now: number, rate: Rate): { until: number; taken: Taken } => {
  const interval = intervalOf(rate)
  const window = windowOf(rate)
  const from = Math.min(Math.max(until, now), now + 2 * window)
  const next = from + interval
  const waitMs = next - window - now
  if (waitMs > ROUNDING_MS) return { until: from, taken: { ok: false, waitMs } }
  return { until: next, taken: { ok: true, left: Math.floor((-waitMs + ROUNDING_MS) / interval) } }
}
