/** catalog/: which models can be sold, who hosts them, and what they cost. */
import type { Rate } from '../money.ts'

/** Prices per million tokens; cached input costs as much as input where a host does not say otherwise. */
export type Prices = { input: Rate; output: Rate; cachedInput: Rate }

export type Capability = 'tools' | 'vision' | 'json_schema' | 'reasoning'

/** One place where a model answers: the provider's id and the model's name there. */
export type Host = { provider: string; model: string; prices: Prices }

export type Model = {
  id: string
  hosts: readonly Host[]
  /** Input and output tokens together. */
  context: number
  maxOutput: number
  /** What one image may count as, in input tokens: at low detail and at any other. */
  imageTokens: { low: number; high: number }
  /** What it can do; undefined when nobody said, then it is tried. */
  capabilities: ReadonlySet<Capability> | undefined
}

export type Catalog = {
  models: readonly Model[]
  /** By id, or by the part after the slash where only one model has it; undefined when there is none. */
  find: (name: string) => Model | undefined
}

/** Indexes models by every name they may be called by. */
export const createCatalog = (models: readonly Model[]): Catalog => {
  const byId = new Map(models.map((model) => [model.id, model]))
  const short = new Map<string, Model | undefined>()
  for (const model of models) {
    const name = model.id.slice(model.id.indexOf('/') + 1)
    short.set(name, short.has(name) ? undefined : model)
  }
  return { models, find: (name) => byId.get(name) ?? short.get(name) }
}
