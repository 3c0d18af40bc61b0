import type { JournalEntry, Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Put, Records, Row, Write } from '../store/records.ts'
import { createFold, DAYS, type FoldFacts, ROLLUPS, WAITING } from './fold.ts'

/** Adds what the journal tells to the rollups, each line once: the place in the journal is written with the sums. */
export type Follower = {
  /** Adds the next lines; how many there were. Somebody else may have been faster: then nothing was written, and it is asked again. */
  step: () => Promise<number>
  /** Drops all sums and begins again with the first line. */
  rebuild: () => Promise<void>
}

/** How far the rollups are: the last line that counts, its seal, and its time in ms. `clearing`: they are being dropped. */
export type Place = { seq: number; hash: string; at: number; clearing?: boolean }

export type FollowerFacts = Omit<FoldFacts, 'ledger'> & {
  ledger: Pick<Ledger, 'journal' | 'lines' | 'call'>
  log: Log
  /** Lines read at once. */
  page?: number
}

const CURSOR = 'rollupcursor'
const START: Place = { seq: 0, hash: '', at: 0 }
const PAGE = 1_000
/** Rows that one write drops. */
const DROPPED = 500

/** How far the rollups are; undefined before the first line. */
export const placeNow = async (records: Records): Promise<Place | undefined> =>
  (await records.get<Place>(CURSOR, 'cursor'))?.value

export const createFollower = (facts: FollowerFacts): Follower => {
  const { records, ledger, log, page = PAGE } = facts
  const fold = createFold(facts)
  let cursor: { place: Place; version: number } | undefined
  let idle = false
  /** Lines that were read and did not fit into the last write. */
  let left: JournalEntry[] = []

  /** Where we are. While nothing is new it is asked again: somebody may have begun anew. */
  const here = async (): Promise<{ place: Place; version: number }> => {
    if (cursor && !idle) return cursor
    const row: Row<Place> | undefined = await records.get<Place>(CURSOR, 'cursor')
    const version = row?.version ?? 0
    if (cursor?.version !== version) fold.forget()
    cursor = { place: row?.value ?? START, version }
    idle = false
    return cursor
  }
  const forget = () => {
    cursor = undefined
    left = []
    fold.forget()
  }

  /** Writes and goes on from `place`, if nobody did meanwhile. */
  const write = async (writes: readonly Write[], place: Place): Promise<boolean> => {
    const { version } = await here()
    const moved: Put = { table: CURSOR, id: 'cursor', value: place, if: version }
    const { ok } = await records.write([...writes, moved])
    if (ok) cursor = { place, version: version + 1 }
    else forget()
    return ok
  }

  const clear = async (): Promise<void> => {
    for (const table of [DAYS, ROLLUPS, WAITING]) {
      const rows = await records.list(table, { limit: DROPPED })
      if (rows.length === 0) continue
      await write(
        rows.map(({ id }) => ({ table, id, drop: true })),
        { ...START, clearing: true },
      )
      return
    }
    if (await write([], START)) fold.forget()
  }

  const rebuild = async (): Promise<void> => {
    let begun = false
    while (!begun) begun = await write([], { ...START, clearing: true })
    while ((await here()).place.clearing) await clear()
  }

  /** The ledger is another than the one whose lines were added: only a whole journal can be told anew. */
  const restart = async (place: Place): Promise<number> => {
    const [first] = await ledger.journal(0, 1)
    if (first && first.seq > 1) {
      const seq = Math.min(place.seq, await ledger.lines())
      log.error('rollups_of_another_ledger', { from: first.seq, seq })
      await write([], { seq, hash: '', at: first.at })
      return 1
    }
    log.warn('rollups_rebuilt', { seq: place.seq })
    await rebuild()
    return 1
  }

  /** The next lines. The last one that counts is read with them: by its seal it is known that the journal is still the same. */
  const read = async (place: Place): Promise<JournalEntry[] | 'another'> => {
    const lines = await ledger.journal(Math.max(0, place.seq - 1), page + 1)
    const [first] = lines
    if (place.seq > 0 && !first) return 'another'
    if (first?.seq === place.seq) return isSame(place, first) ? lines.slice(1) : 'another'
    if (first && first.seq > place.seq + 1)
      log.error('rollups_lines_gone', { from: place.seq + 1, to: first.seq - 1 })
    return lines
  }

  const step = async (): Promise<number> => {
    const { place } = await here()
    if (place.clearing) {
      await clear()
      return 1
    }
    const lines = left[0]?.seq === place.seq + 1 ? left : await read(place)
    if (lines === 'another') return restart(place)
    idle = lines.length === 0
    if (idle) return 0
    const { writes, lines: count } = await fold.writes(lines)
    const last = lines[count - 1]!
    if (await write(writes, { seq: last.seq, hash: last.hash, at: last.at })) left = lines.slice(count)
    return count
  }

  const safely = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      // Whether it was written is not known.
      forget()
      throw error
    }
  }
  return { step: () => safely(step), rebuild: () => safely(rebuild) }
}

const isSame = ({ hash }: Place, line: JournalEntry): boolean => hash === '' || hash === line.hash
