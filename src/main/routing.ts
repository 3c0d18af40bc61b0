import type { Deps } from '../call/deps.ts'
import type { Config } from '../config.ts'
import { loadDifficulty } from '../route/difficulty.ts'
import { createJudge, type Judge } from '../route/judge.ts'
import { createRouter, type Router } from '../route/router.ts'
import type { Feature } from '../wire/features.ts'

/** What routing learns and remembers, which outlives a change of the configuration. */
export type Lookups = Pick<Deps, 'health' | 'tempo' | 'prefixes' | 'learner' | 'clock' | 'provider'>

const NOTHING: ReadonlySet<Feature> = new Set()

let judge: Judge | undefined

/** The router of a configuration. */
export const openRouter = (
  { catalog, routing }: Pick<Config, 'catalog' | 'routing'>,
  { health, tempo, prefixes, learner, provider }: Lookups,
): Router =>
  createRouter({
    catalog,
    usual: routing.strategy,
    // The weights are read once, at the first start of a router in this process.
    judge: (judge ??= createJudge(loadDifficulty())),
    hosts: {
      lacks: (id, hostModel) => provider(id)?.lacks(hostModel) ?? NOTHING,
      resting: health.resting,
      failing: health.failing,
      expectMs: tempo.expectMs,
    },
    prefixes,
    usualOutput: learner.output,
  })
