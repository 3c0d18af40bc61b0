/** http/: the doors. One table of resources gives the routes, /openapi.json and /llms.txt, so that they cannot differ. */
import type { Context } from 'hono'
import type { z } from 'zod'
import type { Hex } from '../assets.ts'
import { quoteFor } from '../call/demand.ts'
import type { Deps } from '../call/deps.ts'
import { JSON_TYPE, NO_STORE, type Reply } from '../call/reply.ts'
import { run, type Visit } from '../call/run.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import { billOf, type Call, stateOf } from '../ledger/call.ts'
import { printRate } from '../money.ts'
import { signReceipt } from '../payment/receipt.ts'
import { chatRequestSchema } from '../wire/openai.ts'
import { HEADER, readPayment } from '../wire/payment.ts'
import { readBody } from './body.ts'
import { type Env, leaving } from './send.ts'

export type Resource = {
  method: 'get' | 'post'
  path: string
  summary: string
  /** What it costs: nothing, or the quoted price. */
  paid: boolean
  body?: z.ZodType
  answer: (c: Context<Env>) => Promise<Reply>
}

export type ResourceFacts = {
  deps: Deps
  catalog: Catalog
  margin: bigint
  bodyLimit: number
  ready: () => Promise<Readiness>
}

/** Whether paid calls can be taken, and what stands in the way. */
export type Readiness = { ready: boolean; problems: string[] }

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
  {
    method: 'post',
    path: '/v1/quote',
    summary: 'The price of a chat completion without asking for it: the same body, nothing is stored.',
    paid: false,
    body: chatRequestSchema,
    answer: async (c) => {
      const request = await readBody(c, chatRequestSchema, facts.bodyLimit)
      return json(await quoteFor(facts.deps, { request, payer: payerOf(c) }))
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
      return json(receipt)
    },
  },
  {
    method: 'get',
    path: '/v1/calls/:id',
    summary: 'How a paid call stands: its service, its settlement, what it was charged.',
    paid: false,
    answer: async (c) => json(describeCall(await findCall(c, facts.deps))),
  },
  {
    method: 'get',
    path: '/.well-known/x402',
    summary: 'What can be paid with here, and who signs receipts.',
    paid: false,
    answer: async () => json(wellKnown(facts.deps)),
  },
  {
    method: 'get',
    path: '/healthz',
    summary: 'The process is alive.',
    paid: false,
    answer: async () => json({ ok: true }),
  },
  {
    method: 'get',
    path: '/readyz',
    summary: 'Paid calls can be taken: ledger, chain and settler are well.',
    paid: false,
    answer: async () => {
      const state = await facts.ready()
      return json(state, state.ready ? 200 : 503)
    },
  },
]

export const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: { 'content-type': JSON_TYPE, 'cache-control': NO_STORE },
  body: JSON.stringify(value),
})

const chat = async (c: Context<Env>, { deps, bodyLimit }: ResourceFacts): Promise<Reply> => {
  const signal = leaving(c)
  const request = await readBody(c, chatRequestSchema, bodyLimit)
  const v1 = c.req.header(HEADER.v1Payment)
  const payment = () => readPayment(c.req.header(HEADER.signature), v1)
  const visit: Visit = { request, payment, payer: payerOf(c), signal }
  const reply = await run(deps, visit)
  const response = reply.headers[HEADER.response]
  if (v1 !== undefined && response !== undefined) reply.headers[HEADER.v1Response] = response
  return reply
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

const payerOf = (c: Context<Env>): Hex | undefined => {
  const named = c.req.header(HEADER.payer)
  if (named === undefined) return undefined
  if (!ADDRESS.test(named))
    throw fail('invalid_request', { problem: `${HEADER.payer} must be an address`, param: HEADER.payer })
  return named.toLowerCase() as Hex
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

const describeCall = (call: Call) => {
  const bill = billOf(call)
  const { settlement, service } = call
  const proof = settlement.at === 'included' || settlement.at === 'settled' ? settlement.proof : undefined
  return {
    id: call.id,
    state: stateOf(call),
    service: service.at,
    settlement: settlement.at,
    ...('why' in service && { why: service.why }),
    ...(settlement.at === 'lost' && { settlement_why: settlement.why }),
    network: call.chain,
    asset: call.token,
    payer: call.payer,
    pay_to: call.payTo,
    nonce: call.nonce,
    signed: call.signed.toString(),
    credit_used: call.credit.toString(),
    ceiling: call.ceiling.toString(),
    charged: bill
      ? bill.charged.toString()
      : service.at === 'released' || service.at === 'rejected'
        ? '0'
        : null,
    usage: bill
      ? { input_tokens: bill.usage.input, cached_tokens: bill.usage.cached, output_tokens: bill.usage.output }
      : null,
    model: bill?.model ?? null,
    provider: bill?.provider ?? null,
    transaction: proof?.hash ?? (settlement.at === 'settling' ? settlement.hash : null),
    block: proof?.block.toString() ?? null,
    created_at: new Date(call.at).toISOString(),
    receipt: bill ? `/v1/receipts/${call.id}` : null,
  }
}

const wellKnown = ({ offers }: Deps) => ({
  x402Version: 2,
  receiptSigner: offers.signer,
  resources: [{ method: 'POST', path: '/v1/chat/completions', priced: 'by request' }],
  accepts: offers.tills.map(({ asset, payTo }) => ({
    scheme: 'exact',
    network: asset.chain,
    asset: asset.address,
    symbol: asset.symbol,
    decimals: asset.decimals,
    payTo,
    extra: { name: asset.name, version: asset.version },
  })),
})
