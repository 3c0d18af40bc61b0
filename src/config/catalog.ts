import { z } from 'zod'
import {
  builtinModels,
  type KnownProvider,
  nextChange,
  readBuiltin,
  readKnownProviders,
} from '../catalog/builtin.ts'
import {
  type Capability,
  type Catalog,
  createCatalog,
  type Host,
  type Model,
  type Prices,
} from '../catalog/catalog.ts'
import type { Config, ConfigFile } from '../config.ts'
import type { Rate } from '../money.ts'
import { id } from './fields.ts'
import { addressProblems } from './known-providers.ts'
import { rates } from './parts.ts'

/** The built-in catalogue. */
export const catalogSettings = z
  .strictObject({
    builtin: z
      .boolean()
      .default(true)
      .describe('Also sell what the built-in catalogue knows of the configured providers'),
    date: z.iso
      .date()
      .optional()
      .describe('Day whose prices hold, YYYY-MM-DD; default today, so that known changes come by themselves'),
  })
  .prefault({})

/** Prices of the operator's own contract, in the place of the catalogue's. */
export const ownPrices = z
  .array(
    z.strictObject({
      provider: id.describe('A provider'),
      model: id.describe('A model, by its id here or by its name there'),
      ...z.strictObject(rates).partial().shape,
    }),
  )
  .default([])
  .describe('Your own prices for models of the built-in catalogue; what a line leaves out stays as it is')

export type CatalogFile = Pick<ConfigFile, 'catalog' | 'models' | 'prices' | 'providers'>

/** What can be called: what the file lists, and beside it what the built-in catalogue knows of its providers, at the prices of a day (YYYY-MM-DD). */
export const catalogOf = (
  file: CatalogFile,
  known: ReadonlyMap<string, KnownProvider>,
  today: string,
): { catalog: Catalog; nextPriceChange: string | undefined } => {
  const listed = file.models.map(toModel)
  const day = file.catalog.date ?? today
  const builtin = builtinOf(file, known, day).map((model) => withOwnPrices(model, file.prices))
  const replaced = new Set(listed.map((one) => one.id))
  const models = [...listed, ...builtin.filter((one) => !replaced.has(one.id))]
  return {
    catalog: createCatalog(models),
    nextPriceChange: file.catalog.date === undefined ? nextChange(builtin, day) : undefined,
  }
}

/** The same configuration with the built-in prices of another day (YYYY-MM-DD, UTC). */
export const pricedOn = (config: Config, today: string): Config => ({
  ...config,
  ...catalogOf({ ...config, catalog: config.catalogSettings }, readKnownProviders(), today),
})

/** What the catalogue makes impossible: one line for each mistake. */
export const catalogProblems = (file: CatalogFile, known: ReadonlyMap<string, KnownProvider>): string[] => {
  const unknown = file.providers.flatMap(({ catalog: of }, i) =>
    of === undefined || of === 'none' || known.has(of)
      ? []
      : [`providers.${i}.catalog: the catalogue has no provider ${of}`],
  )
  const ids = new Set(file.providers.map((one) => one.id))
  const nowhere = file.prices.flatMap(({ provider }, i) =>
    ids.has(provider) ? [] : [`prices.${i}.provider: there is no provider ${provider}`],
  )
  const served = file.catalog.builtin && file.providers.some((one) => servedBy(one, file, known))
  const nothing =
    file.models.length > 0 || served || unknown.length > 0
      ? []
      : [`models: nothing can be called: configure a provider of the catalogue (${SOME}) or list models`]
  return [...unknown, ...nowhere, ...addressProblems(file.providers), ...nothing]
}
const SOME = 'openai, anthropic, google, groq, openrouter …'

const builtinOf = (file: CatalogFile, known: ReadonlyMap<string, KnownProvider>, day: string): Model[] => {
  if (!file.catalog.builtin) return []
  const providers = Map.groupBy(file.providers, (one) => servedBy(one, file, known) ?? '')
  providers.delete('')
  if (providers.size === 0) return []
  const ids = new Map([...providers].map(([served, those]) => [served, those.map((one) => one.id)]))
  return builtinModels({ builtin: readBuiltin(), providers: ids, day })
}

