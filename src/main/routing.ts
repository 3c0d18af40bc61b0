import type { Deps } from '../call/deps.ts'
import type { Config } from '../config.ts'
import { createRouter, type Router } from '../route/router.ts'
import type { Feature } from '../wire/features.ts'

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
