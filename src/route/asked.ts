/** What a caller says about routing, in its body and in the name of the model. Pure. */
import type { Catalog, Model } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import type { Steering } from '../wire/steering.ts'
import { isStrategy, type Strategy } from './strategies.ts'

export type Steered = Steering & { model: string }

export const AUTO = 'auto'

/** The model's name without its strategy, and the strategy: of the name, of the body, else the usual one. */
export const strategyOf = (
  { model, strategy, provider }: Steered,
  usual: Strategy,
): { name: string; strategy: Strategy } => {
  const cut = model.lastIndexOf(':')
  const suffix = cut === -1 ? '' : model.slice(cut + 1)
  const named = isStrategy(suffix) ? suffix : undefined
  const sort = provider?.sort && (provider.sort === 'price' ? 'cost' : 'latency')
  return { name: named ? model.slice(0, cut) : model, strategy: named ?? strategy ?? sort ?? usual }
}

/**
 * The models that may answer, in groups: of a group the best is taken, and the next group only when no host of the one
 * before can answer. Only those that the caller's key allows. Beside `auto`, `models` is what it may choose from; beside a model, what may answer instead, in order.
 */
export const namedModels = (
  request: Steered,
  name: string,
  catalog: Catalog,
  allows: (model: string) => boolean = () => true,
): Model[][] => {
  const find = (asked: string, param: string): Model => {
    const model = catalog.find(asked) ?? catalog.find(strategyOf({ model: asked }, 'balanced').name)
    if (!model) throw fail('model_not_found', { model: asked, param })
    if (!allows(model.id)) throw fail('key_scope', { problem: `This key may not use ${model.id}.`, param })
    return model
  }
  const others = (request.models ?? []).map((one) => find(one, 'models'))
  if (name === AUTO)
    return [others.length > 0 ? [...new Set(others)] : catalog.models.filter(({ id }) => allows(id))]
  const first = catalog.find(request.model) ? find(request.model, 'model') : find(name, 'model')
  return [...new Set([first, ...others])].map((model) => [model])
}
