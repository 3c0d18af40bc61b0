/** Operations that read the audit log: an organisation sees its own rows, a team those that are about it or what is below it. */
import { z } from 'zod'
import { AUDIT, type AuditRow, auditId, verifyAudit } from '../accounts/audit.ts'
import { type NodeId, SITE } from '../accounts/node.ts'
import { csv } from '../csv.ts'
import type { Records } from '../store/records.ts'
import { type Operations, reading } from './desk.ts'

const place = z
  .string()
  .max(200)
  .default(SITE)
  .meta({ description: 'An organisation, a team, a user or a key; `site` for all rows.' })
const seq = z.int().min(0).optional()
const range = {
  at: place,
  after: seq.meta({ description: 'Only rows with a higher number than this.' }),
  before: seq.meta({ description: 'Only rows with a lower number than this.' }),
  what: z
    .string()
    .max(64)
    .optional()
    .meta({ description: 'Only this operation; `key.` is all that begin so.' }),
}

/** A file as an operation answers it; the API sends its text as it is. */
export type Download = { file: string; type: string; text: string; next: number | null }

/** What `audit.*` do. */
export const auditOperations = (): Operations => ({
  'audit.list': reading({
    summary: 'The audit log, newest first.',
    needs: 'audit.read',
    input: z.strictObject({ ...range, limit: z.int().min(1).max(500).default(50) }),
    at: ({ at }) => at,
    run: ({ records, path }, asked) => readAudit(records, { ...asked, path, backwards: true }),
  }),
  'audit.export': reading({
    summary: 'The audit log as CSV or JSON lines, oldest first; `next` is the `after` of what follows.',
    needs: 'audit.read',
    input: z.strictObject({
      ...range,
      format: z.enum(['csv', 'jsonl']).default('csv'),
      limit: z.int().min(1).max(10_000).default(10_000),
    }),
    at: ({ at }) => at,
    run: async ({ records, path }, { format, ...asked }): Promise<Download> => {
      const { rows, next } = await readAudit(records, { ...asked, path, backwards: false })
      return {
        file: `audit.${format}`,
        type: format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8',
        text: format === 'csv' ? auditCsv(rows) : auditLines(rows),
        next,
      }
    },
  }),
  'audit.verify': reading({
    summary: 'Walks the whole audit log and names what is missing or altered.',
    needs: 'audit.read',
    input: z.strictObject({}),
    at: () => SITE,
    run: async ({ records }) => verifyAudit(records),
  }),
})

export type AuditRange = {
  at: NodeId
  /** Of `at`; empty for the site. */
  path: readonly NodeId[]
  /** Numbers of rows, neither of them included. */
  after?: number | undefined
  before?: number | undefined
  what?: string | undefined
  limit: number
  backwards: boolean
}

const PAGE = 500
/** Rows looked at for one answer: a team may have few among the many of its organisation. */
const LOOKED_AT = 20_000

/** Rows about a node and what is below it. `next`: go on from there (`before`, or forwards `after`); null at the end. */
export const readAudit = async (
  records: Records,
  { at, path, after, before, what, limit, backwards }: AuditRange,
): Promise<{ rows: AuditRow[]; next: number | null }> => {
  const rows: AuditRow[] = []
  const org = path[0]
  const last = backwards ? before : after
  let cursor = last === undefined ? undefined : auditId(last)
  for (let looked = 0; looked < LOOKED_AT; looked += PAGE) {
    const page = await records.list<AuditRow>(AUDIT, {
      ...(org !== undefined && { key: ['org', org] as const }),
      ...(cursor !== undefined && { after: cursor }),
      ...(backwards && after !== undefined && { from: auditId(after + 1) }),
      ...(!backwards && before !== undefined && { to: auditId(before) }),
      backwards,
      limit: PAGE,
    })
    for (const { id, value } of page) {
      cursor = id
      if (!isAbout(value, at) || !isWhat(value.what, what)) continue
      rows.push(value)
      if (rows.length === limit) return { rows, next: value.seq }
    }
    if (page.length < PAGE) return { rows, next: null }
  }
  return { rows, next: Number(cursor) }
}

const isAbout = ({ path }: AuditRow, at: NodeId): boolean => at === SITE || path.includes(at)

const isWhat = (has: string, wanted: string | undefined): boolean =>
  wanted === undefined || has === wanted || (wanted.endsWith('.') && has.startsWith(wanted))

const COLUMNS = ['seq', 'time', 'actor', 'name', 'via', 'from', 'what', 'at', 'before', 'after', 'hash']

/** Rows as CSV that no spreadsheet runs, with a line of names. */
export const auditCsv = (rows: readonly AuditRow[]): string => csv([COLUMNS, ...rows.map(cellsOf)])

/** Rows as JSON, one a line. */
export const auditLines = (rows: readonly AuditRow[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')

const cellsOf = ({ seq, time, actor, what, at, before, after, hash }: AuditRow): string[] => [
  String(seq),
  new Date(time).toISOString(),
  actor.user,
  actor.name,
  actor.via,
  actor.from ?? '',
  what,
  at,
  before === null ? '' : JSON.stringify(before),
  after === null ? '' : JSON.stringify(after),
  hash,
]
