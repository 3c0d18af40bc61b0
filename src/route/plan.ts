/** route/: who shall answer. A plan is an ordered list of routes; the call tries them until the first byte. */
import type { Capability, Catalog, Host, Model, Prices } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import { maxOf, parseRate, type Rate } from '../money.ts'
import type { ChatRequest } from '../wire/openai.ts'

/** One way to answer: a model at a provider, with the prices it was quoted at. */
export type Route = { model: string; provider: string; hostModel: string; prices: Prices }

/** What a request asks of a model. `input` is the expected number of input tokens, `output` the asked cap per choice. */
export type Needs = { input: number; output: number | undefined; capabilities: readonly Capability[] }

export type PlanFacts = {
  request: ChatRequest
  needs: Needs
  catalog: Catalog
  /** True while a host rests after failures: it is tried last, not left out. */
  resting: (provider: string, hostModel: string) => boolean
}

/** At most so many routes go into a plan: they are sealed into the quote. */
const MAX_ROUTES = 6

/** Plans a request: capable hosts, in the caller's order if it gave one, else cheapest first. Refuses when none is left. */
export const plan = ({ request, needs, catalog, resting }: PlanFacts): Route[] => {
  const models = named(request, catalog)
  const fitting = models.filter((model) => fits(model, needs))
  if (fitting.length === 0) throw tooMuch(models, needs)
  const groups = isAuto(request.model) ? [fitting] : fitting.map((model) => [model])
  const routes = groups.flatMap((group) => rank(group.flatMap(routesOf), request))
  const chosen = routes.filter((route) => allowed(route, request))
  if (chosen.length === 0) {
    throw fail('unsupported_parameter', {
      problem: 'The provider preferences leave no host for this model.',
      param: 'provider',
    })
  }
  const awake = chosen.filter((route) => !resting(route.provider, route.hostModel))
  const asleep = chosen.filter((route) => resting(route.provider, route.hostModel))
  const ordered = request.provider?.order ? chosen : [...awake, ...asleep]
  return ordered.slice(0, request.provider?.allow_fallbacks === false ? 1 : MAX_ROUTES)
}

/** What a request needs beyond plain text. */
export const neededCapabilities = (request: ChatRequest): Capability[] => {
  const needs: Capability[] = []
  if (request.tools?.length || request.functions?.length) needs.push('tools')
  if (request.response_format?.type === 'json_schema') needs.push('json_schema')
  if (
    request.messages.some(
      (one) => Array.isArray(one.content) && one.content.some((part) => part.type === 'image_url'),
    )
  ) {
    needs.push('vision')
  }
  return needs
}

const isAuto = (name: string): boolean => name === 'auto' || name === 'auto:cost'

const named = (request: ChatRequest, catalog: Catalog): Model[] => {
  if (isAuto(request.model) && !request.models) return [...catalog.models]
  // Beside auto, `models` is what it may choose from; beside a model, what may answer instead.
  const names = [...(isAuto(request.model) ? [] : [request.model]), ...(request.models ?? [])]
  const models = names.map((name) => {
    const model = catalog.find(name.endsWith(':cost') ? name.slice(0, -':cost'.length) : name)
    if (!model)
      throw fail('model_not_found', { model: name, param: name === request.model ? 'model' : 'models' })
    return model
  })
  return [...new Set(models)]
}

const fits = (model: Model, needs: Needs): boolean =>
  needs.input + (needs.output ?? 1) <= model.context &&
  (needs.output ?? 1) <= model.maxOutput &&
  needs.capabilities.every((one) => !model.capabilities || model.capabilities.has(one))

const tooMuch = (models: readonly Model[], needs: Needs) => {
  const missing = needs.capabilities.find((one) =>
    models.every((model) => model.capabilities && !model.capabilities.has(one)),
  )
  if (missing)
    return fail('unsupported_parameter', { problem: `No allowed model supports ${missing}.`, param: 'model' })
  const longest = Math.max(...models.map((model) => model.maxOutput))
  if (needs.output !== undefined && needs.output > longest) {
    return fail('unsupported_parameter', {
      problem: `max_tokens is above ${longest}, the most this model writes.`,
      param: 'max_tokens',
    })
  }
  return fail('context_length_exceeded', {
    tokens: needs.input,
    output: needs.output ?? 1,
    limit: Math.max(...models.map((model) => model.context)),
    param: 'messages',
  })
}

const routesOf = (model: Model): Route[] =>
  model.hosts.map((host: Host) => ({
    model: model.id,
    provider: host.provider,
    hostModel: host.model,
    prices: host.prices,
  }))

const allowed = (route: Route, { provider }: ChatRequest): boolean => {
  if (!provider) return true
  if (provider.only && !provider.only.includes(route.provider)) return false
  if (provider.ignore?.includes(route.provider)) return false
  return (
    withinMax(route.prices.input, provider.max_price?.prompt) &&
    withinMax(route.prices.output, provider.max_price?.completion)
  )
}

const withinMax = (rate: Rate, max: string | number | undefined): boolean => {
  if (max === undefined) return true
  const limit = parseRate(String(max))
  if (limit === undefined) {
    throw fail('invalid_request', {
      problem: 'provider.max_price must be dollars per million tokens.',
      param: 'provider.max_price',
    })
  }
  return rate <= limit
}

const rank = (routes: Route[], { provider }: ChatRequest): Route[] => {
  const order = provider?.order
  const place = (route: Route) => {
    const at = order ? order.indexOf(route.provider) : -1
    return at === -1 ? Number.MAX_SAFE_INTEGER : at
  }
  return routes.toSorted((a, b) => place(a) - place(b) || compare(weight(a), weight(b)))
}

// Answers are shorter than prompts, but dearer: one part output to three parts input is the mix of published workloads.
const weight = ({ prices }: Route): bigint => maxOf(prices.input, prices.cachedInput) * 3n + prices.output
const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
