/** The rows of a file of records, read and written at once: what the thread of the SQLite twin runs. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { boundsOf, type Range, type Row, type Write, type Written } from './records.ts'

/** A write whose value is written as JSON already. */
export type FileWrite = Omit<Write, 'value'> & {
  text?: string
  keys?: Readonly<Record<string, string>>
  until?: number
}

/** `now` is ms, and says which rows are gone. Values are JSON as text. */
export type RecordsFile = {
  many: (now: number, table: string, ids: readonly string[]) => (Row<string> | undefined)[]
  list: (now: number, table: string, range: Range) => Row<string>[]
  revision: (table: string) => number
  /** Several writes in one transaction and one fsync; a stale one leaves no trace, the others stand. Throws when none was kept. */
  write: (now: number, writes: readonly (readonly FileWrite[])[]) => Written[]
  close: () => void
}

const SCHEMA_VERSION = 1

// A row keeps its number `n` when it is rewritten. Its `keys` are there again as text, to be found when they are replaced.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rows (
    n INTEGER PRIMARY KEY, tbl TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, until INTEGER,
    keys TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (tbl, id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS rows_until ON rows (until) WHERE until IS NOT NULL;
  CREATE TABLE IF NOT EXISTS keys (
    tbl TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL, row INTEGER NOT NULL,
    PRIMARY KEY (tbl, name, value, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS revisions (tbl TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** Rows whose time has come that one transaction takes away. */
const SWEPT = 50

/** Opens or creates the file: WAL, synchronous FULL. Throws when it cannot be used. */
export const openRecordsFile = (path: string): RecordsFile => {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  db.exec('PRAGMA cache_size = -16384')
  const { user_version: schema } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (schema > SCHEMA_VERSION)
    throw new Error(`The records have schema ${schema}, this Farebox speaks ${SCHEMA_VERSION}.`)
  if (schema < SCHEMA_VERSION) db.exec(`${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}`)
  const sql = statements(db)
  const { had, fits, apply, sweep } = writing(sql)

  return {
    many: (now, table, ids) => ids.map((id) => sql.get.get(table, id, now) as Row<string> | undefined),
    list: (now, table, range) => {
      const { low, high } = boundsOf(range)
      const way = range.backwards ? 'down' : 'up'
      const rows = range.key
        ? sql.byKey[way].all(table, ...range.key, low, high, now, range.limit)
        : sql.byId[way].all(table, low, high, now, range.limit)
      return rows as Row<string>[]
    },
    revision: (table) => (sql.revision.get(table) as { n: number } | undefined)?.n ?? 0,
    write: (now, all) => {
      sql.begin.run()
      try {
        const written = all.map((writes) => {
          // Each row is looked at once: those of one write are different ones.
          const rows = writes.map(({ table, id }) => had(table, id))
          const stale = writes.find((one, i) => !fits(now, one, rows[i]))
          if (stale) return { ok: false as const, stale: { table: stale.table, id: stale.id } }
          for (const [i, one] of writes.entries()) apply(now, one, rows[i])
          for (const table of new Set(writes.map((one) => one.table))) sql.revise.run(table)
          return { ok: true as const }
        })
        sweep(now)
        sql.commit.run()
        return written
      } catch (error) {
        // A full disk has rolled back by itself already.
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    },
    close: () => db.close(),
  }
}

type Had = { n: number; version: number; keys: string; until: number | null }

const writing = (sql: Statements) => {
  const had = (table: string, id: string) => sql.had.get(table, id) as Had | undefined
  const versionOf = (row: Had | undefined, now: number): number =>
    row && (row.until === null || row.until > now) ? row.version : 0
  const unkey = (table: string, id: string, keys: string): void => {
    for (const [name, value] of Object.entries<string>(JSON.parse(keys)))
      sql.unkey.run(table, name, value, id)
  }
  return {
    had,
    fits: (now: number, { if: wanted }: FileWrite, row: Had | undefined): boolean =>
      wanted === undefined || versionOf(row, now) === wanted,
    apply: (now: number, one: FileWrite, before: Had | undefined): void => {
      const { table, id, text, keys = {}, until } = one
      if (before) unkey(table, id, before.keys)
      if (text === undefined) {
        if (before) sql.drop.run(before.n)
      } else {
        const end = until === undefined || until === Number.POSITIVE_INFINITY ? null : Math.ceil(until)
        const version = versionOf(before, now) + 1
        const { n } = sql.put.get(table, id, version, end, JSON.stringify(keys), text) as { n: number }
        for (const [name, value] of Object.entries(keys)) sql.key.run(table, name, value, id, n)
      }
    },
    sweep: (now: number): void => {
      for (const { n, tbl, id, keys } of sql.ended.all(now, SWEPT) as (Had & { tbl: string; id: string })[]) {
        unkey(tbl, id, keys)
        sql.drop.run(n)
      }
    },
  }
}

const ALIVE = '(r.until IS NULL OR r.until > ?)'

/** How rows are listed, up to the direction and the limit. CROSS: the index first, so that nothing is sorted. */
export const LISTING = {
  byId: `SELECT id, value, version FROM rows r WHERE tbl = ? AND id >= ? AND id < ? AND ${ALIVE} ORDER BY id`,
  byKey: `SELECT r.id, r.value, r.version FROM keys k CROSS JOIN rows r ON r.n = k.row
    WHERE k.tbl = ? AND k.name = ? AND k.value = ? AND k.id >= ? AND k.id < ? AND ${ALIVE} ORDER BY k.id`,
}

type Statements = ReturnType<typeof statements>

const statements = (db: DatabaseSync) => {
  const both = (text: string): { up: StatementSync; down: StatementSync } => ({
    up: db.prepare(`${text} ASC LIMIT ?`),
    down: db.prepare(`${text} DESC LIMIT ?`),
  })
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    get: db.prepare(`SELECT id, value, version FROM rows r WHERE tbl = ? AND id = ? AND ${ALIVE}`),
    byId: both(LISTING.byId),
    byKey: both(LISTING.byKey),
    revision: db.prepare('SELECT n FROM revisions WHERE tbl = ?'),
    had: db.prepare('SELECT n, version, keys, until FROM rows WHERE tbl = ? AND id = ?'),
    ended: db.prepare('SELECT n, tbl, id, keys FROM rows WHERE until IS NOT NULL AND until <= ? LIMIT ?'),
    put: db.prepare(
      `INSERT INTO rows (tbl, id, version, until, keys, value) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tbl, id) DO UPDATE
       SET version = excluded.version, until = excluded.until, keys = excluded.keys, value = excluded.value RETURNING n`,
    ),
    drop: db.prepare('DELETE FROM rows WHERE n = ?'),
    key: db.prepare('INSERT INTO keys (tbl, name, value, id, row) VALUES (?, ?, ?, ?, ?)'),
    unkey: db.prepare('DELETE FROM keys WHERE tbl = ? AND name = ? AND value = ? AND id = ?'),
    revise: db.prepare(
      'INSERT INTO revisions (tbl, n) VALUES (?, 1) ON CONFLICT (tbl) DO UPDATE SET n = n + 1',
    ),
  }
}
