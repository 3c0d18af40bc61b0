/** What costs money: every door, what a channel gives back, and the price of a request without asking for it. */
import type { Context } from 'hono'
import { isBearer } from '../accounts/keys.ts'
import type { ChainId, Hex } from '../assets.ts'
import { refundDoor } from '../call/channel-refund.ts'
import { NETWORK_HEADER, SIGN_HEADER } from '../call/declare.ts'
import { quoteFor } from '../call/demand.ts'
import type { Deps } from '../call/deps.ts'
import { explain } from '../call/explain.ts'
import { APPROVAL_HEADER, type Asker, allowedBy, TAGS_HEADER, whoAsks } from '../call/permit.ts'
import { NAME_HEADER } from '../call/repeat.ts'
import type { Reply } from '../call/reply.ts'
import { run } from '../call/run.ts'
import { fail } from '../errors.ts'
import { CHAT_PATH } from '../wire/chat-door.ts'
import { DOORS, type DoorWay, STRATEGY_HEADER, withStrategy } from '../wire/doors.ts'
import { chatRequestSchema } from '../wire/openai.ts'
import type { Order } from '../wire/order.ts'
import { HEADER, readPayment } from '../wire/payment.ts'
import { readBody } from './body.ts'
import type { Resource, ResourceFacts } from './resources.ts'
import { type Env, headerOf, json, leaving } from './send.ts'

/** A request header that asks for the answer to the very same request again, by the word `on`. */
const CACHE_HEADER = 'X-Farebox-Cache'

/** Of requests that are only asked about. */
const FOR = {
  name: 'for',
  description: 'The path whose body this is; a chat completion without it.',
  values: DOORS.map(({ path }) => path),
}

export const paidResources = (facts: ResourceFacts): Resource[] => [
  ...DOORS.map(
    (way): Resource => ({
      method: 'post',
      path: way.path,
      summary: `${way.summary}, paid for this one request. Without payment: 402 with its price.`,
      paid: true,
      body: way.schema,
      answer: (c) => paid(c, way, facts),
    }),
  ),
  ...(facts.refunds ? [refunds(facts)] : []),
  {
    method: 'post',
    path: '/v1/quote',
    summary:
      'The price of a request without asking for it: the same body, nothing is stored. ?for=/v1/messages for another door than chat completions.',
    paid: false,
    body: chatRequestSchema,
    query: [FOR],
    answer: (c) => priced(c, facts),
  },
  {
    method: 'post',
    path: '/v1/route/explain',
    summary:
      'Who would answer a request and why, who else could, and who could not: the same body, nothing is asked of anybody. ?for= as for /v1/quote.',
    paid: false,
    body: chatRequestSchema,
    query: [FOR],
    answer: async (c) => {
      const caller = await whoAsks(facts.deps, askerOf(c, facts), undefined)
      return json(explain(facts.deps, await asked(c, facts), allowedBy(caller)))
    },
  },
]

/** A call, from the body to the answer or the price. */
const paid = async (c: Context<Env>, way: DoorWay, facts: ResourceFacts): Promise<Reply> => {
  const { deps, bodyLimit } = facts
  const signal = leaving(c)
  let began: number | undefined
  const order = await readOrder(c, way, bodyLimit, () => {
    began = performance.now()
  })
  const v1 = headerOf(c, HEADER.v1Payment)
  const reply = await run(deps, {
    order,
    payment: () => readPayment(headerOf(c, HEADER.signature), v1),
    payer: payerOf(c),
    name: headerOf(c, NAME_HEADER),
    network: networkOf(c, deps),
    signed: headerOf(c, SIGN_HEADER) === 'offers',
    cache: headerOf(c, CACHE_HEADER) === 'on',
    asker: askerOf(c, facts),
    signal,
    began,
    ...(deps.tracer && { traceparent: headerOf(c, 'traceparent') }),
  })
  const response = reply.headers[HEADER.response]
  if (v1 !== undefined && response !== undefined) reply.headers[HEADER.v1Response] = response
  return reply
}

const priced = async (c: Context<Env>, facts: ResourceFacts): Promise<Reply> => {
  const { deps } = facts
  const order = await asked(c, facts)
  const caller = await whoAsks(deps, askerOf(c, facts), undefined)
  return json(await quoteFor(deps, { order, caller, payer: payerOf(c), network: networkOf(c, deps) }))
}

/** An order that is only asked about; `?for=` says for which door it is. */
const asked = (c: Context<Env>, { bodyLimit }: ResourceFacts): Promise<Order> =>
  readOrder(c, doorOf(c.req.query('for') ?? CHAT_PATH), bodyLimit)

/** A strategy in the header is as good as one in the body, which goes first; it is part of what is quoted. */
const readOrder = (c: Context<Env>, way: DoorWay, limit: number, heard?: () => void): Promise<Order> => {
  const strategy = headerOf(c, STRATEGY_HEADER)
  const safeParse = (body: unknown) => way.safeParse(withStrategy(body, strategy))
  return readBody(c, { safeParse }, limit, heard)
}

const doorOf = (path: string): DoorWay => {
  const way = DOORS.find((one) => one.path === path)
  if (way) return way
  const problem = `for must be one of ${DOORS.map((one) => one.path).join(', ')}`
  throw fail('invalid_request', { problem, param: 'for' })
}

const refunds = ({ deps }: ResourceFacts): Resource => ({
  method: 'get',
  path: CHAT_PATH,
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

/** Whose key came along: as OpenAI's SDKs send keys, or as Anthropic's do. What is no key of ours is nobody's. */
const askerOf = (c: Context<Env>, { addresses }: ResourceFacts): Asker => {
  const sent = [headerOf(c, 'authorization')?.replace(/^Bearer +/i, ''), headerOf(c, 'x-api-key')]
  const remote = c.env?.incoming?.socket.remoteAddress
  const tags = headerOf(c, TAGS_HEADER)
  return {
    bearer: sent.find((one) => one !== undefined && isBearer(one)),
    address: addresses?.addressOf({ remote, forwarded: headerOf(c, 'x-forwarded-for') }),
    approval: headerOf(c, APPROVAL_HEADER),
    ...(tags !== undefined && { tags: readTags(tags) }),
  }
}

/** Such as `project=apollo, run=17`. */
const readTags = (header: string): Readonly<Record<string, string>> => {
  const tags = header.split(',').map((one) => TAG.exec(one.trim()))
  if (tags.length > MOST_TAGS || tags.some((one) => !one)) {
    const problem = `${TAGS_HEADER} must be at most ${MOST_TAGS} of name=value, separated by commas`
    throw fail('invalid_request', { problem, param: TAGS_HEADER })
  }
  return Object.fromEntries(tags.map((one) => [one![1]!, one![2]!]))
}

const TAG = /^([a-z][a-z0-9_.-]{0,39})=([A-Za-z0-9_.:/@+-]{1,64})$/
const MOST_TAGS = 5

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
