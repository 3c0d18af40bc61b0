import { type Catalog, createCatalog, type Model, type Prices } from '../../src/catalog/catalog.ts'
import { parseRate, type Rate } from '../../src/money.ts'
import { createPrefixes } from '../../src/route/prefixes.ts'
import { createRouter, type Router, type RouterFacts } from '../../src/route/router.ts'
import type { Feature } from '../../src/wire/features.ts'
import { chatRequestSchema } from '../../src/wire/openai.ts'
import { type ChatOrder, chatOrder } from '../../src/wire/order.ts'

/** Dollars per million tokens, as a host publishes them. */
export const prices = (input: string, output: string, cached = input): Prices => ({
  input: parseRate(input) as Rate,
  output: parseRate(output) as Rate,
  cachedInput: parseRate(cached) as Rate,
  cacheWrite: parseRate(input) as Rate,
})

/** A model with one host called `up`, unless told otherwise. */
export const model = (id: string, more: Partial<Model> & { at?: Prices } = {}): Model => {
  const { at = prices('1', '2'), ...rest } = more
  return {
    id,
    kind: 'chat',
    hosts: [{ provider: 'up', model: `${id}-at-up`, prices: at }],
    context: 8000,
    maxOutput: 1000,
    imageTokens: { low: 300, high: 3000 },
    capabilities: undefined,
    ...rest,
  }
}

export const catalogOf = (...models: Model[]): Catalog => createCatalog(models)

/** An order of chat: "Say hello." to `a/small`, unless told otherwise. */
export const orderOf = (more: Record<string, unknown> = {}): ChatOrder =>
  chatOrder(
    chatRequestSchema.parse({
      model: 'a/small',
      messages: [{ role: 'user', content: 'Say hello.' }],
      ...more,
    }),
  )

/** What is known of hosts before anybody has asked one. */
const newHosts = {
  lacks: () => new Set<Feature>(),
  resting: () => false,
  failing: () => 0,
  expectMs: () => undefined,
}

/** A router to whom all models are equally good, and all hosts new. */
export const routerOf = (catalog: Catalog, more: Partial<RouterFacts> = {}): Router =>
  createRouter({
    catalog,
    usual: 'balanced',
    judge: () => ({ chance: () => 0.9, general: () => 0, output: () => 300 }),
    hosts: newHosts,
    prefixes: createPrefixes({ clock: { now: () => 0, sleep: async () => {} } }),
    usualOutput: () => 300,
    ...more,
  })
