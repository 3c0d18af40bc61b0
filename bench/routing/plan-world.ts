import { type Builtin, builtinModels, readBuiltin } from '../../src/catalog/builtin.ts'
import { type Catalog, createCatalog } from '../../src/catalog/catalog.ts'
import type { Clock } from '../../src/clock.ts'
import { sizeOf } from '../../src/quote/quote.ts'
import { createHealth } from '../../src/route/health.ts'
import type { Judge } from '../../src/route/judge.ts'
import { createPrefixes } from '../../src/route/prefixes.ts'
import { createRouter, type Router } from '../../src/route/router.ts'
import { createTempo } from '../../src/route/tempo.ts'
import type { Feature } from '../../src/wire/features.ts'
import { chatRequestSchema } from '../../src/wire/openai.ts'
import { type ChatOrder, chatOrder } from '../../src/wire/order.ts'

/** The built-in catalogue with every provider that it knows, at the prices of the day it was made for. */
export const everyHost = (): { catalog: Catalog; date: string } => {
  const builtin = readBuiltin()
  const models = builtinModels({ builtin, providers: providersOf(builtin), day: builtin.date })
  return { catalog: createCatalog(models), date: builtin.date }
}

const providersOf = ({ models }: Builtin): Map<string, readonly string[]> =>
  new Map(models.flatMap(({ hosts }) => hosts.map(({ provider }) => [provider, [provider]] as const)))

/** Time that stands still: what is planned does not depend on when. */
const still: Clock = { now: () => 1_000_000, sleep: async () => {} }
const NOTHING: ReadonlySet<Feature> = new Set()
const USUAL_OUTPUT = 300

/** The product's router before any host has been asked. */
export const freshRouter = (catalog: Catalog, judge: Judge): Router => {
  const health = createHealth({ clock: still })
  const tempo = createTempo({ clock: still })
  return createRouter({
    catalog,
    usual: 'balanced',
    judge,
    hosts: {
      lacks: () => NOTHING,
      resting: health.resting,
      failing: health.failing,
      expectMs: tempo.expectMs,
    },
    prefixes: createPrefixes({ clock: still }),
    usualOutput: () => USUAL_OUTPUT,
  })
}

/** An order of chat with one message, through the product's own check of requests. */
export const orderFor = (model: string, content: string, more: Record<string, unknown> = {}): ChatOrder =>
  chatOrder(chatRequestSchema.parse({ model, messages: [{ role: 'user', content }], ...more }))

/** An order's size with its input as given, for conversations longer than their last message. */
export const sizeWith = (order: ChatOrder, input?: number) =>
  input === undefined ? sizeOf(order) : { ...sizeOf(order), input }
