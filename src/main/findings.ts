import type { Alerts } from '../alerts/alerts.ts'
import type { Clock } from '../clock.ts'
import type { Json, Records } from '../store/records.ts'

/** What was found to differ between ledger and chain, each once; ids say nothing of when. */
const FINDINGS = 'findings'
const KEEP_MS = 90 * 86_400_000

/** Keeps what is told of the books, so that it can be looked at later; told or not, it is kept. */
export const noting =
  (records: Records, clock: Clock, tell: Alerts['tell']): Alerts['tell'] =>
  async (event, once) => {
    if (event.type === 'reconcile.finding' || event.type === 'payment.reversed') {
      const time = clock.now()
      const id = once?.name ?? `${event.type}.${time}`
      const value = { type: event.type, time, ...event.about } as Json
      // The same finding again is the finding that is there.
      const put = { table: FINDINGS, id, value, if: 0, until: time + KEEP_MS }
      await records.write([put]).catch(() => {})
    }
    await tell(event, once)
  }

type Finding = { time: number }

/** The newest findings first. */
export const findingsOf =
  (records: Records) =>
  async (limit: number): Promise<readonly object[]> => {
    const rows = await records.list<Finding>(FINDINGS, { limit: MOST })
    return rows
      .map(({ value }) => value)
      .toSorted((a, b) => b.time - a.time)
      .slice(0, limit)
  }

const MOST = 1_000
