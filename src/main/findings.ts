import type { Alerts } from '../alerts/alerts.ts'
import type { Clock } from '../clock.ts'
import { randomId } from '../ids.ts'
import type { Json, Records } from '../store/records.ts'

/** What was found to differ between ledger and chain, the oldest first; and each by its name, so that it is there once. */
const FINDINGS = 'findings'
const NAMED = 'findingnames'
const KEEP_MS = 90 * 86_400_000

/** Keeps what is told of the books, so that it can be looked at later; told or not, it is kept. */
export const noting =
  (records: Records, clock: Clock, tell: Alerts['tell']): Alerts['tell'] =>
  async (event, once) => {
    if (event.type === 'reconcile.finding' || event.type === 'payment.reversed') {
      const time = clock.now()
      const id = `${time.toString(36).padStart(9, '0')}.${randomId()}`
      const until = time + KEEP_MS
      const value = { type: event.type, time, ...event.about } as Json
      // The same finding again is stale: it is there.
      const named = once ? [{ table: NAMED, id: once.name, value: id, if: 0, until }] : []
      await records.write([{ table: FINDINGS, id, value, if: 0, until }, ...named]).catch(() => {})
    }
    await tell(event, once)
  }

/** The newest findings first. */
export const findingsOf =
  (records: Records) =>
  async (limit: number): Promise<readonly object[]> => {
    const rows = await records.list<object>(FINDINGS, { limit, backwards: true })
    return rows.map(({ value }) => value)
  }
