import { type Catalog, createCatalog, type Model, type Prices } from '../../src/catalog/catalog.ts'
import { parseRate, type Rate } from '../../src/money.ts'
import { type ChatRequest, chatRequestSchema } from '../../src/wire/openai.ts'

/** Dollars per million tokens, as a host publishes them. */
export const prices = (input: string, output: string, cached = input): Prices => ({
  input: parseRate(input) as Rate,
  output: parseRate(output) as Rate,
  cachedInput: parseRate(cached) as Rate,
})

/** A model with one host called `up`, unless told otherwise. */
export const model = (id: string, more: Partial<Model> & { at?: Prices } = {}): Model => {
  const { at = prices('1', '2'), ...rest } = more
  return {
    id,
    hosts: [{ provider: 'up', model: `${id}-at-up`, prices: at }],
    context: 8000,
    maxOutput: 1000,
    imageTokens: { low: 300, high: 3000 },
    capabilities: undefined,
    ...rest,
  }
}

export const catalogOf = (...models: Model[]): Catalog => createCatalog(models)

/** A parsed request: "Say hello." to `a/small`, unless told otherwise. */
export const requestOf = (more: Record<string, unknown> = {}): ChatRequest =>
  chatRequestSchema.parse({ model: 'a/small', messages: [{ role: 'user', content: 'Say hello.' }], ...more })
