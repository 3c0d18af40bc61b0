/**
 * When a host is asked and when it is left alone. Closed: asked. Open: it rests. Half-open: its rest is over, one probe is
 * let through, and what becomes of it closes or opens it again.
 */
export type Breaker = {
  /** Failures in a row. */
  row: number
  /** Attempts lately, newest slice first. */
  slices: readonly Slice[]
  /** Share of failures lately, 0..1, as it was at `at`, ms. */
  failing: number
  at: number
  /** When its probe began, ms; undefined while none is out. */
  probe: number | undefined
}

type Slice = { from: number; ok: number; bad: number }

/** What all instances know of a host: how often it opened since it last answered, until when it rests, until when it asked to be left alone; ms. */
export type Rest = { opened: number; until: number; barred: number }

export const NO_REST: Rest = { opened: 0, until: 0, barred: 0 }

const FIRST_REST_MS = 500
/** Half of the time after which whoever came back must be asked again. */
const LONGEST_REST_MS = 15_000
const LONGEST_BARRED_MS = 120_000
const SLICE_MS = 2_000
const SLICES = 5
/** Attempts lately from which on their share of failures is believed. */
const ENOUGH = 10
const TOO_MANY = 0.5
const IN_A_ROW = { quiet: 2, busy: 5 }
/** Weight of one attempt in `failing`, and the time after which half of it is forgotten, ms. */
const WEIGHT = 0.1
const HALF_MS = 30_000
/** A probe that never came back is given up after so long, ms. */
const PROBE_MS = 180_000

export const freshBreaker = (): Breaker => ({ row: 0, slices: [], failing: 0, at: 0, probe: undefined })

export const isResting = (rest: Rest, breaker: Breaker | undefined, now: number): boolean =>
  rest.until > now || rest.barred > now || (rest.opened > 0 && isProbing(breaker, now))

/** An attempt begins: the first after a rest is the probe. */
export const begun = (breaker: Breaker, rest: Rest, now: number): Breaker =>
  rest.opened > 0 && rest.until <= now && !isProbing(breaker, now) ? { ...breaker, probe: now } : breaker

/** An attempt ended and says nothing of the host. */
export const ended = (breaker: Breaker): Breaker => ({ ...breaker, probe: undefined })

/** The host answered: its rest is over. */
export const answered = (breaker: Breaker, now: number): Breaker => ({
  ...counted(breaker, now, true),
  row: 0,
  probe: undefined,
})

/** The host failed; `rest` is undefined when nothing changes for others. `askedMs`: how long it asked to be left alone. */
export const failed = (
  breaker: Breaker,
  rest: Rest,
  now: number,
  askedMs = 0,
): { breaker: Breaker; rest: Rest | undefined } => {
  const after = { ...counted(breaker, now, false), row: breaker.row + 1, probe: undefined }
  const barred = askedMs > 0 ? Math.max(rest.barred, now + Math.min(askedMs, LONGEST_BARRED_MS)) : rest.barred
  const opens = isToOpen(breaker, after, rest, now)
  if (!opens && barred === rest.barred) return { breaker: after, rest: undefined }
  const opened = opens ? rest.opened + 1 : rest.opened
  const until = opens
    ? now + Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(opened - 1, 10))
    : rest.until
  return { breaker: after, rest: { opened, until, barred } }
}

/** Share of failures lately, 0..1; forgotten with time, so that a host which nobody asks is not bad for ever. */
export const failingOf = (breaker: Breaker | undefined, now: number): number =>
  breaker ? breaker.failing * 0.5 ** (Math.max(0, now - breaker.at) / HALF_MS) : 0

// What was asked before it opened and fails afterwards tells nothing new: only the probe makes the rest longer.
const isToOpen = (before: Breaker, after: Breaker, rest: Rest, now: number): boolean => {
  if (rest.opened > 0) return rest.until <= now && isProbing(before, now)
  const ok = after.slices.reduce((sum, one) => sum + one.ok, 0)
  const bad = after.slices.reduce((sum, one) => sum + one.bad, 0)
  const busy = ok + bad >= ENOUGH
  return after.row >= (busy ? IN_A_ROW.busy : IN_A_ROW.quiet) || (busy && bad / (ok + bad) >= TOO_MANY)
}

const isProbing = (breaker: Breaker | undefined, now: number): boolean =>
  breaker?.probe !== undefined && now - breaker.probe < PROBE_MS

const counted = (breaker: Breaker, now: number, ok: boolean): Breaker => {
  const recent = breaker.slices.filter(({ from }) => now - from < SLICE_MS * SLICES)
  const newest = recent[0]
  const open = newest && now - newest.from < SLICE_MS ? newest : { from: now, ok: 0, bad: 0 }
  const rest = open === newest ? recent.slice(1) : recent
  const slice = { ...open, ok: open.ok + (ok ? 1 : 0), bad: open.bad + (ok ? 0 : 1) }
  const failing = failingOf(breaker, now)
  return {
    ...breaker,
    slices: [slice, ...rest],
    failing: failing + WEIGHT * ((ok ? 0 : 1) - failing),
    at: now,
  }
}
