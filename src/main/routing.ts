import type { Deps } from '../call/deps.ts'
import type { Model, Prices } from '../catalog/catalog.ts'
import type { Config } from '../config.ts'
import { createRouter, type Router } from '../route/router.ts'
import type { Feature } from '../wire/features.ts'
import { chatOrder } from '../wire/order.ts'

/** What routing learns and remembers, which outlives a change of the configuration. */
export type Lookups = Pick<Deps, 'health' | 'tempo' | 'prefixes' | 'judge' | 'learner' | 'clock' | 'provider'>

const NOTHING: ReadonlySet<Feature> = new Set()

/** The router of a configuration. */
export const openRouter = (
  { catalog, routing }: Pick<Config, 'catalog' | 'routing'>,
  { health, tempo, prefixes, judge, learner, provider }: Lookups,
): Router =>
  createRouter({
    catalog,
    usual: routing.strategy,
    judge,
    hosts: {
      lacks: (id, hostModel) => provider(id)?.lacks(hostModel) ?? NOTHING,
      resting: health.resting,
      failing: health.failing,
      expectMs: tempo.expectMs,
    },
    prefixes,
    usualOutput: learner.output,
  })

/** Of models whose ability differs by less the dearest is the flagship. */
const EQUALLY_GOOD = 0.3

/** The prices of what savings are measured against: the model that is named, else the most able one; undefined where nobody hosts one. */
export const openFlagship = (
  { catalog, routing }: Pick<Config, 'catalog' | 'routing'>,
  { judge }: Pick<Lookups, 'judge'>,
): (() => Prices | undefined) => {
  const find = (): Prices | undefined => {
    const named = routing.flagship === undefined ? undefined : catalog.find(routing.flagship)
    return dearest(named ? [named] : mostAble(catalog.models, judge))
  }
  let found: { prices: Prices | undefined } | undefined
  // Not before the first bill: it reads the learned model.
  return () => {
    found ??= { prices: find() }
    return found.prices
  }
}

const mostAble = (models: readonly Model[], judge: Lookups['judge']): Model[] => {
  const chats = models.filter(({ hosts, kind }) => hosts.length > 0 && kind === 'chat')
  const anything = chatOrder({ model: 'auto', messages: [{ role: 'user', content: 'Hello' }] })
  const { general } = judge(anything, { features: [], input: 1 })
  const most = Math.max(...chats.map(general))
  return chats.filter((one) => general(one) > most - EQUALLY_GOOD)
}

const dearest = (models: readonly Model[]): Prices | undefined =>
  models
    .flatMap(({ hosts }) => hosts.map(({ prices }) => prices))
    .reduce<Prices | undefined>((most, one) => (most && most.output >= one.output ? most : one), undefined)
