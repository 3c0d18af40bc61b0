/** One line of the table that strategies choose from: a host, and what is expected of it. Pure. */
import type { Host, Model, Rates } from '../catalog/catalog.ts'
import type { HostFacts } from './fit.ts'
import type { Needs } from './needs.ts'
import type { Route } from './plan.ts'
import type { Candidate } from './strategies.ts'

/** `cost` is in dollars and only ranks; `cached` are the input tokens that its prompt cache is expected to hold. */
export type Row = Candidate & { route: Route; cached: number; known: boolean }

/** What is supposed of a host that nobody has heard yet: first token after a second, then fifty a second. */
const UNKNOWN_FIRST_MS = 1_000
const UNKNOWN_MS_A_TOKEN = 20

/** The row of a host: its expected price with the cache hits that are expected, its time, its failures. */
export const rowOf = (needs: Needs, model: Model, host: Host, quality: number, hosts: HostFacts): Row => {
  const { provider, model: hostModel, prices } = host
  const output = Math.min(needs.expected, needs.output ?? needs.expected) * needs.choices
  const cached = Math.min(hosts.cached(provider, hostModel), needs.input)
  const ms = hosts.expectMs(provider, hostModel, output)
  return {
    route: { model: model.id, provider, hostModel, prices },
    quality,
    cached,
    cost: dollars(needs, ratesOf(host, needs.input), cached, output),
    latencyMs: ms ?? UNKNOWN_FIRST_MS + UNKNOWN_MS_A_TOKEN * output,
    failing: hosts.failing(provider, hostModel),
    known: ms !== undefined,
  }
}

const dollars = ({ input, writes }: Needs, rates: Numbers, cached: number, output: number): number =>
  (input - cached) * (writes ? rates.cacheWrite : rates.input) +
  cached * rates.cachedInput +
  output * rates.output

/** Dollars a token. */
type Numbers = { over: number } & Record<keyof Rates, number>

const numbers = new WeakMap<Host, readonly Numbers[]>()

const ratesOf = (host: Host, input: number): Numbers => {
  let tiers = numbers.get(host)
  if (!tiers) {
    const { tiers: dearer = [], ...base } = host.prices
    tiers = [{ over: 0, ...base }, ...dearer].map(numbersOf)
    numbers.set(host, tiers)
  }
  return tiers.length === 1 ? tiers[0]! : (tiers.findLast(({ over }) => input > over) ?? tiers[0]!)
}

// A rate is in 10^-12 dollars per million tokens.
const PER_TOKEN = 1e-18

const numbersOf = (rates: Rates & { over: number }): Numbers => ({
  over: rates.over,
  input: Number(rates.input) * PER_TOKEN,
  output: Number(rates.output) * PER_TOKEN,
  cachedInput: Number(rates.cachedInput) * PER_TOKEN,
  cacheWrite: Number(rates.cacheWrite) * PER_TOKEN,
})
