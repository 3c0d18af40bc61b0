import type { JournalEntry, Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Drop, Put, Records } from '../store/records.ts'
import { type Added, kindsOf, put } from './added.ts'
import {
  dayOf,
  isLong,
  isWide,
  OTHER,
  type Place,
  placeOf,
  placesOf,
  prefixOf,
  scopesOf,
  sitePlaces,
  startOf,
} from './places.ts'
import { NOTHING, type Packed, packed, plus, type Sums, unpacked } from './sums.ts'
import { addedBy, claimedOf, counts, endedBy, isCall, isEnd, type Known, knownOf, subjectOf } from './told.ts'

export const ROLLUPS = 'rollups'
/** What is known of calls that have not ended: gas that was spent before. */
export const WAITING = 'rollupwait'

/** By day, the seal of the last journal line that changed a row of it: as long as that is the same, so are they. */
export const DAYS = 'rollupdays'

export type FoldFacts = {
  records: Records
  ledger: Pick<Ledger, 'call'>
  log: Log
  now: () => number
  /** Rows that one write may touch; a line that touches more than are left ends the write. */
  mostRows?: number
  /** Tags of a node and a day that are told apart. */
  mostTags?: number
}

/** Turns journal lines into writes. It remembers what it read; whoever fails to write must `forget`. */
export type Fold = {
  /** The writes for the first `lines` of some lines in order: as many as fit. */
  writes: (lines: readonly JournalEntry[]) => Promise<{ writes: (Put | Drop)[]; lines: number }>
  forget: () => void
}

/** Hours are forgotten after this long, ms. */
export const HOURS_MS = 60 * 86_400_000

// A shared Redis does nothing else while it writes them.
const MOST_ROWS = 300
const MOST_TAGS = 200
/** Calls and rows that are kept in memory. */
const MOST_KNOWN = 10_000
const MOST_CACHED = 50_000

type Cached = { sums: Sums; version: number }
/** One line and the call it is about; `site`: it is about none. */
type Told = { line: JournalEntry; id: string; known: Known | 'site' }

