/** route/: who shall answer. A plan is an ordered list of routes; the call tries them until the first byte. */
import type { Catalog, Model, Prices } from '../catalog/catalog.ts'
import type { Order } from '../wire/order.ts'
import { AUTO, namedModels, type Steered, strategyOf } from './asked.ts'
import { type HostFacts, type Lacking, lacking, tooMuch } from './fit.ts'
import type { Needs } from './needs.ts'
import { type Row, rowOf } from './row.ts'
import { type Strategy, scoresOf } from './strategies.ts'

/** One way to answer: a model at a provider, with the prices it was quoted at. */
export type Route = { model: string; provider: string; hostModel: string; prices: Prices }

/** The routes of a request in order, and how they were chosen. */
export type Plan = {
  strategy: Strategy
  routes: Route[]
  /** All that could answer, best first, with what they were judged by. */
  rows: readonly Scored[]
  /** All that could not, and why. */
  out: readonly Lacking[]
}

export type Scored = Row & { score: number }

export type PlanFacts = {
  order: Order
  needs: Needs
  catalog: Catalog
  /** The strategy of who does not choose one. */
  usual: Strategy
  /** The chance, 0 to 1, that a model answers this request well; only `auto` asks. */
  chance: (model: Model) => number
  hosts: HostFacts
}

/** At most so many routes go into a plan: they are sealed into the quote. */
const MAX_ROUTES = 6
/** A fallback that may cost so many times what is planned would raise the price of all. */
const DEAREST_FALLBACK = 3

/** Plans a request: hosts that can do all of it, in the caller's order if it gave one, else by its strategy. Refuses when none is left. */
export const plan = (facts: PlanFacts): Plan => {
  const request: Steered = facts.order.request
  const { name, strategy } = strategyOf(request, facts.usual)
  const groups = namedModels(request, name, facts.catalog)
  const out: Lacking[] = []
  const fitting = groups.map((models) => models.flatMap((model) => rowsOf(facts, model, name === AUTO, out)))
  if (fitting.every((rows) => rows.length === 0)) throw tooMuch(out, facts.needs, request)
  const rows = fitting.flatMap((group) => ranked(group, strategy, request.quality))
  const ordered = inOrder(rows, request, facts.hosts)
  const routes = name === AUTO ? affordable(ordered) : ordered
  const most = request.provider?.allow_fallbacks === false ? 1 : MAX_ROUTES
  return { strategy, rows, out, routes: routes.slice(0, most).map(({ route }) => route) }
}

const rowsOf = (facts: PlanFacts, model: Model, auto: boolean, out: Lacking[]): Row[] => {
  const rows: Row[] = []
  let quality: number | undefined
  for (const host of model.hosts) {
    const why = lacking(facts.order.request, facts.needs, model, host, facts.hosts)
    if (why) out.push({ model: model.id, provider: host.provider, why })
    else {
      quality ??= auto ? facts.chance(model) : 1
      rows.push(rowOf(facts.needs, model, host, quality, facts.hosts))
    }
  }
  return rows
}

const ranked = (rows: readonly Row[], strategy: Strategy, knob: number | undefined): Scored[] => {
  const scores = scoresOf(rows, strategy, knob)
  return rows
    .map((row, i): Scored => ({ ...row, score: scores[i]! }))
    .toSorted((a, b) => b.score - a.score || a.cost - b.cost)
}

/** The caller's own order goes first; else who rests after failures goes last. */
const inOrder = (rows: readonly Scored[], { provider }: Steered, hosts: HostFacts): readonly Scored[] => {
  const order = provider?.order
  if (order) {
    const place = ({ route }: Row) => (order.indexOf(route.provider) + order.length + 1) % (order.length + 1)
    return rows.toSorted((a, b) => place(a) - place(b))
  }
  const rests = ({ route }: Row) => hosts.resting(route.provider, route.hostModel)
  return [...rows.filter((row) => !rests(row)), ...rows.filter(rests)]
}

/** What `auto` falls back to costs little more than what it chose, and is elsewhere first: a provider may be down as a whole. */
const affordable = (rows: readonly Scored[]): readonly Scored[] => {
  const [first, ...others] = rows
  if (!first) return rows
  const near = others.filter(({ cost }) => cost <= first.cost * DEAREST_FALLBACK)
  const cheapest = others.reduce<Scored | undefined>((a, b) => (a && a.cost <= b.cost ? a : b), undefined)
  const kept = near.length > 0 || !cheapest ? near : [cheapest]
  const elsewhere = kept.find(({ route }) => route.provider !== first.route.provider)
  return elsewhere ? [first, elsewhere, ...kept.filter((one) => one !== elsewhere)] : [first, ...kept]
}

