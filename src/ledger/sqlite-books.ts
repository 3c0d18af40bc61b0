import { DatabaseSync } from 'node:sqlite'
import { applyMove, type Books } from './apply.ts'
import { type Call, isAtRest, type Tx } from './call.ts'
import { decode, encode } from './codec.ts'
import type { JournalEntry, Ledger, Posted } from './ledger.ts'
import { bookedTransfer, chainHash } from './memory.ts'
import { bookOf, type Move } from './moves.ts'
import { SCHEMA, SCHEMA_VERSION } from './schema.ts'

/** The queries of a ledger, answered at once: what the worker thread runs for its asynchronous front. */
export type SyncBooks = {
  /** Applies many moves in one transaction and one fsync; a refused move leaves no trace, the others stand. */
  post: (moves: Move[]) => Posted[]
  query: <K extends QueryName>(name: K, args: Parameters<Ledger[K]>) => Awaited<ReturnType<Ledger[K]>>
  epoch: number
  close: () => void
}

export type QueryName = Exclude<keyof Ledger, 'post' | 'epoch' | 'close'>

type Row = Record<string, string | number | null>

/** Opens or creates a ledger file: WAL, synchronous FULL, so that what was answered survives a power cut. */
export const openBooks = (path: string, now: () => number): SyncBooks => {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  db.exec('PRAGMA wal_autocheckpoint = 4000; PRAGMA foreign_keys = ON')
  db.exec(SCHEMA)
  const epoch = meta(db, now)
  const books = sqliteBooks(db, now)
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')

  return {
    post: (moves) => {
      begin.run()
      try {
        books.refresh()
        const posted = moves.map((move) => applyMove(books, move))
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

type LiveBooks = Books & {
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
    call: db.prepare('SELECT json FROM calls WHERE id = ?'),
    claimant: db.prepare('SELECT call FROM claims WHERE claim = ?'),
    counter: db.prepare('SELECT value FROM counters WHERE name = ?'),
    balance: db.prepare('SELECT value FROM balances WHERE asset = ? AND account = ?'),
    putClaim: db.prepare('INSERT INTO claims (claim, call) VALUES (?, ?)'),
    putCall: db.prepare(
      'INSERT INTO calls (id, resting, asset, block, json) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET resting = excluded.resting, block = excluded.block, json = excluded.json',
    ),
    putTx: db.prepare(
      'INSERT OR IGNORE INTO txs (hash, call, chain, settler, nonce, json) VALUES (?, ?, ?, ?, ?, ?)',
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
  const calls = new Map<string, Call>()
  const counters = new Map<string, bigint>()
  const balances = new Map<string, { asset: string; account: string; value: bigint }>()
  const dirty = { counters: new Set<string>(), balances: new Set<string>() }

  const forget = () => {
    calls.clear()
    counters.clear()
    balances.clear()
    dirty.counters.clear()
    dirty.balances.clear()
    head = (sql.head.get() as typeof head | undefined) ?? { seq: 0, hash: '' }
  }

  return {
    forget,
    refresh: () => {
      const seen = (sql.version.get() as Row)['data_version']
      if (seen !== version || calls.size + counters.size + balances.size > CACHED) forget()
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
    call: (id) => {
      const cached = calls.get(id)
      if (cached) return cached
      const row = sql.call.get(id) as Row | undefined
      return row && decode<Call>(row['json'] as string)
    },
    claimant: (claim) => (sql.claimant.get(claim) as Row | undefined)?.['call'] as string | undefined,
    counter: (name) =>
      counters.get(name) ?? BigInt((sql.counter.get(name) as Row | undefined)?.['value'] ?? 0),
    balance: (asset, account) =>
      balances.get(`${asset} ${account}`)?.value ??
      BigInt((sql.balance.get(asset, account) as Row | undefined)?.['value'] ?? 0),
    putClaim: (claim, call) => void sql.putClaim.run(claim, call),
    putCall: (call) => {
      const resting = isAtRest(call)
      if (resting) calls.delete(call.id)
      else calls.set(call.id, call)
      const block = bookedTransfer(call)?.block
      sql.putCall.run(
        call.id,
        resting ? 1 : 0,
        bookOf(call),
        block === undefined ? null : Number(block),
        encode(call),
      )
    },
    putTx: (tx) => void sql.putTx.run(tx.hash, tx.call, tx.chain, tx.settler, tx.nonce, encode(tx)),
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
      const line = encode({ at, move, postings })
      head = { seq: head.seq + 1, hash: chainHash(head.hash, line) }
      sql.journal.run(head.seq, at, line, head.hash)
      for (const { asset, debit, credit, amount } of postings) {
        sql.posting.run(head.seq, asset, debit, credit, amount.toString())
      }
    },
  }
}

const queries = (db: DatabaseSync, books: LiveBooks): SyncBooks['query'] => {
  const rows = (sql: string) => {
    const statement = db.prepare(sql)
    return (...args: (string | number)[]): Row[] => statement.all(...args) as Row[]
  }
  const parsed = <T>(list: Row[]): T[] => list.map((row) => decode<T>(row['json'] as string))
  const open = rows('SELECT json FROM calls WHERE resting = 0 ORDER BY n LIMIT ?')
  const txs = rows('SELECT json FROM txs WHERE call = ? ORDER BY n')
  const nonce = rows('SELECT max(nonce) AS last FROM txs WHERE chain = ? AND settler = ?')
  const balances = rows('SELECT asset, account, value FROM balances ORDER BY asset, account')
  const counters = rows('SELECT name, value FROM counters')
  const settled = rows('SELECT json FROM calls WHERE asset = ? AND block BETWEEN ? AND ? ORDER BY block')
  const page = rows(
    'SELECT json FROM calls WHERE n > coalesce((SELECT n FROM calls WHERE id = ?), 0) ORDER BY n LIMIT ?',
  )
  const journal = rows('SELECT seq, line, hash FROM journal WHERE seq > ? ORDER BY seq LIMIT ?')

  const table: { [K in QueryName]: (...args: Parameters<Ledger[K]>) => Awaited<ReturnType<Ledger[K]>> } = {
    call: (id) => {
      books.refresh()
      return books.call(id)
    },
    callByClaim: (claim) => {
      books.refresh()
      const id = books.claimant(claim)
      return id === undefined ? undefined : books.call(id)
    },
    open: (limit = -1) => parsed<Call>(open(limit)),
    transactions: (call) => parsed<Tx>(txs(call)),
    lastNonce: (chain, settler) => (nonce(chain, settler)[0]?.['last'] as number | null) ?? -1,
    balance: (asset, account) => {
      books.refresh()
      return books.balance(asset, account)
    },
    balances: () =>
      balances().map((row) => ({
        asset: row['asset'] as string,
        account: row['account'] as string,
        value: BigInt(row['value'] as string),
      })),
    counter: (name) => {
      books.refresh()
      return books.counter(name)
    },
    counters: () =>
      Object.fromEntries(counters().map((row) => [row['name'] as string, BigInt(row['value'] as string)])),
    transfers: (asset, from, to) =>
      parsed<Call>(settled(asset, Number(from), Number(to)))
        .map(bookedTransfer)
        .filter((row) => row !== undefined),
    calls: (after, limit) => parsed<Call>(page(after ?? '', limit)),
    journal: (seq, limit) =>
      journal(seq, limit).map((row) => ({
        ...decode<Pick<JournalEntry, 'at' | 'move' | 'postings'>>(row['line'] as string),
        seq: row['seq'] as number,
        hash: row['hash'] as string,
      })),
  }
  return (name, args) => (table[name] as (...all: unknown[]) => never)(...args)
}