/**
 * The provider of the catalogue whose models one of the file serves: the one it names, or the one of the same id. A
 * provider that is simulated, or at an address of its own with its models listed, serves these alone.
 */
export const servedBy = (
  one: CatalogFile['providers'][number],
  { models }: Pick<CatalogFile, 'models'>,
  known: ReadonlyMap<string, KnownProvider>,
): string | undefined => {
  if (one.catalog !== undefined) return one.catalog === 'none' ? undefined : one.catalog
  const same = known.get(one.id)
  if (!same || one.type === 'simulated') return undefined
  const elsewhere = one.baseUrl !== undefined && originOf(one.baseUrl) !== originOf(same.baseUrl)
  const listed = models.some((model) => model.hosts.some((host) => host.provider === one.id))
  return elsewhere && listed ? undefined : same.id
}

const originOf = (url: string): string => new URL(url.replace(/\$\{[^}]*\}/g, 'x')).host

type Own = CatalogFile['prices'][number]

const withOwnPrices = (model: Model, own: readonly Own[]): Model => {
  const mine = (host: Host) =>
    own.find((one) => one.provider === host.provider && (one.model === host.model || one.model === model.id))
  if (!model.hosts.some(mine)) return model
  const hosts = model.hosts.map((host) => {
    const one = mine(host)
    if (!one) return host
    // A contract does not change with the public price.
    const { later: _later, ...rest } = host
    return { ...rest, prices: changed(host.prices, one), source: { by: ['configuration'] } }
  })
  return { ...model, hosts }
}

const changed = ({ tiers, ...prices }: Prices, own: RateFields): Prices => ({
  input: own.inputPerMillion ?? prices.input,
  output: own.outputPerMillion ?? prices.output,
  cachedInput: own.cachedInputPerMillion ?? prices.cachedInput,
  cacheWrite: own.cacheWritePerMillion ?? prices.cacheWrite,
  ...(tiersOf(own.tiers) ?? (tiers ? { tiers } : {})),
})

const toModel = (one: ConfigFile['models'][number]): Model => ({
  id: one.id,
  kind: one.kind,
  hosts: one.hosts.map((host) => ({
    provider: host.provider,
    model: host.model,
    prices: pricesOf(host, one),
  })),
  context: one.context,
  maxOutput: one.maxOutput,
  imageTokens: one.imageTokens,
  capabilities: one.capabilities && new Set<Capability>(one.capabilities),
})

type RateFields = {
  inputPerMillion?: Rate | undefined
  cachedInputPerMillion?: Rate | undefined
  cacheWritePerMillion?: Rate | undefined
  outputPerMillion?: Rate | undefined
  tiers?: ConfigFile['models'][number]['tiers'] | undefined
}

/** A host with an input price of its own has nothing of the model's but its output price. */
const pricesOf = (
  host: RateFields,
  of: RateFields & { inputPerMillion: Rate; outputPerMillion: Rate },
): Prices => {
  const from = host.inputPerMillion === undefined ? { ...of, ...defined(host) } : host
  const input = host.inputPerMillion ?? of.inputPerMillion
  return {
    input,
    output: host.outputPerMillion ?? of.outputPerMillion,
    cachedInput: from.cachedInputPerMillion ?? input,
    cacheWrite: from.cacheWritePerMillion ?? input,
    ...tiersOf(from.tiers),
  }
}

const defined = (fields: RateFields): RateFields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const tiersOf = (tiers: RateFields['tiers']): Pick<Prices, 'tiers'> | undefined =>
  tiers && {
    tiers: tiers
      .map((tier) => ({
        over: tier.over,
        input: tier.inputPerMillion,
        output: tier.outputPerMillion,
        cachedInput: tier.cachedInputPerMillion ?? tier.inputPerMillion,
        cacheWrite: tier.cacheWritePerMillion ?? tier.inputPerMillion,
      }))
      .sort((a, b) => a.over - b.over),
  }
