import type { Hex } from '../assets.ts'
import type { Catalog, Prices } from '../catalog/catalog.ts'
import { type Clock, seconds } from '../clock.ts'
import { fail } from '../errors.ts'
import { randomId } from '../ids.ts'
import { maxOf, minOf, NO_MONEY, printUsd, tokensFor, type Usd } from '../money.ts'
import type { Health } from '../route/health.ts'
import { neededCapabilities, plan, type Route } from '../route/plan.ts'
import { type ChatRequest, digestOf, maxPrice } from '../wire/openai.ts'
import { type InputTokens, inputTokens, type Measured, measure } from './estimate.ts'
import type { Learner } from './learn.ts'
import { price, type Tokens } from './price.ts'

/** What one request may cost, and who would answer it. */
export type Quote = {
  id: string
  asked: string
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
  quote: (request: ChatRequest) => Quote
  fits: (quote: Pick<Quote, 'routes' | 'input' | 'choices'>, budget: Usd) => number
}

export type QuoterFacts = {
  catalog: Catalog
  health: Health
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
  const { catalog, health, learner, clock, margin } = facts

  const quote = (request: ChatRequest): Quote => {
    const measured = measure(request)
    const asked = request.max_completion_tokens ?? request.max_tokens ?? undefined
    const rough = measured.tokens + measured.framing
    const needs = { input: rough, output: asked, capabilities: neededCapabilities(request) }
    const routes = plan({ request, needs, catalog, resting: health.resting })
    const models = routes.map((route) => catalog.find(route.model)!)
    const inputs = models.map((model) => inputTokens(measured, model, learner.factor(model.id)))
    const input = {
      expected: inputs[0]!.expected,
      ceiling: Math.max(...inputs.map((one) => one.ceiling)),
    }
    const room = Math.min(...models.map((model) => Math.min(model.maxOutput, model.context - rough)))
    const choices = request.n ?? 1
    const usual = Math.max(1, Math.min(facts.defaultMaxOutput, room))
    const maxOutput = asked ?? Math.min(usual, fits({ routes, input, choices }, USUAL_CAP) || usual)
    const most = routes.map(({ prices }) =>
      price(worst(prices, input.ceiling, maxOutput * choices), prices, margin),
    )
    const ceiling = most.reduce(maxOf, NO_MONEY)
    const output = Math.min(maxOutput, learner.output(routes[0]!.model)) * choices
    const likely = price({ input: input.expected, cached: 0, output }, routes[0]!.prices, margin)
    const made: Quote = {
      id: `quote_${randomId()}`,
      asked: request.model,
      routes,
      digest: digestOf(request),
      measured,
      input,
      maxOutput,
      choices,
      expected: minOf(likely, ceiling),
      ceiling,
      margin,
      expires: seconds(clock.now()) + facts.ttl,
    }
    refuseAbove(made, maxPrice(request))
    return made
  }

  /** The `max_tokens` whose ceiling stays within `budget`; 0 when the input alone costs more. */
  const fits: Quoter['fits'] = ({ routes, input, choices }, budget) => {
    const perRoute = routes.map(({ prices }) => {
      const left = budget - price(worst(prices, input.ceiling, 0), prices, margin)
      return Math.floor(tokensFor(left as Usd, prices.output, margin) / choices)
    })
    return Math.max(0, Math.min(...perRoute))
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

// Reading from a cache is cheaper almost everywhere; where it is dearer, all of the input may have been cached.
const worst = (prices: Prices, input: number, output: number): Tokens => ({
  input,
  cached: prices.cachedInput > prices.input ? input : 0,
  output,
})
