import { statusOf } from '../accounts/approvals.ts'
import type { Deps } from '../call/deps.ts'
import { fail } from '../errors.ts'
import { json, type Resource } from './resources.ts'

/** How an approval stands that a call or an operation waits for: its id, which nobody can guess, is permission enough to know. */
export const approvalResource = ({ deps }: { deps: Deps }): Resource => ({
  method: 'get',
  path: '/v1/approvals/:id',
  summary: 'How an approval stands that a call waits for.',
  paid: false,
  answer: async (c) => {
    const id = c.req.param('id') ?? ''
    const approval = /^apr_[A-Za-z0-9_-]{20,80}$/.test(id) ? await deps.approvals.find(id) : undefined
    if (!approval) throw fail('not_here', { what: 'such approval' })
    const { kind, what, why, ceiling, expires, note } = approval
    return json({
      id,
      status: statusOf(approval, deps.clock.now()),
      kind,
      what,
      why,
      ...(ceiling !== undefined && { ceiling_usd: ceiling }),
      expires_at: new Date(expires).toISOString(),
      ...(note !== undefined && { note }),
    })
  },
})
