import { DatabaseSync } from 'node:sqlite'
import { bookOf } from './accounts.ts'
import { applyMove, type Books } from './apply.ts'
import { decode, encode } from './codec.ts'
import type { Ledger, Posted } from './ledger.ts'
import { bookedTransfer, chainHash, isResting } from './memory.ts'
import type { Move, Subject } from './moves.ts'
import { SCHEMA, SCHEMA_VERSION } from './schema.ts'
import { queries } from './sqlite-queries.ts'

/** The queries of a ledger, answered at once: what the worker thread runs for its asynchronous front. */
export type SyncBooks = {
  /** Applies many moves in one transaction and one fsync; a refused move leaves no trace, the others stand. `texts`: the same as `encode` writes them, where that is known. */
  post: (moves: Move[], texts?: readonly string[]) => Posted<never>[]
  /** A subject as it was just stored, as `encode` writes it. */
  textOf: (subject: Subject) => string | undefined
  query: <K extends QueryName>(name: K, args: Parameters<Ledger[K]>) => Awaited<ReturnType<Ledger[K]>>
  epoch: number
  close: () => void
}

export type QueryName = Exclude<keyof Ledger, 'post' | 'epoch' | 'close'>

export type Row = Record<string, string | number | null>

/** Opens or creates a ledger file: WAL, synchronous FULL, so that what was answered survives a power cut. */
export const openBooks = (path: string, now: () => number): SyncBooks => {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  db.exec('PRAGMA wal_autocheckpoint = 8000; PRAGMA cache_size = -65536; PRAGMA foreign_keys = ON')
  db.exec(SCHEMA)
  const epoch = meta(db, now)
  const books = sqliteBooks(db, now)
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')

  return {
    textOf: books.textOf,
    post: (moves, texts) => {
      begin.run()
      try {
        books.refresh()
        if (texts) for (let i = 0; i < moves.length; i++) books.told(moves[i]!, texts[i]!)
        const posted = moves.map((move) => applyMove(books, move) as Posted<never>)
        books.flush()
        commit.run()
        return posted
      } catch (error) {
        // A full disk has rolled back by itself already.
        if (db.isTransaction) db.exec('ROLLBACK')
        books.forget()
        throw error
      }
    },
    query: queries(db, books),
    epoch,
    close: () => db.close(),
  }
}

const meta = (db: DatabaseSync, now: () => number): number => {
  const put = db.prepare('INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)')
  put.run('schema', SCHEMA_VERSION)
  put.run('epoch', String(Math.floor(now() / 1000)))
  const get = db.prepare('SELECT value FROM meta WHERE key = ?')
  const schema = (get.get('schema') as Row)['value']
  if (schema !== SCHEMA_VERSION)
    throw new Error(`The ledger has schema ${schema}, this Farebox speaks ${SCHEMA_VERSION}.`)
  return Number((get.get('epoch') as Row)['value'])
}

export type LiveBooks = Books & {
  /** Says how a move is written, so that it need not be written again. */
  told: (move: Move, text: string) => void
  textOf: (subject: Subject) => string | undefined
  /** Re-reads what another process may have changed since our last transaction. */
  refresh: () => void
  /** Writes what the transaction changed in counters and balances, once each. */
  flush: () => void
  /** Drops everything cached, after a rollback. */
  forget: () => void
}

/** Calls, counters and balances that are kept in memory, together. */
const CACHED = 60_000

