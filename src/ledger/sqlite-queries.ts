import type { DatabaseSync } from 'node:sqlite'
import type { Call, Tx } from './call.ts'
import type { Channel } from './channel.ts'
import { decode } from './codec.ts'
import type { Errand } from './errand.ts'
import type { JournalEntry, Ledger } from './ledger.ts'
import { bookedTransfer } from './memory.ts'
import type { Subject } from './moves.ts'
import type { LiveBooks, QueryName, Row, SyncBooks } from './sqlite-books.ts'

/** The queries of a ledger file, by name. */
export const queries = (db: DatabaseSync, books: LiveBooks): SyncBooks['query'] => {
  const rows = (sql: string) => {
    const statement = db.prepare(sql)
    return (...args: (string | number)[]): Row[] => statement.all(...args) as Row[]
  }
  const parsed = <T>(list: Row[]): T[] => list.map((row) => decode<T>(row['json'] as string))
  const open = rows('SELECT json FROM subjects WHERE kind = ? AND resting = 0 ORDER BY n LIMIT ?')
  const txs = rows('SELECT json FROM tx_items JOIN txs ON n = tx WHERE item = ? ORDER BY n')
  const nonce = rows('SELECT max(nonce) AS last FROM txs WHERE chain = ? AND settler = ?')
  const balances = rows('SELECT asset, account, value FROM balances ORDER BY asset, account')
  const counters = rows('SELECT name, value FROM counters')
  const settled = rows('SELECT json FROM subjects WHERE asset = ? AND block BETWEEN ? AND ? ORDER BY block')
  const first = rows('SELECT min(block) AS block FROM subjects WHERE asset = ? AND block IS NOT NULL')
  const last = rows('SELECT max(block) AS block FROM subjects WHERE asset = ? AND block IS NOT NULL')
  const sent = rows(
    'SELECT json FROM txs WHERE chain = ? AND settler = ? AND nonce >= ? ORDER BY nonce, n LIMIT ?',
  )
  const note = rows('SELECT value FROM meta WHERE key = ?')
  const raise = rows(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)',
  )
  const after = 'n > coalesce((SELECT n FROM subjects WHERE id = ?), 0) ORDER BY n LIMIT ?'
  const page = rows(`SELECT json FROM subjects WHERE ${after}`)
  const pageOfCalls = rows(`SELECT json FROM subjects WHERE kind = 'call' AND ${after}`)
  const newest = rows("SELECT json FROM subjects WHERE kind = 'call' ORDER BY n DESC LIMIT ?")
  const older = rows(
    "SELECT json FROM subjects WHERE kind = 'call' AND n < (SELECT n FROM subjects WHERE id = ?) ORDER BY n DESC LIMIT ?",
  )
  const journal = rows('SELECT seq, line, hash FROM journal WHERE seq > ? ORDER BY seq LIMIT ?')

  const lines = rows('SELECT max(seq) AS seq FROM journal')

  const one = <K extends Subject['is']>(is: K, id: string | undefined) => {
    books.refresh()
    const found = id === undefined ? undefined : books.subject(id)
    return found?.is === is ? (found as Extract<Subject, { is: K }>) : undefined
  }

  const table: { [K in QueryName]: (...args: Parameters<Ledger[K]>) => Awaited<ReturnType<Ledger[K]>> } = {
    call: (id) => one('call', id),
    errand: (id) => one('errand', id),
    channel: (id) => one('channel', id),
    claimant: (claim) => books.claimant(claim),
    callByClaim: (claim) => one('call', books.claimant(claim)),
    callByKey: (key) => one('call', books.keeper(key)),
    open: (limit = -1) => parsed<Call>(open('call', limit)),
    openErrands: () => parsed<Errand>(open('errand', -1)),
    openChannels: () => parsed<Channel>(open('channel', -1)),
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
    countersOf: (names) => {
      books.refresh()
      return Object.fromEntries(names.map((name) => [name, books.counter(name)]))
    },
    transfers: (asset, from, to) =>
      parsed<Subject>(settled(asset, Number(from), Number(to)))
        .map(bookedTransfer)
        .filter((row) => row !== undefined),
    bookedBlocks: (asset) => {
      const [from, to] = [first(asset)[0]?.['block'], last(asset)[0]?.['block']]
      if (typeof from !== 'number' || typeof to !== 'number') return undefined
      return { first: BigInt(from), last: BigInt(to) }
    },
    sent: (chain, settler, from, limit) => parsed<Tx>(sent(chain, settler, from, limit)),
    cursor: (chain) => {
      const block = note(`cursor:${chain}`)[0]?.['value']
      return block === undefined ? undefined : BigInt(block as string)
    },
    moveCursor: (chain, block) => void raise(`cursor:${chain}`, block.toString()),
    raiseEpoch: (to) => {
      raise('epoch', to.toString())
      return Number(note('epoch')[0]?.['value'])
    },
    calls: (after, limit) => parsed<Call>(pageOfCalls(after ?? '', limit)),
    recent: ({ before, limit }) => parsed<Call>(before === undefined ? newest(limit) : older(before, limit)),
    subjects: (after, limit) => parsed<Subject>(page(after ?? '', limit)),
    lines: () => (lines()[0]?.['seq'] as number | null) ?? 0,
    journal: (seq, limit) =>
      journal(seq, limit).map((row) => ({
        ...decode<Pick<JournalEntry, 'at' | 'move' | 'postings'>>(row['line'] as string),
        seq: row['seq'] as number,
        hash: row['hash'] as string,
      })),
  }
  return (name, args) => (table[name] as (...all: unknown[]) => never)(...args)
}
