import type { Hex } from '../assets.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { type Clock, seconds } from '../clock.ts'
import { fail } from '../errors.ts'
import { randomId } from '../ids.ts'
import { maxOf, minOf, NO_MONEY, printUsd, type Usd } from '../money.ts'
import type { Route } from '../route/plan.ts'
import type { Allowed, Router, Size } from '../route/router.ts'
import type { Strategy } from '../route/strategies.ts'
import type { Order } from '../wire/order.ts'
import { maxPrice } from '../wire/steering.ts'
import { type InputTokens, inputTokens, type Measured, measure } from './estimate.ts'
import type { Learner } from './learn.ts'
import { most, outputWithin, price } from './price.ts'

/** What one request may cost, and who would answer it. */
export type Quote = {
  id: string
  asked: string
  strategy: Strategy
  /** Why these routes, in a few words. */
  why: string
  routes: Route[]
  digest: Hex
  measured: Measured
  input: InputTokens
  /** Output tokens per choice that providers are told to stop at, and how many choices. */
  maxOutput: number
  choices: number
  expected: Usd
  ceiling: Usd
  margin: bigint
  /** Unix seconds. */
  expires: number
}

export type Quoter = {
  /** `allowed`: what the caller's key allows. */
  quote: (order: Order, allowed?: Allowed) => Quote
  fits: (quote: Pick<Quote, 'routes' | 'input' | 'choices' | 'measured'>, budget: Usd) => number
}

export type QuoterFacts = {
  router: Router
  catalog: Catalog
  learner: Learner
  clock: Clock
  /** Millionths on top of the price. */
  margin: bigint
  /** Output tokens when the request names none. */
  defaultMaxOutput: number
  /** How long a quote is honoured, seconds. */
  ttl: number
}

/** Prices requests. Nothing is stored: the offers carry the quote, sealed. */
export const createQuoter = (facts: QuoterFacts): Quoter => {
  const { router, catalog, learner, clock, margin } = facts

  const quote = (order: Order, allowed?: Allowed): Quote => {
    const measured = measure(order)
    const size = sizeOf(order, measured)
    const { input: rough, output: asked, choices } = size
    const { routes, strategy, why } = router.route(order, size, allowed)
    const places = routes.map((route) => placeOf(catalog, route))
    const inputs = places.map(({ model }) => inputTokens(measured, model, learner.factor(model.id)))
    const input = {
      expected: inputs[0]!.expected,
      ceiling: Math.max(...inputs.map((one) => one.ceiling)),
    }
    const room = Math.min(...places.map(({ maxOutput, context }) => Math.min(maxOutput, context - rough)))
    const usual = Math.max(1, Math.min(facts.defaultMaxOutput, room))
    const maxOutput = asked ?? Math.min(usual, fits({ routes, input, choices, measured }, USUAL_CAP) || usual)
    const ceiling = routes
      .map(({ prices }) => most(input.ceiling, maxOutput * choices, prices, measured.marked, margin))
      .reduce(maxOf, NO_MONEY)
    const output = Math.min(maxOutput, learner.output(routes[0]!.model)) * choices
    const likely = price({ input: input.expected, cached: 0, output }, routes[0]!.prices, margin)
    const made: Quote = {
      id: `quote_${randomId()}`,
      asked: order.request.model,
      strategy,
      why,
      routes,
      digest: order.digest,
      measured,
      input,
      maxOutput,
      choices,
      expected: minOf(likely, ceiling),
      ceiling,
      margin,
      expires: seconds(clock.now()) + facts.ttl,
    }
    refuseAbove(made, maxPrice(order.request))
    return made
  }

  /** The `max_tokens` whose ceiling stays within `budget`; 0 when the input alone costs more. */
  const fits: Quoter['fits'] = ({ routes, input, choices, measured }, budget) => {
    const perRoute = routes.map(({ prices }) =>
      outputWithin(budget, input.ceiling, prices, measured.marked, margin),
    )
    return Math.max(0, Math.floor(Math.min(...perRoute) / choices))
  }

  const refuseAbove = (made: Quote, max: Usd | undefined): void => {
    if (max === undefined || made.ceiling <= max) return
    throw fail('price_above_max', {
      ceiling: printUsd(made.ceiling),
      max: printUsd(max),
      fits: fits(made, max),
      param: 'max_price_usd',
    })
  }

  return { quote, fits }
}

// What official x402 clients pay at most, unless told otherwise: a request that names no limit gets one that they accept.
const USUAL_CAP = 1_000_000n as Usd

const placeOf = (catalog: Catalog, route: Route) => {
  const model = catalog.find(route.model)!
  const host = model.hosts.find((one) => one.provider === route.provider && one.model === route.hostModel)
  return { model, context: host?.context ?? model.context, maxOutput: host?.maxOutput ?? model.maxOutput }
}

/** How large an order is, before anybody is chosen to answer it. */
export const sizeOf = (order: Order, measured: Measured = measure(order)): Size => ({
  input: measured.tokens + measured.framing,
  output: askedOutput(order),
  choices: order.kind === 'chat' ? (order.request.n ?? 1) : 1,
  writes: measured.marked,
  longest: measured.longest,
})

/** Output tokens that the caller allows; vectors have none. */
const askedOutput = (order: Order): number | undefined =>
  order.kind === 'chat' ? (order.request.max_completion_tokens ?? order.request.max_tokens ?? undefined) : 0
