import { fail } from '../errors.ts'
import type { Records } from '../store/records.ts'
import { DAYS, ROLLUPS } from './fold.ts'
import { placeNow } from './follower.ts'
import { type Place, placeOf } from './places.ts'
import { type Packed, type Sums, unpacked } from './sums.ts'

/** The sums of one value in one bucket. */
export type Cell = { bucket: string; value: string; sums: Sums }

const PAGE = 2_000
/** Rows that one question may read. */
const MOST = 200_000

/** The rows of a node and a dimension from one bucket to another, both included, in the order of time. Refuses what is more than can be held. */
export const readBuckets = async (
  records: Records,
  { scope, grain, dim }: Pick<Place, 'scope' | 'grain' | 'dim'>,
  first: string,
  last: string,
): Promise<Cell[]> => {
  const prefix = `${scope}/${grain}/${dim}/`
  // `0` is the character after `/`: the end of the last bucket.
  const range = { prefix, from: `${prefix}${first}/`, to: `${prefix}${last}0` }
  const cells: Cell[] = []
  for (let after: string | undefined; ; ) {
    const rows = await records.list<Packed>(ROLLUPS, { ...range, limit: PAGE, ...(after && { after }) })
    for (const { id, value } of rows) cells.push({ ...placeOf(id, value.about), sums: unpacked(value) })
    if (rows.length < PAGE) return cells
    if (cells.length >= MOST)
      throw fail('invalid_request', { problem: 'from, to: ask for fewer days', param: 'from' })
    after = rows.at(-1)!.id
  }
}

export type Reader = (
  records: Records,
  where: Pick<Place, 'scope' | 'dim'>,
  days: readonly string[],
) => Promise<Cell[]>

/** Cells that a reader keeps. */
const MOST_KEPT = 200_000

/** Reads days, each of them again only when a journal line has changed it since. */
export const createReader = (): Reader => {
  const kept = new Map<string, { seal: string; cells: readonly Cell[] }>()
  let size = 0

  return async (records, { scope, dim }, days) => {
    const name = (day: string) => `${scope}/${dim}/${day}`
    const [place, rows] = await Promise.all([placeNow(records), records.many<string>(DAYS, days)])
    const seals = new Map(days.map((day, i) => [day, rows[i]?.value ?? '']))
    const have = place?.clearing ? [] : days.filter((day) => kept.get(name(day))?.seal === seals.get(day))
    const found = new Map(have.map((day) => [day, kept.get(name(day))!.cells]))
    const read = new Map<string, Cell[]>()
    for (const [first, last] of runsOf(days, found)) {
      const cells = await readBuckets(records, { scope, dim, grain: 'd' }, first, last)
      for (const cell of cells) {
        const of = read.get(cell.bucket)
        if (of) of.push(cell)
        else read.set(cell.bucket, [cell])
      }
    }
    const missing = days.filter((day) => !found.has(day))
    // While all is dropped and counted anew, a day without a seal may have had rows.
    const now = missing.length > 0 ? await placeNow(records) : place
    const sound = !place?.clearing && !now?.clearing && (now?.seq ?? 0) >= (place?.seq ?? 0)
    for (const day of missing) {
      const cells = read.get(day) ?? []
      found.set(day, cells)
      if (!sound) continue
      if (size > MOST_KEPT) {
        kept.clear()
        size = 0
      }
      kept.set(name(day), { seal: seals.get(day)!, cells })
      size += cells.length + 1
    }
    return days.flatMap((day) => found.get(day)!)
  }
}

/** The first and last day of each run of days that are not there. */
const runsOf = (days: readonly string[], have: ReadonlyMap<string, unknown>): [string, string][] => {
  const runs: [string, string][] = []
  for (const [i, day] of days.entries()) {
    if (have.has(day)) continue
    const last = runs.at(-1)
    if (last && last[1] === days[i - 1]) last[1] = day
    else runs.push([day, day])
  }
  return runs
}
