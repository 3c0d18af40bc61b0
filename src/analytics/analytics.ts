/**
 * analytics/: what calls came to, by day and hour, for the site and for each node above them. One follower adds each
 * journal line to the sums in Records (told.ts judges a line, places.ts where it counts, fold.ts makes the writes); what
 * is asked is a range of rows (read.ts) and arithmetic on them (query.ts).
 */
import type { NodeId } from '../accounts/node.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Usd } from '../money.ts'
import type { Records } from '../store/records.ts'
import { createFollower, placeNow } from './follower.ts'
import { hourOf, startOf } from './places.ts'
import { readBuckets } from './read.ts'
import { spendOf } from './sums.ts'

export type Hour = { at: number; calls: number; spend: Usd }

export type Analytics = {
  /** Follows the journal until stopped: one instance at a time should; more do no harm. */
  start: () => void
  stop: () => Promise<void>
  /** Adds what is new in the journal, to its end; how many lines there were. */
  tick: () => Promise<number>
  /** Resolves when nothing is new. */
  idle: () => Promise<void>
  /** Drops all sums and begins with the first line; what is asked meanwhile is not all. */
  rebuild: () => Promise<void>
  /** Lines of the journal that do not count yet. */
  behind: () => Promise<number>
  /** The last hours of a node, the oldest first, this one included; at most 60 days are known. */
  hourly: (node: NodeId, hours: number) => Promise<Hour[]>
}

export type AnalyticsFacts = {
  records: Records
  ledger: Pick<Ledger, 'journal' | 'lines' | 'call'>
  clock: Clock
  log: Log
  /** How often it looks for new lines when there were none, ms. */
  everyMs?: number
  /** Rows that one write may touch. */
  mostRows?: number
  mostTags?: number
}

const EVERY_MS = 2_000
const HOUR_MS = 3_600_000

export const createAnalytics = (facts: AnalyticsFacts): Analytics => {
  const { records, ledger, clock, log, everyMs = EVERY_MS } = facts
  const follower = createFollower({ ...facts, now: clock.now })
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  let running: Promise<number> | undefined
  let failing = false

  const all = async (): Promise<number> => {
    let lines = 0
    for (let some = 1; some > 0 && !stopping; ) {
      some = await follower.step()
      lines += some
    }
    return lines
  }
  const tick = (): Promise<number> => {
    running ??= all().finally(() => {
      running = undefined
    })
    return running
  }
  const again = async (): Promise<void> => {
    try {
      await tick()
      failing = false
    } catch (error) {
      if (!failing) log.warn('rollups_behind', { why: reasonOf(error) })
      failing = true
    }
    if (!stopping) timer = setTimeout(again, everyMs)
  }

  return {
    start: () => {
      stopping = false
      timer = setTimeout(again, 0)
    },
    stop: async () => {
      stopping = true
      clearTimeout(timer)
      await running?.catch(() => {})
    },
    tick,
    idle: async () => {
      while ((await tick()) > 0);
    },
    rebuild: async () => {
      await running?.catch(() => {})
      await follower.rebuild()
    },
    behind: async () => {
      const [lines, place] = await Promise.all([ledger.lines(), placeNow(records)])
      return Math.max(0, lines - (place?.seq ?? 0))
    },
    hourly: async (node, hours) => {
      const last = startOf(hourOf(clock.now()))
      const from = last - (hours - 1) * HOUR_MS
      const rows = await readBuckets(
        records,
        { scope: node, grain: 'h', dim: 'total' },
        hourOf(from),
        hourOf(last),
      )
      const found = new Map(rows.map(({ bucket, sums }) => [bucket, sums]))
      return Array.from({ length: hours }, (_, i) => {
        const at = from + i * HOUR_MS
        const sums = found.get(hourOf(at))
        return { at, calls: sums?.calls ?? 0, spend: sums ? spendOf(sums) : (0n as Usd) }
      })
    },
  }
}