const sqliteBooks = (db: DatabaseSync, now: () => number): LiveBooks => {
  const sql = {
    subject: db.prepare('SELECT json FROM subjects WHERE id = ?'),
    claimant: db.prepare('SELECT call FROM claims WHERE claim = ?'),
    keeper: db.prepare('SELECT call FROM keys WHERE key = ?'),
    counter: db.prepare('SELECT value FROM counters WHERE name = ?'),
    balance: db.prepare('SELECT value FROM balances WHERE asset = ? AND account = ?'),
    putClaim: db.prepare('INSERT INTO claims (claim, call) VALUES (?, ?)'),
    putKey: db.prepare('INSERT OR REPLACE INTO keys (key, call) VALUES (?, ?)'),
    put: db.prepare(
      'INSERT INTO subjects (id, kind, resting, asset, block, json) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET resting = excluded.resting, block = excluded.block, json = excluded.json',
    ),
    putTx: db.prepare('INSERT OR IGNORE INTO txs (hash, chain, settler, nonce, json) VALUES (?, ?, ?, ?, ?)'),
    putItem: db.prepare(
      'INSERT OR IGNORE INTO tx_items (item, tx) VALUES (?, (SELECT n FROM txs WHERE hash = ?))',
    ),
    setCounter: db.prepare(
      'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    setBalance: db.prepare(
      'INSERT INTO balances (asset, account, value) VALUES (?, ?, ?) ON CONFLICT (asset, account) DO UPDATE SET value = excluded.value',
    ),
    journal: db.prepare('INSERT INTO journal (seq, at, line, hash) VALUES (?, ?, ?, ?)'),
    posting: db.prepare('INSERT INTO postings (seq, asset, debit, credit, amount) VALUES (?, ?, ?, ?, ?)'),
    head: db.prepare('SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1'),
    version: db.prepare('PRAGMA data_version'),
  }
  let head = { seq: 0, hash: '' }
  let version: unknown
  // What is being served is read again within milliseconds: it is kept, and all dropped when it grows large.
  const subjects = new Map<string, Subject>()
  const counters = new Map<string, bigint>()
  const balances = new Map<string, { asset: string; account: string; value: bigint }>()
  /** Moves and subjects as text, as long as they are in use. */
  const texts = new WeakMap<object, string>()
  const dirty = { counters: new Set<string>(), balances: new Set<string>() }

  const forget = () => {
    subjects.clear()
    counters.clear()
    balances.clear()
    dirty.counters.clear()
    dirty.balances.clear()
    head = (sql.head.get() as typeof head | undefined) ?? { seq: 0, hash: '' }
  }

  return {
    forget,
    told: (move, text) => void texts.set(move, text),
    textOf: (subject) => texts.get(subject),
    refresh: () => {
      const seen = (sql.version.get() as Row)['data_version']
      if (seen !== version || subjects.size + counters.size + balances.size > CACHED) forget()
      version = seen
    },
    flush: () => {
      for (const name of dirty.counters) sql.setCounter.run(name, counters.get(name)!.toString())
      for (const key of dirty.balances) {
        const { asset, account, value } = balances.get(key)!
        sql.setBalance.run(asset, account, value.toString())
      }
      dirty.counters.clear()
      dirty.balances.clear()
    },
    subject: (id) => {
      const cached = subjects.get(id)
      if (cached) return cached
      const row = sql.subject.get(id) as Row | undefined
      return row && decode<Subject>(row['json'] as string)
    },
    claimant: (claim) => (sql.claimant.get(claim) as Row | undefined)?.['call'] as string | undefined,
    keeper: (key) => (sql.keeper.get(key) as Row | undefined)?.['call'] as string | undefined,
    counter: (name) =>
      counters.get(name) ?? BigInt((sql.counter.get(name) as Row | undefined)?.['value'] ?? 0),
    balance: (asset, account) =>
      balances.get(`${asset} ${account}`)?.value ??
      BigInt((sql.balance.get(asset, account) as Row | undefined)?.['value'] ?? 0),
    putClaim: (claim, call) => void sql.putClaim.run(claim, call),
    putKey: (key, call) => void sql.putKey.run(key, call),
    put: (subject) => {
      const resting = isResting(subject)
      if (resting && subject.is !== 'channel') subjects.delete(subject.id)
      else subjects.set(subject.id, subject)
      const block = bookedTransfer(subject)?.block
      const text = encode(subject)
      texts.set(subject, text)
      sql.put.run(
        subject.id,
        subject.is,
        resting ? 1 : 0,
        bookOf(subject),
        block === undefined ? null : Number(block),
        text,
      )
    },
    putTx: (tx) => {
      sql.putTx.run(tx.hash, tx.chain, tx.settler, tx.nonce, encode(tx))
      for (const item of tx.items) sql.putItem.run(item, tx.hash)
    },
    setCounter: (name, value) => {
      counters.set(name, value)
      dirty.counters.add(name)
    },
    setBalance: (asset, account, value) => {
      const key = `${asset} ${account}`
      balances.set(key, { asset, account, value })
      dirty.balances.add(key)
    },
    journal: (move, postings) => {
      const at = now()
      // As encode({ at, move, postings }) would write it.
      const line = `{"at":${at},"move":${texts.get(move) ?? encode(move)},"postings":${encode(postings)}}`
      head = { seq: head.seq + 1, hash: chainHash(head.hash, line) }
      sql.journal.run(head.seq, at, line, head.hash)
      for (const { asset, debit, credit, amount } of postings) {
        sql.posting.run(head.seq, asset, debit, credit, amount.toString())
      }
    },
  }
}
