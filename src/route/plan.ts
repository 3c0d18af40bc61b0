/** route/: who shall answer. A plan is an ordered list of routes; the call tries them until the first byte. */
import type { Catalog, Host, Model, Prices } from '../catalog/catalog.ts'
import type { Order } from '../wire/order.ts'
import { AUTO, namedModels, type Steered, strategyOf } from './asked.ts'
import { type HostFacts, type Lacking, lacking, tooMuch } from './fit.ts'
import type { Judged } from './judge.ts'
import type { Needs } from './needs.ts'
import { type Able, ableBy, type Row, rowsOf } from './row.ts'
import { type Strategy, scoresOf } from './strategies.ts'

/** One way to answer: a model at a provider, with the prices it was quoted at. */
export type Route = { model: string; provider: string; hostModel: string; prices: Prices }

/** The routes of a request in order, and how they were chosen. */
export type Plan = {
  strategy: Strategy
  routes: Route[]
  /** Who could answer, best first, with what they were judged by. */
  rows: readonly Scored[]
  /** How many could; of very many only the most promising are judged. */
  able: number
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
  /** The models that the caller's key allows; all when undefined. */
  allows?: ((model: string) => boolean) | undefined
  /** What `auto` judges models by. */
  judged: Judged | undefined
  hosts: HostFacts
}

/** At most so many routes go into a plan: they are sealed into the quote. */
const MAX_ROUTES = 6
/** A fallback that may cost so many times what is planned would raise the price of all. */
const DEAREST_FALLBACK = 3
/** Of more models than this only the most promising are judged by all that is known of their hosts. */
const PROMISING_MODELS = 16

/** Plans a request: hosts that can do all of it, in the caller's order if it gave one, else by its strategy. Refuses when none is left. */
export const plan = (facts: PlanFacts): Plan => {
  const { needs, hosts } = facts
  const request: Steered = facts.order.request
  const { name, strategy } = strategyOf(request, facts.usual)
  const out: Lacking[] = []
  const groups = namedModels(request, name, facts.catalog, facts.allows).map((models) =>
    ableOf(facts, models, out),
  )
  const able = groups.flat().reduce((sum, one) => sum + one.hosts.length, 0)
  if (able === 0) throw tooMuch(out, needs, request)
  const rows = groups.flatMap((group) => {
    const promising = shortlist(marked(group, facts), strategy, request.quality)
    const known = promising.flatMap((one) => rowsOf(one, needs, hosts))
    return ranked(known, strategy, request.quality)
  })
  const ordered = inOrder(rows, request, hosts)
  const routes = name === AUTO ? affordable(ordered) : ordered
  const most = request.provider?.allow_fallbacks === false ? 1 : MAX_ROUTES
  return { strategy, rows, able, out, routes: routes.slice(0, most).map(({ route }) => route) }
}

/** Models of which some host can do all that is asked, with those hosts. */
const ableOf = (
  { order, needs, judged, hosts: known }: PlanFacts,
  models: readonly Model[],
  out: Lacking[],
): Able[] => {
  const found: Able[] = []
  for (const model of models) {
    const hosts: Host[] = []
    for (const host of model.hosts) {
      const why = lacking(order.request, needs, model, host, known)
      if (why) out.push({ model: model.id, provider: host.provider, why })
      else hosts.push(host)
    }
    if (hosts.length === 0) continue
    const quality = judged?.chance(model) ?? 1
    found.push(ableBy(needs, model, hosts, { quality, output: judged?.output(model) ?? needs.expected }))
  }
  return found
}

/** Of models whose ability differs by less the dearest is the flagship. */
const EQUALLY_GOOD = 0.3

/** The model that is best in general is what all others are measured against. */
const marked = (models: readonly Able[], { judged }: PlanFacts): readonly Able[] => {
  if (!judged) return models
  const general = models.map(({ model }) => judged.general(model))
  const least = Math.max(...general) - EQUALLY_GOOD
  const best = models.filter((_, i) => general[i]! >= least)
  const flagship = best.reduce<Able | undefined>((a, b) => (a && a.cost >= b.cost ? a : b), undefined)
  return models.map((one) => (one === flagship ? { ...one, flagship: true } : one))
}

/** The most promising models by their cheapest hosts, and the flagship. */
const shortlist = (
  models: readonly Able[],
  strategy: Strategy,
  knob: number | undefined,
): readonly Able[] => {
  if (models.length <= PROMISING_MODELS) return models
  const scores = scoresOf(models, strategy, knob)
  return models
    .map((one, i) => ({ one, score: one.flagship ? Number.POSITIVE_INFINITY : scores[i]! }))
    .sort((a, b) => b.score - a.score)
    .slice(0, PROMISING_MODELS)
    .map(({ one }) => one)
}

const ranked = (rows: readonly Row[], strategy: Strategy, knob: number | undefined): Scored[] => {
  const scores = scoresOf(rows, strategy, knob)
  return rows
    .map((row, i): Scored => ({ ...row, score: scores[i]! }))
    .sort((a, b) => b.score - a.score || a.cost - b.cost || own(b) - own(a))
}

/** Of equals the maker of a model goes before those who resell it. */
const own = ({ route }: Row): number => (route.model.startsWith(`${route.provider}/`) ? 1 : 0)

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
