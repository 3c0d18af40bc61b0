import type { Context } from 'hono'
import type { Reply } from '../call/reply.ts'
import type { Capability, Catalog, Host, Model, Prices, Rates } from '../catalog/catalog.ts'
import { fail } from '../errors.ts'
import { parseRate, printRate, type Rate } from '../money.ts'
import type { Resource, ResourceFacts } from './resources.ts'
import { type Env, json } from './send.ts'

/** GET /v1/models: what can be called, with the prices of every host before margin; its filters leave out hosts, and models without any. */
export const modelsResource = (facts: Pick<ResourceFacts, 'catalog' | 'margin'>): Resource => {
  const all = rememberAll()
  return {
    method: 'get',
    path: '/v1/models',
    summary:
      'Every model that can be called, with its prices before margin. Filters: supports, provider, lab, kind, max_price, min_context, q.',
    paid: false,
    query: FILTERS,
    answer: async (c) => {
      const { catalog, margin } = facts
      const wanted = readFilter(c)
      if (Object.values(wanted).every((one) => one === undefined)) return all(catalog, margin)
      return list(
        catalog.models.flatMap((model) => filtered(model, wanted)),
        margin,
      )
    },
  }
}

/** GET /v1/models/:id: one of them, by any of its names. */
export const modelResource = (facts: Pick<ResourceFacts, 'catalog' | 'margin'>): Resource => ({
  method: 'get',
  path: '/v1/models/:id{.+}',
  summary: 'One model, by any of its names.',
  paid: false,
  answer: async (c) => {
    const name = c.req.param('id') ?? ''
    const model = facts.catalog.find(name)
    if (!model) throw fail('model_not_found', { model: name })
    return json(describe(model, facts.margin))
  },
})

const list = (models: readonly Model[], margin: bigint): Reply =>
  json({ object: 'list', data: models.map((model) => describe(model, margin)) })

/** The whole list is long and the same for everybody: it is written once for each catalogue. */
const rememberAll = () => {
  let last: { catalog: Catalog; margin: bigint; reply: Reply } | undefined
  return (catalog: Catalog, margin: bigint): Reply => {
    if (last?.catalog !== catalog || last.margin !== margin)
      last = { catalog, margin, reply: list(catalog.models, margin) }
    return { ...last.reply, headers: { ...last.reply.headers } }
  }
}

const CAPABILITIES = [
  'tools',
  'vision',
  'json_schema',
  'reasoning',
  'audio',
  'video',
  'pdf',
] as const satisfies readonly Capability[]

const FILTERS: NonNullable<Resource['query']> = [
  {
    name: 'supports',
    description: `What a host must be able to do, separated by commas: ${CAPABILITIES.join(', ')}.`,
  },
  { name: 'provider', description: 'Hosts of these providers, separated by commas.' },
  { name: 'lab', description: 'Models of these makers, separated by commas.' },
  { name: 'kind', description: 'What a model makes.', values: ['chat', 'embedding'] },
  {
    name: 'max_price',
    description: 'Most dollars per million output tokens (of input, where a model writes none).',
  },
  { name: 'min_context', description: 'Least tokens of input and output together.' },
  { name: 'q', description: 'A part of the model’s id or name.' },
]

/** What a list of models is narrowed to; undefined where all is wanted. */
export type Filter = {
  supports?: readonly Capability[] | undefined
  providers?: readonly string[] | undefined
  labs?: readonly string[] | undefined
  kind?: string | undefined
  maxPrice?: Rate | undefined
  minContext?: number | undefined
  q?: string | undefined
}

const readFilter = (c: Context<Env>): Filter => {
  const supports = listOf(c.req.query('supports'))
  const unknown = supports?.find((one) => !CAPABILITIES.some((known) => known === one))
  if (unknown !== undefined) throw wrong('supports', `supports knows ${CAPABILITIES.join(', ')}.`)
  const kind = c.req.query('kind')
  if (kind !== undefined && kind !== 'chat' && kind !== 'embedding')
    throw wrong('kind', 'kind is chat or embedding.')
  return {
    supports: supports as readonly Capability[] | undefined,
    providers: listOf(c.req.query('provider')),
    labs: listOf(c.req.query('lab')),
    kind,
    maxPrice: priceOf(c.req.query('max_price')),
    minContext: countOf(c.req.query('min_context')),
    q: c.req.query('q')?.toLowerCase(),
  }
}

