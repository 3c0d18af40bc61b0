import { DatabaseSync } from 'node:sqlite'

/**
 * Makes this process the only one that serves from a ledger file, until `release` or its death: two would give one
 * settler key's nonces out twice, and end each other's calls. Throws when another process has it. Reading is free to all.
 */
export const lockLedger = (path: string): { release: () => void } => {
  const db = new DatabaseSync(`${path}.lock`)
  try {
    // The operating system drops the lock when the process ends, however it ends.
    db.exec('BEGIN EXCLUSIVE')
  } catch {
    db.close()
    throw new Error(
      `another Farebox is serving from ${path}; stop it first, or give this one a store of its own`,
    )
  }
  return { release: () => db.close() }
}
