import { fail } from '../errors.ts'
import type { Records } from '../store/records.ts'
import { ROLLUPS } from './fold.ts'
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
