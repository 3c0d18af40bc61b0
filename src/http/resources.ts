/** http/: the doors. One table of resources gives the routes, /openapi.json and /llms.txt, so that they cannot differ. */
import type { Context } from 'hono'
import type { z } from 'zod'
import type { Kind } from '../admit/admit.ts'
import type { ChainId, Hex } from '../assets.ts'
import { refundDoor } from '../call/channel-refund.ts'
import { NETWORK_HEADER, SIGN_HEADER } from '../call/declare.ts'
import { quoteFor } from '../call/demand.ts'
import type { Deps } from '../call/deps.ts'
import { NAME_HEADER } from '../call/repeat.ts'
import type { Reply } from '../call/reply.ts'
import { run, type Visit } from '../call/run.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import { billOf, type Call, stateOf } from '../ledger/call.ts'
import { printRate } from '../money.ts'
import { signReceipt } from '../payment/receipt.ts'
import { chatRequestSchema } from '../wire/openai.ts'
import { HEADER, readPayment } from '../wire/payment.ts'
import { accountResources } from './account.ts'
import { readBody } from './body.ts'
import { describeCall, describeErrand } from './call-state.ts'
import { wellKnown } from './discovery.ts'
import { type Readiness, readinessSchema } from './readiness.ts'
import { type Env, headerOf, json, leaving } from './send.ts'

export type Resource = {
  method: 'get' | 'post'
  path: string
  summary: string
  /** What it costs: nothing, or the quoted price. */
  paid: boolean
  /** Only for who signs in. */
  signed?: boolean
  /** How its requests are counted, where that is not plain from the above; `free`: never refused. */
  counts?: Kind | 'free'
  body?: z.ZodType
  /** Answers of a fixed form, by status. */
  answers?: Readonly<Record<number, z.ZodType>>
  answer: (c: Context<Env>) => Promise<Reply>
}

export type ResourceFacts = {
  deps: Deps
  catalog: Catalog
  margin: bigint
  bodyLimit: number
  /** Payment channels are taken, so what is left in one can be asked back. */
  refunds?: boolean
  ready: () => Promise<Readiness>
}

/** Every resource but the two that describe the table itself. */
export const resources = (facts: ResourceFacts): Resource[] => [
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary:
      'A chat completion, JSON or streamed, paid for this one request. Without payment: 402 with its price.',
    paid: true,
    body: chatRequestSchema,
    answer: (c) => chat(c, facts),
  },
  ...(facts.refunds ? [refunds(facts)] : []),
  {
    method: 'post',
    path: '/v1/quote',
    summary: 'The price of a chat completion without asking for it: the same body, nothing is stored.',
    paid: false,
    body: chatRequestSchema,
    answer: async (c) => {
      const request = await readBody(c, chatRequestSchema, facts.bodyLimit)
      const network = networkOf(c, facts.deps)
      return json(await quoteFor(facts.deps, { request, payer: payerOf(c), network }))
    },
  },
  {
    method: 'get',
    path: '/v1/models',
    summary: 'Every model that can be called, with its prices before margin.',
    paid: false,
    answer: async () => json(listModels(facts)),
  },
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
]

export { json } from './send.ts'

const chat = async (c: Context<Env>, { deps, bodyLimit }: ResourceFacts): Promise<Reply> => {
  const signal = leaving(c)
  const request = await readBody(c, chatRequestSchema, bodyLimit)
  const v1 = headerOf(c, HEADER.v1Payment)
  const payment = () => readPayment(headerOf(c, HEADER.signature), v1)
  const name = headerOf(c, NAME_HEADER)
  const signed = headerOf(c, SIGN_HEADER) === 'offers'
  const visit: Visit = {
    request,
    payment,
    payer: payerOf(c),
    name,
    network: networkOf(c, deps),
    signed,
    signal,
  }
  const reply = await run(deps, visit)
  const response = reply.headers[HEADER.response]
  if (v1 !== undefined && response !== undefined) reply.headers[HEADER.v1Response] = response
  return reply
}

const refunds = ({ deps }: ResourceFacts): Resource => ({
  method: 'get',
  path: '/v1/chat/completions',
  summary:
    'Gives back what is left in a payment channel. Without payment: 402 with the channels; ?asset=0x… for one token.',
  paid: true,
  answer: (c) => refund(c, deps),
})

const refund = (c: Context<Env>, deps: Deps): Promise<Reply> => {
  const payment = () => readPayment(headerOf(c, HEADER.signature), headerOf(c, HEADER.v1Payment))
  const asset = c.req.query('asset')
  if (asset !== undefined && !ADDRESS.test(asset))
    throw fail('invalid_request', { problem: 'asset must be an address', param: 'asset' })
  return refundDoor(deps, { payment, asset: asset?.toLowerCase() as Hex | undefined, signal: leaving(c) })
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

const payerOf = (c: Context<Env>): Hex | undefined => {
  const named = headerOf(c, HEADER.payer)
  if (named === undefined) return undefined
  if (!ADDRESS.test(named))
    throw fail('invalid_request', { problem: `${HEADER.payer} must be an address`, param: HEADER.payer })
  return named.toLowerCase() as Hex
}

const networkOf = (c: Context<Env>, { offers }: Deps): ChainId | undefined => {
  const named = headerOf(c, NETWORK_HEADER)
  if (named === undefined) return undefined
  const network = offers.tills.find(({ asset }) => asset.chain === named)?.asset.chain
  if (network) return network
  const problem = `${NETWORK_HEADER} must be one of ${[...new Set(offers.tills.map(({ asset }) => asset.chain))].join(', ')}`
  throw fail('invalid_request', { problem, param: NETWORK_HEADER })
}

/** What was given back of a charge because its answer was lost; the signed receipt says what was charged. */
const refundOf = (call: Call): { refunded?: string } => {
  const refunded = billOf(call)?.refunded
  return refunded === undefined ? {} : { refunded: refunded.toString() }
}

const listModels = ({ catalog, margin }: ResourceFacts) => ({
  object: 'list',
  data: catalog.models.map((model) => ({
    id: model.id,
    object: 'model',
    created: 0,
    owned_by: model.id.split('/')[0],
    context_length: model.context,
    max_output_tokens: model.maxOutput,
    capabilities: model.capabilities ? [...model.capabilities] : null,
    margin_percent: `${Number(margin) / 10_000}`,
    hosts: model.hosts.map(({ provider, prices }) => ({
      provider,
      input_per_million: printRate(prices.input),
      cached_input_per_million: printRate(prices.cachedInput),
      output_per_million: printRate(prices.output),
    })),
  })),
})

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
