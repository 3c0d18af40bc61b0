/** From when to when, ms: `to` is not in it. */
export type Span = { from: number; to: number }

export type Zones = {
  /** The hour, day or month of a time zone that a time lies in. */
  spanOf: (zone: string, unit: 'hour' | 'day' | 'month', now: number) => Span
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Whether the runtime knows a time zone of that name. */
export const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * Calendars of time zones. A day begins when its zone first comes to it, so that an hour that is repeated lengthens the
 * day, and a day that is left out has no time. An hour is one of the clock, cut where the clock is changed. The span
 * that was asked for last is remembered for each zone.
 */
export const createZones = (): Zones => {
  const clocks = new Map<string, Intl.DateTimeFormat>()
  const spans = new Map<string, Span>()

  /** By how much the clocks of a zone are ahead of UTC, ms. */
  const offset = (zone: string, at: number): number => {
    let clock = clocks.get(zone)
    if (!clock) {
      clock = clockOf(zone)
      clocks.set(zone, clock)
    }
    const whole = Math.floor(at / 1000) * 1000
    const part: Record<string, number> = {}
    for (const { type, value } of clock.formatToParts(whole)) part[type] = Number(value)
    const { year, month, day, hour, minute, second } = part
    return Date.UTC(year!, month! - 1, day, hour, minute, second) - whole
  }

  /** The first minute in (from, to] with another offset than before it, when its zone changes the clocks there once. */
  const change = (zone: string, from: number, to: number): number | undefined => {
    const after = offset(zone, to)
    if (offset(zone, from) === after) return undefined
    let [low, high] = [Math.floor(from / MINUTE), Math.ceil(to / MINUTE)]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offset(zone, middle * MINUTE) === after) high = middle
      else low = middle
    }
    return high * MINUTE
  }

  /** When the clocks of a zone first show a time or one after it; `wall` is that time as if it were UTC. */
  const firstAt = (zone: string, wall: number): number => {
    // No zone is further from UTC, before or after.
    const changed = change(zone, wall - 16 * HOUR, wall + 16 * HOUR)
    if (changed === undefined) return wall - offset(zone, wall)
    const before = wall - offset(zone, changed - 1)
    return before < changed ? before : Math.max(changed, wall - offset(zone, changed))
  }

  const hourOf = (zone: string, now: number): Span => {
    const ahead = offset(zone, now)
    const from = Math.floor((now + ahead) / HOUR) * HOUR - ahead
    return {
      from: change(zone, from, now) ?? from,
      to: change(zone, now, from + HOUR - 1) ?? from + HOUR,
    }
  }

  const longOf = (zone: string, step: (wall: number, by: number) => number, now: number): Span => {
    let wall = step(now + offset(zone, now), 0)
    let [from, to] = [firstAt(zone, wall), firstAt(zone, step(wall, 1))]
    // The clocks were set back into a day that had ended, or a day was left out.
    while (to <= now) {
      wall = step(wall, 1)
      from = to
      to = firstAt(zone, step(wall, 1))
    }
    return { from, to }
  }

  return {
    spanOf: (zone, unit, now) => {
      const key = `${unit} ${zone}`
      const known = spans.get(key)
      if (known && now >= known.from && now < known.to) return known
      const span = unit === 'hour' ? hourOf(zone, now) : longOf(zone, unit === 'day' ? toDay : toMonth, now)
      spans.set(key, span)
      return span
    },
  }
}

const clockOf = (timeZone: string): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat('en', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })

/** The begin of a day or month, some of them later. */
const toDay = (wall: number, by: number): number => (Math.floor(wall / (24 * HOUR)) + by) * 24 * HOUR
const toMonth = (wall: number, by: number): number => {
  const date = new Date(wall)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + by)
}
