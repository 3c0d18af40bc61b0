/** One line of the table that strategies choose from: a host, and what is expected of it. Pure. */
import { type Host, type Model, type Rates, ratesFor } from '../catalog/catalog.ts'
import type { HostFacts } from './fit.ts'
import type { Needs } from './needs.ts'
import type { Route } from './plan.ts'
import type { Candidate } from './strategies.ts'

/** A model, those of its hosts that can do what is asked, and what is expected of it at the cheapest of them. */
export type Able = Candidate & {
  model: Model
  hosts: readonly Host[]
  /** Output tokens of each choice. */
  output: number
}

/** `cost` is in dollars and only ranks; `cached` are the input tokens that its prompt cache is expected to hold. */
export type Row = Candidate & {
  route: Route
  cached: number
  /** How long it takes is learned, not supposed. */
  known: boolean
}

/** What is expected of a model whatever its host: the chance of a good answer, and output tokens of each choice. */
export type Expected = { quality: number; output: number }

/**
 * What is supposed of a host that nobody has heard yet: dearer models are larger and slower. At $0.30 a million output
 * tokens a first token after 0.35 s and 90 a second, at $5 after 0.7 s and 45, at $25 after 1 s and 30.
 */
const supposedMs = (dollarsPerMillion: number, output: number): number => {
  const size = Math.log2(1 + Math.max(0, dollarsPerMillion))
  return 300 + 150 * size + output * (9 + 5 * size)
}

/** A model by the price of its cheapest host, as if nothing else was known of them. */
export const ableBy = (
  needs: Needs,
  model: Model,
  hosts: readonly Host[],
  { quality, output }: Expected,
): Able => {
  const each = Math.min(output, needs.output ?? output)
  let cost = Number.POSITIVE_INFINITY
  let rate = Number.POSITIVE_INFINITY
  for (const host of hosts) {
    const rates = ratesOf(host, needs.input)
    cost = Math.min(cost, dollars(needs, rates, 0, each))
    rate = Math.min(rate, rates.output)
  }
  const latencyMs = supposedMs(rate * 1e6, each)
  return { model, hosts, output: each, quality, cost, latencyMs, failing: 0 }
}

/** A row for each of its hosts, with what was learned of them: prompt cache, time, failures. */
export const rowsOf = (able: Able, needs: Needs, facts: HostFacts): Row[] =>
  able.hosts.map((host) => {
    const { provider, model: hostModel } = host
    const cached = Math.min(facts.cached(provider, hostModel), needs.input)
    const ms = facts.expectMs(provider, hostModel, able.output)
    return {
      route: routeOf(able.model, host),
      quality: able.quality,
      cached,
      cost: dollars(needs, ratesOf(host, needs.input), cached, able.output),
      latencyMs: ms ?? able.latencyMs,
      failing: facts.failing(provider, hostModel),
      known: ms !== undefined,
      flagship: able.flagship === true,
    }
  })

const dollars = (
  { input, writes, choices }: Needs,
  rates: Numbers,
  cached: number,
  output: number,
): number => {
  const fresh = writes ? rates.cacheWrite : rates.input
  return (input - cached) * fresh + cached * rates.cachedInput + output * choices * rates.output
}

const routes = new WeakMap<Host, Route>()

const routeOf = (model: Model, host: Host): Route => {
  let route = routes.get(host)
  if (route?.model !== model.id) {
    route = { model: model.id, provider: host.provider, hostModel: host.model, prices: host.prices }
    routes.set(host, route)
  }
  return route
}

/** Dollars a token. */
type Numbers = Record<keyof Rates, number>

const numbers = new WeakMap<Rates, Numbers>()

const ratesOf = (host: Host, input: number): Numbers => {
  const rates = ratesFor(input, host.prices)
  let found = numbers.get(rates)
  if (!found) {
    found = numbersOf(rates)
    numbers.set(rates, found)
  }
  return found
}

// A rate is in 10^-12 dollars per million tokens.
const PER_TOKEN = 1e-18

const numbersOf = ({ input, output, cachedInput, cacheWrite }: Rates): Numbers => ({
  input: Number(input) * PER_TOKEN,
  output: Number(output) * PER_TOKEN,
  cachedInput: Number(cachedInput) * PER_TOKEN,
  cacheWrite: Number(cacheWrite) * PER_TOKEN,
})
