/** http/: the doors. One table of resources gives the routes, /openapi.json and /llms.txt, so that they cannot differ. */
import type { Context } from 'hono'
import type { z } from 'zod'
import type { Addresses } from '../admit/address.ts'
import type { Kind } from '../admit/admit.ts'
import type { Deps } from '../call/deps.ts'
import type { Reply } from '../call/reply.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import { billOf, type Call, stateOf } from '../ledger/call.ts'
import { signReceipt } from '../payment/receipt.ts'
import { accountResources } from './account.ts'
import { approvalResource } from './approvals.ts'
import { describeCall, describeErrand } from './call-state.ts'
import { wellKnown } from './discovery.ts'
import { countTokens } from './messages.ts'
import { modelResource, modelsResource } from './models.ts'
import { paidResources } from './paid.ts'
import { type Readiness, readinessSchema } from './readiness.ts'
import { type Env, json } from './send.ts'

export type Resource = {
  method: 'get' | 'post'
  path: string
  summary: string
  /** What it costs: nothing, or the quoted price. */
  paid: boolean
  /** Only for who signs in. */
  signed?: boolean
  /** Only for who is signed in at the desk, or shows a token of it. */
  session?: true
  /** It is for people: /openapi.json and /llms.txt leave it out. */
  hidden?: true
  /** How its requests are counted, where that is not plain from the above; `free`: never refused. */
  counts?: Kind | 'free'
  body?: z.ZodType
  /** What may stand behind the path's question mark. */
  query?: readonly { name: string; description: string; values?: readonly string[] }[]
  /** Answers of a fixed form, by status. */
  answers?: Readonly<Record<number, z.ZodType>>
  answer: (c: Context<Env>) => Promise<Reply>
}

export type ResourceFacts = {
  deps: Deps
  catalog: Catalog
  margin: bigint
  bodyLimit: number
  /** Where callers come from. */
  addresses?: Addresses
  /** Payment channels are taken, so what is left in one can be asked back. */
  refunds?: boolean
  ready: () => Promise<Readiness>
}

/** Every resource but the two that describe the table itself. */
export const resources = (facts: ResourceFacts): Resource[] => [
  ...paidResources(facts),
  countTokens(facts),
  modelsResource(facts),
  modelResource(facts),
  {
    method: 'get',
    path: '/v1/receipts/:id',
    summary: 'The signed receipt of a call.',
    paid: false,
    answer: async (c) => {
      const call = await findCall(c, facts.deps)
      const receipt = await signReceipt(facts.deps.account, call)
      if (!receipt) throw fail('receipt_not_ready', { id: call.id, state: stateOf(call) })
      return json({ ...receipt, ...refundOf(call) })
    },
  },
  {
    method: 'get',
    path: '/v1/calls/:id',
    summary: 'How a paid call stands: its service, its settlement, what it was charged.',
    paid: false,
    answer: async (c) => json(await describeById(c, facts.deps)),
  },
  {
    method: 'get',
    path: '/.well-known/x402',
    summary: 'What can be paid with here, and who signs receipts.',
    paid: false,
    answer: async () => json(wellKnown(facts.deps, facts.bodyLimit)),
  },
  {
    method: 'get',
    path: '/healthz',
    summary: 'The process is alive.',
    paid: false,
    counts: 'free',
    answer: async () => json({ ok: true }),
  },
  {
    method: 'get',
    path: '/readyz',
    summary: 'Whether paid calls can be taken: ledger, chains and their nodes, clocks, fees and gas.',
    paid: false,
    counts: 'free',
    answers: { 200: readinessSchema, 503: readinessSchema },
    answer: async () => {
      const state = await facts.ready()
      return json(state, state.ready ? 200 : 503)
    },
  },
  ...accountResources(facts),
  approvalResource(facts),
]

export { json } from './send.ts'

/** What was given back of a charge because its answer was lost; the signed receipt says what was charged. */
const refundOf = (call: Call): { refunded?: string } => {
  const refunded = billOf(call)?.refunded
  return refunded === undefined ? {} : { refunded: refunded.toString() }
}

const findCall = async (c: Context<Env>, { ledger }: Deps): Promise<Call> => {
  const call = await ledger.call(c.req.param('id') ?? '')
  if (!call) throw fail('call_not_found')
  return call
}

/** A call, or what is done on the chain beside calls: a deposit, a refund. */
const describeById = async (c: Context<Env>, deps: Deps) => {
  const errand = await deps.ledger.errand(c.req.param('id') ?? '')
  return errand ? describeErrand(errand) : describeCall(await findCall(c, deps))
}