export const createFold = (facts: FoldFacts): Fold => {
  const { records, ledger, log, now, mostRows = MOST_ROWS, mostTags = MOST_TAGS } = facts
  const known = new Map<string, Known>()
  const cached = new Map<string, Cached>()
  /** The tags that a node tells apart on a day, by the beginning of their rows' ids. */
  const tags = new Map<string, Set<string>>()
  const keep = (id: string, one: Known): Known => {
    known.set(id, one)
    if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!)
    return one
  }

  /** The calls behind some lines, in order; what a line itself tells is learnt on the way. */
  const look = async (lines: readonly JournalEntry[]): Promise<Told[]> => {
    const told: Told[] = []
    for (const line of lines) {
      const { move } = line
      const id = subjectOf(move)
      if (id === undefined) continue
      if (move.type === 'claim') keep(id, { claimed: claimedOf(move.call) })
      if (!counts(line)) continue
      if (!isCall(id)) {
        told.push({ line, id, known: 'site' })
        continue
      }
      const one = known.get(id) ?? (await find(id))
      if (!one) log.warn('rollups_call_gone', { call: id, line: line.seq })
      else told.push({ line, id, known: isEnd(move) ? keep(id, { ...one, ended: endedBy(move) }) : one })
    }
    return told
  }
  const find = async (id: string): Promise<Known | undefined> => {
    const call = await ledger.call(id)
    return call && keep(id, knownOf(call))
  }

  /** What waits for the calls that end in some lines. */
  const waitingFor = async (told: readonly Told[]): Promise<Map<string, Cached>> => {
    const ids = [...new Set(told.filter(({ known: one }) => one !== 'site').map(({ id }) => id))]
    const rows = await records.many<Packed>(WAITING, ids)
    return new Map(rows.flatMap((row) => (row ? [[row.id, cachedOf(row)]] : [])))
  }

  const readTags = async (told: readonly Told[]): Promise<void> => {
    for (const { known: one } of told) {
      if (one === 'site' || one.claimed.tags.length === 0) continue
      for (const prefix of tagPrefixes(one))
        if (!tags.has(prefix)) {
          if (tags.size > MOST_KNOWN) tags.clear()
          const rows = await records.list<Packed>(ROLLUPS, { prefix, limit: mostTags + 1 })
          const values = rows.map(({ id, value }) => placeOf(id, value.about).value)
          tags.set(prefix, new Set(values.filter((value) => value !== OTHER)))
        }
    }
  }

  const tagPlaces = ({ claimed }: Known): Place[] =>
    tagScopes(claimed.path).flatMap((scope) => {
      const bucket = dayOf(claimed.at)
      const place = { scope, grain: 'd', dim: 'tag', bucket } as const
      const set = tags.get(prefixOf(place)) ?? new Set<string>()
      const values = claimed.tags.map((tag) => {
        if (set.size < mostTags) set.add(tag)
        return set.has(tag) ? tag : OTHER
      })
      // Two tags that are both among the others are one call there.
      return [...new Set(values)].map((value) => ({ ...place, value }))
    })

  /** What lines add up to, row by row, until a write would be too large. */
  const gather = (told: readonly Told[], waiting: Map<string, Cached>) => {
    const added = new Map<string, Added>()
    const wait = new Map<string, Sums>()
    let done = 0
    for (const { line, id, known: one } of told) {
      if (done > 0 && added.size >= mostRows) break
      done++
      if (one === 'site') {
        const { gas } = addedBy(line, 0)
        for (const [chain, wei] of Object.entries(gas)) {
          const kinds = kindsOf({ ...NOTHING, gas: { [chain]: wei } })
          for (const place of sitePlaces(line.at, chain)) put(added, place, kinds)
        }
        continue
      }
      const sums = addedBy(line, one.claimed.decimals)
      const before = wait.get(id) ?? waiting.get(id)?.sums
      if (!one.ended) {
        wait.set(id, plus(before ?? NOTHING, sums))
        continue
      }
      // What came before a call ended counts with it.
      const ends = isEnd(line.move) && before !== undefined
      if (ends) wait.set(id, NOTHING)
      const all = ends ? plus(before, sums) : sums
      const kinds = kindsOf(all)
      for (const place of placesOf({ ...one.claimed, ...one.ended })) put(added, place, kinds)
      if (kinds.unpaid.untimed) for (const place of tagPlaces(one)) put(added, place, kinds)
    }
    return { added, wait, done }
  }

  const read = async (ids: readonly string[]): Promise<void> => {
    const unread = ids.filter((id) => !cached.has(id))
    if (unread.length === 0) return
    if (cached.size + unread.length > MOST_CACHED) cached.clear()
    const wanted = ids.filter((id) => !cached.has(id))
    const rows = await records.many<Packed>(ROLLUPS, wanted)
    for (const [i, id] of wanted.entries())
      cached.set(id, rows[i] ? cachedOf(rows[i]) : { sums: NOTHING, version: 0 })
  }

  const written = (id: string, place: Place, sums: Sums): Put[] => {
    const until = place.grain === 'h' ? { until: startOf(place.bucket) + HOURS_MS } : {}
    if (until.until !== undefined && until.until <= now()) return []
    const before = cached.get(id)!
    const after = { sums: plus(before.sums, sums), version: before.version + 1 }
    cached.set(id, after)
    const about = isLong(place.value) ? { about: place.value } : {}
    const value = { ...packed(after.sums), ...about }
    return [{ table: ROLLUPS, id, value, if: before.version, ...until }]
  }

  const waits = (id: string, sums: Sums, before: Cached | undefined): (Put | Drop)[] => {
    const common = { table: WAITING, id, if: before?.version ?? 0 }
    if (sums !== NOTHING) return [{ ...common, value: packed(sums) }]
    return before ? [{ ...common, drop: true }] : []
  }

  return {
    writes: async (lines) => {
      const told = await look(lines)
      const waiting = await waitingFor(told)
      await readTags(told)
      const { added, wait, done } = gather(told, waiting)
      await read([...added.keys()])
      const rows = [...added].flatMap(([id, { place, sums }]) => written(id, place, sums))
      const late = [...wait].flatMap(([id, sums]) => waits(id, sums, waiting.get(id)))
      const count = done === told.length ? lines.length : lines.indexOf(told[done]!.line)
      const days = new Set([...added.values()].map(({ place }) => place.bucket.slice(0, 10)))
      const seals = [...days].map((id): Put => ({ table: DAYS, id, value: lines[count - 1]!.hash }))
      return { writes: [...rows, ...late, ...seals], lines: count }
    },
    forget: () => {
      known.clear()
      cached.clear()
      tags.clear()
    },
  }
}

const cachedOf = ({ value, version }: { value: Packed; version: number }): Cached => ({
  sums: unpacked(value),
  version,
})

const tagPrefixes = ({ claimed }: Known): string[] =>
  tagScopes(claimed.path).map((scope) =>
    prefixOf({ scope, grain: 'd', dim: 'tag', bucket: dayOf(claimed.at) }),
  )

const tagScopes = (path: readonly string[]): string[] => scopesOf(path).filter(isWide)
