/** Who changed what: a chain of rows, each sealed with the one before, so that none can be taken out or altered unseen. */
import { hash } from 'node:crypto'
import type { Json, Put, Records, Row } from '../store/records.ts'
import type { NodeId } from './node.ts'

export const AUDIT = 'audit'
const HEAD = 'audithead'

/** `before` and `after` hold no secret: neither passwords nor bearer keys nor their hashes. */
export type Entry = {
  /** ms. */
  time: number
  actor: { user: string; name: string; via: string; from?: string }
  /** The operation, such as `key.create`, or `sign-in`. */
  what: string
  /** The node it was about, and that node's path. */
  at: NodeId
  path: readonly NodeId[]
  before: Json
  after: Json
}
export type AuditRow = Entry & { seq: number; hash: string }

type Head = { seq: number; hash: string }
const START: Head = { seq: 0, hash: '' }

/** Where the log ends now; undefined before the first row. Whoever looks at it before anything else finds its own write stale when anything was changed meanwhile. */
export const auditHead = (records: Records): Promise<Row<Head> | undefined> => records.get<Head>(HEAD, 'head')

/** The writes that append an entry, for the same write as the change itself. Stale when somebody else appended meanwhile: then all is done again. */
export const appending = async (records: Records, entry: Entry): Promise<Put[]> =>
  appended(await auditHead(records), entry)

/** The same behind where the log ended when it was looked at. */
export const appended = (head: Row<Head> | undefined, entry: Entry): Put[] => {
  const { seq, hash: before } = head?.value ?? START
  const next = { ...entry, seq: seq + 1 }
  const sealed: AuditRow = { ...next, hash: sealOf(before, next) }
  return [
    {
      table: AUDIT,
      id: auditId(sealed.seq),
      value: sealed as unknown as Json,
      if: 0,
      keys: { org: entry.path[0] ?? 'site' },
    },
    { table: HEAD, id: 'head', value: { seq: sealed.seq, hash: sealed.hash }, if: head?.version ?? 0 },
  ]
}

/** The id of a row: its number, so that ids are in order. */
export const auditId = (seq: number): string => seq.toString().padStart(12, '0')

export type AuditVerdict = { rows: number; head: string; problems: string[] }

/** Walks the whole chain; `problems` names each row that is missing, altered or too many. */
export const verifyAudit = async (records: Records): Promise<AuditVerdict> => {
  const problems: string[] = []
  let last: Head = START
  for (;;) {
    const rows = await records.list<AuditRow>(AUDIT, { after: auditId(last.seq), limit: PAGE })
    for (const { id, value } of rows) {
      const { hash: said, ...entry } = value
      if (entry.seq !== last.seq + 1) problems.push(`between ${last.seq} and ${id}: rows are missing`)
      else if (said !== sealOf(last.hash, entry)) problems.push(`row ${id}: it was altered`)
      last = { seq: Number(id), hash: said }
    }
    if (rows.length < PAGE) break
  }
  const head = (await records.get<Head>(HEAD, 'head'))?.value ?? START
  if (head.seq !== last.seq || head.hash !== last.hash)
    problems.push(`the chain ends at ${last.seq}, and should at ${head.seq}`)
  return { rows: last.seq, head: head.hash, problems }
}

const PAGE = 500

const sealOf = (before: string, entry: Omit<AuditRow, 'hash'>): string =>
  hash('sha256', `${before}\n${JSON.stringify(inOrder(entry))}`, 'hex')

// A store may give the fields back in another order than they were written in.
const inOrder = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]))
}
