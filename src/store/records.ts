/**
 * Records: what is kept beside the ledger (accounts, approvals, webhooks, audit, rollups). Rows of JSON in tables,
 * written many at a time, all or none, each only if its row is as its writer saw it. One contract for all twins.
 */
import type { Clock } from '../clock.ts'

/** What a row holds: JSON, nothing undefined in it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** `version`: how often the row was written, from 1. */
export type Row<T = Json> = { id: string; value: T; version: number }

/** Tables and indexes are named by lower-case letters; ids and the values of indexes by printable ASCII without spaces, 1 to 200 characters. */
export type Put = {
  table: string
  id: string
  value: Json
  /** The version that the row must have now, 0: it must not be there. Left out: whatever it has. */
  if?: number
  /** By what else the row is found: the value of each index. Replaces what the row had. */
  keys?: Readonly<Record<string, string>>
  /** The row is gone from then on, ms. */
  until?: number
}
export type Drop = { table: string; id: string; drop: true; if?: number }
export type Write = Put | Drop

/** `stale`: a row that is elsewhere than its writer saw it; nothing was written. */
export type Written = { ok: true } | { ok: false; stale: { table: string; id: string } }

export type Range = {
  /** Ids that begin with this. */
  prefix?: string
  /** Only ids beyond this one, in the direction that is read. */
  after?: string
  /** Only ids from here on, and before there, whatever the direction. */
  from?: string
  to?: string
  /** Only rows that have this value of an index. */
  key?: readonly [index: string, value: string]
  backwards?: boolean
  limit: number
}

export type Records = {
  get: <T = Json>(table: string, id: string) => Promise<Row<T> | undefined>
  /** Several rows of one table, in the order asked; undefined where there is none. */
  many: <T = Json>(table: string, ids: readonly string[]) => Promise<(Row<T> | undefined)[]>
  /** Rows in the order of their ids (by bytes), at most `limit`. */
  list: <T = Json>(table: string, range: Range) => Promise<Row<T>[]>
  /** All of it or none, durable when resolved. Rejects with `ledger_unavailable` when nobody can say. Rows of one write must be different ones. */
  write: (writes: readonly Write[]) => Promise<Written>
  /** Goes up with each write to a table; what was read before may be kept as long as it stays, and no row's `until` comes. Says nothing to another process. */
  revision: (table: string) => Promise<number>
  close: () => Promise<void>
}

const PAGE = 500

/** Every row of a range, in the order of their ids, read page by page. */
export async function* allRows<T = Json>(
  records: Pick<Records, 'list'>,
  table: string,
  range: Omit<Range, 'limit'>,
): AsyncGenerator<Row<T>> {
  let from = range
  for (let full = true; full; ) {
    const rows = await records.list<T>(table, { ...from, limit: PAGE })
    yield* rows
    const last = rows.at(-1)?.id
    full = rows.length === PAGE
    if (last !== undefined) from = { ...range, after: last }
  }
}

const NAME = /^[a-z]{1,40}$/
const ID = /^[!-~]{1,200}$/

/** Throws for a name or an id that the twins would not keep in the same order: a bug of the writer, nothing is refused by it. */
export const checkWrites = (writes: readonly Write[]): void => {
  for (const one of writes) {
    const keys = 'drop' in one ? [] : Object.entries(one.keys ?? {})
    const names = [one.table, ...keys.map(([name]) => name)]
    const ids = [one.id, ...keys.map(([, value]) => value)]
    const bad = [...names.filter((name) => !NAME.test(name)), ...ids.filter((id) => !ID.test(id))]
    if (bad.length > 0) throw new Error(`not a name or an id of records: ${JSON.stringify(bad)}`)
  }
}

/** A range as the least id in it and the least beyond it. Ids hold no character below "!" and none above "~". */
export const boundsOf = ({
  prefix = '',
  after,
  from,
  to,
  backwards,
}: Range): { low: string; high: string } => {
  const low = [' ', prefix, from ?? '', after === undefined || backwards ? '' : `${after} `]
  const high = [`${prefix}\x7f`, to ?? '\x7f', after === undefined || !backwards ? '\x7f' : after]
  const sorted = (list: string[]) => list.sort((a, b) => (a < b ? -1 : 1))
  return { low: sorted(low).at(-1)!, high: sorted(high)[0]! }
}

type Kept = { value: string; version: number; keys: Readonly<Record<string, string>>; until: number }

/** Records that live as long as the process. */
export const memoryRecords = ({ clock }: { clock: Clock }): Records => {
  const tables = new Map<string, Map<string, Kept>>()
  const revisions = new Map<string, number>()
  const tableOf = (table: string) => tables.get(table) ?? tables.set(table, new Map()).get(table)!
  const alive = (table: string, id: string): Kept | undefined => {
    const kept = tableOf(table).get(id)
    if (!kept || kept.until > clock.now()) return kept
    tableOf(table).delete(id)
    return undefined
  }
  const rowOf = <T>(id: string, { value, version }: Kept): Row<T> => ({
    id,
    value: JSON.parse(value),
    version,
  })
  const get = <T>(table: string, id: string): Row<T> | undefined => {
    const kept = alive(table, id)
    return kept && rowOf(id, kept)
  }
  return {
    get: async (table, id) => get(table, id),
    many: async (table, ids) => ids.map((id) => get(table, id)),
    list: async (table, range) => {
      const ids = [...tableOf(table).keys()]
        .filter((id) => isIn(id, range) && hasKey(alive(table, id), range))
        .sort()
      return (range.backwards ? ids.reverse() : ids)
        .slice(0, range.limit)
        .map((id) => rowOf(id, alive(table, id)!))
    },
    write: async (writes) => {
      checkWrites(writes)
      for (const { table, id, if: wanted } of writes)
        if (wanted !== undefined && (alive(table, id)?.version ?? 0) !== wanted)
          return { ok: false, stale: { table, id } }
      for (const one of writes) {
        const before = alive(one.table, one.id)
        if ('drop' in one) tableOf(one.table).delete(one.id)
        else {
          const { value, keys = {}, until = Number.POSITIVE_INFINITY } = one
          const version = (before?.version ?? 0) + 1
          tableOf(one.table).set(one.id, { value: JSON.stringify(value), version, keys, until })
        }
        revisions.set(one.table, (revisions.get(one.table) ?? 0) + 1)
      }
      return { ok: true }
    },
    revision: async (table) => revisions.get(table) ?? 0,
    close: async () => {},
  }
}

/** Whether an id lies in a range, its index apart. */
export const isIn = (id: string, { prefix = '', after, from, to, backwards }: Range): boolean =>
  id.startsWith(prefix) &&
  (after === undefined || (backwards ? id < after : id > after)) &&
  (from === undefined || id >= from) &&
  (to === undefined || id < to)

const hasKey = (kept: Kept | undefined, { key }: Range): boolean =>
  kept !== undefined && (key === undefined || kept.keys[key[0]] === key[1])
