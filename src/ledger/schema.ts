/** The SQLite tables. `journal`, `postings` and `claims` are append-only by trigger; the rest are projections of the journal. */

export const SCHEMA_VERSION = '2'

// REPLACE deletes without asking the trigger on DELETE, so a line that is there may not be inserted either.
const appendOnly = ([table, key]: readonly [string, string]): string => `
  CREATE TRIGGER IF NOT EXISTS ${table}_no_replace BEFORE INSERT ON ${table}
    WHEN EXISTS (SELECT 1 FROM ${table} WHERE ${key} = NEW.${key}) BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS ${table}_no_update BEFORE UPDATE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS ${table}_no_delete BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END;`

const APPEND_ONLY = [
  ['journal', 'seq'],
  ['postings', 'id'],
  ['claims', 'claim'],
] as const

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, line TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS postings (
    id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, asset TEXT NOT NULL, debit TEXT NOT NULL, credit TEXT NOT NULL,
    amount TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS claims (claim TEXT PRIMARY KEY, call TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, call TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS subjects (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, resting INTEGER NOT NULL, asset TEXT NOT NULL,
    block INTEGER, json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS subjects_open ON subjects (kind, n) WHERE resting = 0;
  CREATE INDEX IF NOT EXISTS subjects_settled ON subjects (asset, block) WHERE block IS NOT NULL;
  CREATE TABLE IF NOT EXISTS txs (
    n INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, chain TEXT NOT NULL, settler TEXT NOT NULL,
    nonce INTEGER NOT NULL, json TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS tx_items (item TEXT NOT NULL, tx INTEGER NOT NULL, PRIMARY KEY (item, tx)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS txs_nonce ON txs (chain, settler, nonce);
  CREATE TABLE IF NOT EXISTS balances (
    asset TEXT NOT NULL, account TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (asset, account)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  ${APPEND_ONLY.map(appendOnly).join('')}
`
