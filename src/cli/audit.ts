import { type AuditRow, verifyAudit } from '../accounts/audit.ts'
import { SITE } from '../accounts/node.ts'
import { auditCsv, auditLines, readAudit } from '../desk/audit.ts'
import type { Records } from '../store/records.ts'
import { visible } from './desk-text.ts'

export type AuditCommandFacts = { records: Records; out: (line: string) => void }

/** `farebox audit verify`: 0 when no row of the audit log is missing or altered, 1 when one is. */
export const auditVerify = async ({
  records,
  out,
  json,
}: AuditCommandFacts & { json: boolean }): Promise<number> => {
  const verdict = await verifyAudit(records)
  const { rows, head, problems } = verdict
  const code = problems.length === 0 ? 0 : 1
  if (json) {
    out(JSON.stringify({ holds: code === 0, ...verdict }))
    return code
  }
  out(`${rows} rows${head ? `, sealed by ${head.slice(0, 16)}…` : ''}`)
  for (const problem of problems.slice(0, SHOWN)) out(`✗ ${visible(problem)}`)
  if (problems.length > SHOWN) out(`… and ${problems.length - SHOWN} more; --json has them all`)
  out(code === 0 ? 'None is missing, none was altered.' : `${problems.length} found.`)
  return code
}

const SHOWN = 20

/** `farebox audit export`: all rows, or those of one organisation, oldest first. */
export const auditExport = async ({
  records,
  out,
  format,
  org,
}: AuditCommandFacts & { format: string; org?: string | undefined }): Promise<number> => {
  if (format !== 'csv' && format !== 'jsonl') throw new Error('--format must be csv or jsonl')
  const place = org === undefined ? { at: SITE, path: [] } : { at: org, path: [org] }
  if (format === 'csv') out(auditCsv([]).trimEnd())
  for (let after: number | undefined; ; ) {
    const page = { ...place, after, limit: PAGE, backwards: false }
    const { rows, next } = await readAudit(records, page)
    for (const row of rows) out(lineOf(row, format))
    if (next === null) return 0
    after = next
  }
}

const PAGE = 1_000

const lineOf = (row: AuditRow, format: 'csv' | 'jsonl'): string =>
  (format === 'csv' ? auditCsv([row]).slice(auditCsv([]).length) : auditLines([row])).trimEnd()
