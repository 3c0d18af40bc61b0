import type { AuditRow, AuditVerdict } from '../../../accounts/audit.ts'
import type { Json } from '../../../store/records.ts'
import { filters } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, pager, shown } from './parts.ts'
import { allowed, placeOf, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago, count, plural } from './words.ts'

const { a, code, details, div, li, p, span, summary, ul } = tags

type Listed = { rows: readonly AuditRow[]; next: number | null }

/** Who changed what. */
export const auditPage = async (scene: Scene): Promise<Page> => {
  const at = placeOf(scene, 'audit.read')
  const what = scene.query.get('what') ?? ''
  const before = Number(scene.query.get('before') ?? '')
  const listed = await scene.ask<Listed>('audit.list', {
    at,
    limit: 50,
    ...(what && { what }),
    ...(Number.isSafeInteger(before) && before > 0 && { before }),
  })
  const range = new URLSearchParams({ at, ...(what && { what }) })
  return {
    title: 'Audit log',
    lead: 'Every change with who made it, sealed with the one before, so that none can be altered or taken out unseen.',
    tools: [
      a({ class: 'button', href: `/admin/api/audit.export?${range}` }, 'Download CSV'),
      allowed(scene.actor, 'audit.read') &&
        a({ class: 'button', href: `/admin/audit?verify=1` }, 'Verify the chain'),
    ],
    content: [
      scene.query.get('verify') === '1' &&
        card({ title: 'Verification' }, shown(await scene.ask<AuditVerdict>('audit.verify'), verdict)),
      card(
        { title: 'Changes' },
        filters(scene, {
          label: 'Filter the audit log',
          fields: [
            { name: 'what', label: 'Operation', placeholder: 'key.create, or key. for all', value: what },
            { name: 'at', label: 'Account', value: at, placeholder: 'site' },
          ],
        }),
        shown(listed, ({ rows, next }) => [
          table(scene, rows),
          pager(scene, { name: 'before', next: next === null ? undefined : String(next) }),
        ]),
      ),
    ],
  }
}

const verdict = ({ rows, head, problems }: AuditVerdict): Child =>
  problems.length === 0
    ? div(
        p(badge('good', 'whole'), ` All ${plural(rows, 'row')} are as they were written.`),
        p({ class: 'muted' }, 'The last seal: ', code({ class: 'wrap' }, head || 'none')),
      )
    : div(
        { role: 'alert' },
        p(
          badge('bad', 'broken'),
          ` ${count(problems.length)} of ${plural(rows, 'row')} are not as they were written:`,
        ),
        ul(...problems.slice(0, 50).map((one) => li(one))),
      )

const table = (scene: Scene, rows: readonly AuditRow[]): Child =>
  grid({
    caption: 'Changes, the newest first',
    columns: [
      { label: 'No.' },
      { label: 'When' },
      { label: 'Who' },
      { label: 'What' },
      { label: 'About' },
      { label: 'Before and after' },
    ],
    rows: rows.map((row) => [
      String(row.seq),
      ago(row.time, scene.now),
      [
        span({ dir: 'auto' }, row.actor.name),
        span(
          { class: 'sub' },
          `by ${row.actor.via}${row.actor.from === undefined ? '' : ` from ${row.actor.from}`}`,
        ),
      ],
      code(row.what),
      row.at === 'site' ? 'the router' : a({ href: `/admin/tree/${row.at}` }, row.at),
      changeOf(row),
    ]),
    none: empty(
      'No change matches.',
      p('Changes are written here as soon as somebody signs in or makes one.'),
    ),
  })

const changeOf = ({ before, after }: AuditRow): Child =>
  before === null && after === null
    ? undefined
    : details(
        summary('Show'),
        before !== null && said('Before', before),
        after !== null && said('After', after),
      )

const said = (name: string, value: Json): Child =>
  p(span({ class: 'sub' }, name), code({ class: 'wrap' }, JSON.stringify(value)))