const listOf = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

const priceOf = (text: string | undefined): Rate | undefined => {
  if (text === undefined) return undefined
  const rate = parseRate(text)
  if (rate === undefined) throw wrong('max_price', 'max_price must be dollars per million output tokens.')
  return rate
}

const countOf = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw wrong('min_context', 'min_context must be a number of tokens.')
  return Number(text)
}

const wrong = (param: string, problem: string) => fail('invalid_request', { problem, param })

/** The model with those of its hosts that are wanted; none when no host is left. Pure. */
export const filtered = (model: Model, wanted: Filter): Model[] => {
  if (wanted.kind !== undefined && model.kind !== wanted.kind) return []
  if (wanted.labs && !wanted.labs.includes(labOf(model))) return []
  if (wanted.q !== undefined && !namesOf(model).some((name) => name.includes(wanted.q!))) return []
  const hosts = model.hosts.filter((host) => isWanted(model, host, wanted))
  return hosts.length === 0 ? [] : [hosts.length === model.hosts.length ? model : { ...model, hosts }]
}

const isWanted = (model: Model, host: Host, wanted: Filter): boolean => {
  const can = host.capabilities ?? model.capabilities
  const price = model.kind === 'embedding' ? host.prices.input : host.prices.output
  return (
    (!wanted.providers || wanted.providers.includes(host.provider)) &&
    (wanted.maxPrice === undefined || price <= wanted.maxPrice) &&
    (wanted.minContext === undefined || (host.context ?? model.context) >= wanted.minContext) &&
    (wanted.supports ?? []).every((one) => can?.has(one) === true)
  )
}

const labOf = (model: Model): string => model.facts?.lab ?? model.id.split('/')[0]!
const namesOf = ({ id, facts }: Model): string[] => [id.toLowerCase(), facts?.name.toLowerCase() ?? '']

const describe = (model: Model, margin: bigint) => ({
  id: model.id,
  object: 'model',
  created: secondsOf(model.facts?.released),
  owned_by: labOf(model),
  kind: model.kind,
  ...describeFacts(model),
  context_length: model.context,
  max_output_tokens: model.maxOutput,
  capabilities: capabilitiesOf(model.capabilities),
  margin_percent: `${Number(margin) / 10_000}`,
  hosts: model.hosts.map(describeHost),
})

const describeFacts = ({ facts }: Model) =>
  facts && {
    name: facts.name,
    released: facts.released,
    deprecated: facts.deprecated,
    knowledge: facts.knowledge,
    open_weights: facts.openWeights,
    modalities: facts.modalities,
    scores: Object.keys(facts.scores).length > 0 ? facts.scores : undefined,
  }

const describeHost = (host: Host) => ({
  provider: host.provider,
  model: host.model,
  ...describePrices(host.prices),
  later: host.later?.map(({ from, prices }) => ({ from, ...describePrices(prices) })),
  other_per_million: host.extra,
  context_length: host.context,
  max_output_tokens: host.maxOutput,
  capabilities: host.capabilities && capabilitiesOf(host.capabilities),
  takes_temperature: host.capabilities?.has('no_temperature') ? false : undefined,
  source: host.source,
})

const describePrices = ({ tiers, ...prices }: Prices) => ({
  ...describeRates(prices),
  tiers: tiers?.map(({ over, ...tier }) => ({ over_input_tokens: over, ...describeRates(tier) })),
})

const describeRates = (rates: Rates) => ({
  input_per_million: printRate(rates.input),
  cached_input_per_million: printRate(rates.cachedInput),
  cache_write_per_million: printRate(rates.cacheWrite),
  output_per_million: printRate(rates.output),
})

const capabilitiesOf = (can: ReadonlySet<Capability> | undefined): Capability[] | null =>
  can ? CAPABILITIES.filter((one) => can.has(one)) : null

const secondsOf = (day: string | undefined): number => {
  const ms = day === undefined ? Number.NaN : Date.parse(day)
  return Number.isNaN(ms) ? 0 : ms / 1_000
}
