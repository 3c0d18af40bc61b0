/** What waits for somebody's yes, and the yes. */
import { hash } from 'node:crypto'
import { z } from 'zod'
import { type Approval, asking, asUsed, putOf, statusOf, waiting } from '../accounts/approvals.ts'
import { pathOf, SITE } from '../accounts/node.ts'
import { APPROVALS } from '../accounts/tables.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import type { Records, Row } from '../store/records.ts'
import { changing, type DeskFacts, reading } from './desk.ts'

const id = z.string().min(1).max(200)
const PAGE = 50

export type ApprovalView = Omit<Approval, 'status' | 'ask'> & { status: Approval['status'] | 'expired' }

const viewOf = ({ ask: _, ...approval }: Approval, now: number): ApprovalView => ({
  ...approval,
  status: statusOf({ ...approval, ask: '' }, now),
})

const find = async (records: Records, id: string): Promise<Row<Approval>> => {
  const row = await records.get<Approval>(APPROVALS, id)
  if (!row) throw fail('not_here', { what: 'such id' })
  return row
}

/** `isUsed`: a call stands on it. */
export const approvalOperations = ({ isUsed }: { isUsed: (approval: string) => Promise<boolean> }) => ({
  'approval.list': reading({
    summary: 'What waits for an approval, and what was decided, the newest first.',
    needs: 'tree.read',
    input: z.strictObject({
      at: id.default(SITE),
      status: z.enum(['waiting', 'approved', 'refused', 'used', 'expired']).optional(),
      after: id.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(PAGE),
    }),
    at: ({ at }) => at,
    run: async ({ records, clock, path }, { at, status, after, limit }) => {
      const key = at === SITE ? {} : { key: ['org', path[0]!] as const }
      const approvals: ApprovalView[] = []
      let last = after
      for (let full = true; full && approvals.length < limit; ) {
        const rows = await records.list<Approval>(APPROVALS, {
          ...key,
          ...(last !== undefined && { after: last }),
          backwards: true,
          limit: PAGE,
        })
        full = rows.length === PAGE
        for (const { value, id } of rows) {
          if (approvals.length === limit) break
          last = id
          const view = viewOf(await asUsed(value, isUsed), clock.now())
          const below = at === SITE || value.at === at || value.path.includes(at)
          if (below && (status === undefined || view.status === status)) approvals.push(view)
        }
      }
      return { approvals, ...(approvals.length === limit && { after: last }) }
    },
  }),

  'approval.decide': changing({
    summary:
      'Approves or refuses what waits; never by who asked for it, nor by the owner of the key that did.',
    needs: 'approval.decide',
    input: z.strictObject({
      id,
      approve: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]),
      note: z.string().max(500).optional(),
    }),
    at: async ({ id }, _actor, records) => (await find(records, id)).value.at,
    run: async ({ actor, records, clock }, { id, approve, note }) => {
      const { value: before, version } = await find(records, id)
      const status = statusOf(before, clock.now())
      if (status !== 'waiting') throw fail('taken_here', { problem: `It is ${status} already.` })
      if (before.by.user === actor.user || before.path.includes(actor.user))
        throw fail('taken_here', { problem: 'Who asked for it cannot decide it: somebody else must.' })
      const after: Approval = {
        ...before,
        status: approve ? 'approved' : 'refused',
        decidedBy: { user: actor.user, name: actor.name },
        decidedAt: clock.now(),
        ...(note && { note }),
      }
      const { at, path, kind, what } = after
      return {
        result: { approval: viewOf(after, clock.now()) },
        writes: [putOf(after, version)],
        before: { status: before.status },
        after: { id, status: after.status, what, ...(note && { note }) },
        events: [
          {
            type: 'approval.decided' as const,
            at,
            path,
            about: { approval: id, kind, what, status: after.status, by: actor.name },
          },
        ],
      }
    },
  }),
})

/** How operations that need a second person ask for one, and use what they were given: for the desk. `ttl` in ms. */
export const operationApprovals =
  (facts: { records: Records; clock: Clock; ttl: () => number }): DeskFacts['approve'] =>
  async ({ actor, node, path }, { name, input, why, approval }) => {
    const { records, clock, ttl } = facts
    const ask = hash(
      'sha256',
      `farebox operation approval v1\n${actor.user}\n${name}\n${JSON.stringify(input)}`,
      'hex',
    )
    if (approval !== undefined) {
      const { value, version } = await find(records, approval)
      const wrong = (problem: string) => fail('approval_invalid', { problem })
      if (value.kind !== 'operation' || value.ask !== ask) throw wrong('it was given for something else')
      const status = statusOf(value, clock.now())
      if (status === 'waiting') throw waiting(value)
      if (status !== 'approved') throw wrong(`it is ${status}`)
      return [putOf({ ...value, status: 'used' }, version)]
    }
    const asked = asking(
      {
        kind: 'operation',
        what: name,
        why,
        by: { user: actor.user, name: actor.name },
        at: node?.id ?? SITE,
        path: node ? pathOf(node) : path,
        ask,
      },
      clock.now(),
      ttl(),
    )
    if (!(await records.write(asked.writes)).ok) throw fail('busy_here')
    throw waiting(asked.approval)
  }
