/** Who changed what: a chain of rows, each sealed with the one before, so that none can be taken out or altered unseen. */
import { hash } from 'node:crypto'
import { allRows, type Json, type Put, type Records, type Row } from '../store/records.ts'
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
      keys: { org: orgOf(entry) },
    },
    { table: HEAD, id: 'head', value: { seq: sealed.seq, hash: sealed.hash }, if: head?.version ?? 0 },
  ]
}

/** The id of a row: its number, so that ids are in order. */
export const auditId = (seq: number): string => seq.toString().padStart(12, '0')

export type AuditVerdict = { rows: number; head: string; problems: string[] }

/**
 * Walks the whole chain; `problems` names each row that is missing, altered, too many, or that the organisation it is
 * about does not find. Others may append meanwhile.
 */
export const verifyAudit = async (records: Records): Promise<AuditVerdict> => {
  const problems: string[] = []
  const perOrg = new Map<string, number>()
  const first = (await auditHead(records))?.value ?? START
  let last: Head = START
  let atFirst: Head = START
  for (;;) {
    const rows = await records.list<AuditRow>(AUDIT, { after: auditId(last.seq), limit: PAGE })
    for (const { id, value } of rows) {
      const { hash: said, ...entry } = value
      if (entry.seq !== last.seq + 1) problems.push(`between ${last.seq} and ${id}: rows are missing`)
      else if (said !== sealOf(last.hash, entry)) problems.push(`row ${id}: it was altered`)
      last = { seq: Number(id), hash: said }
      if (last.seq <= first.seq) atFirst = last
      const org = orgOf(entry)
      perOrg.set(org, (perOrg.get(org) ?? 0) + 1)
    }
    if (rows.length < PAGE) break
  }
  const head = (await auditHead(records))?.value ?? START
  // Rows may have come since the chain was walked, and none may have gone.
  const isCut = !isSame(atFirst, first) || last.seq > head.seq
  if (isCut || (last.seq === head.seq && !isSame(last, head)))
    problems.push(`the chain ends at ${last.seq}, and should at ${head.seq}`)
  problems.push(...(await hiddenRows(records, perOrg, last)))
  return { rows: last.seq, head: last.hash, problems }
}

const isSame = (one: Head, other: Head): boolean => one.seq === other.seq && one.hash === other.hash

/** By what its rows are listed is no part of what is sealed: a row that was put under another name would be whole and unseen. */
const hiddenRows = async (
  records: Records,
  perOrg: ReadonlyMap<string, number>,
  { seq }: Head,
): Promise<string[]> => {
  const problems: string[] = []
  for (const [org, rows] of perOrg) {
    let found = 0
    const range = { key: ['org', org] as const, to: auditId(seq + 1) }
    for await (const { value } of allRows<AuditRow>(records, AUDIT, range)) if (orgOf(value) === org) found++
    if (found !== rows) problems.push(`${org}: ${rows - found} of its ${rows} rows are not listed for it`)
  }
  return problems
}

const orgOf = ({ path }: Pick<Entry, 'path'>): string => path?.[0] ?? 'site'

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
