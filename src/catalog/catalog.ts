/** catalog/: which models can be sold, who hosts them, and what they cost. */
import type { Rate } from '../money.ts'

/** Prices per million tokens. `cachedInput` was read from the host's prompt cache, `cacheWrite` was written to it; both cost as much as input where a host does not say otherwise. */
export type Rates = { input: Rate; output: Rate; cachedInput: Rate; cacheWrite: Rate }

/** `tiers`: other prices for the whole of a request whose input is `over` so many tokens, ascending. */
export type Prices = Rates & { tiers?: readonly Tier[] }
export type Tier = Rates & { over: number }

/** The prices in force for a request of this much input. */
export const ratesFor = (input: number, prices: Prices): Rates =>
  prices.tiers?.findLast(({ over }) => input > over) ?? prices

/** `no_temperature`: a request that sets one is refused there. */
export type Capability =
  | 'tools'
  | 'vision'
  | 'json_schema'
  | 'reasoning'
  | 'audio'
  | 'video'
  | 'pdf'
  | 'no_temperature'

/** Who says what a host costs, and when somebody last looked (YYYY-MM-DD); `flag`: why the price is to be taken with care. */
export type Source = { by: readonly string[]; date?: string; flag?: string }

/** One place where a model answers: the provider's id and the model's name there. What it says of itself goes before what its model says. */
export type Host = {
  provider: string
  model: string
  prices: Prices
  context?: number
  maxOutput?: number
  capabilities?: ReadonlySet<Capability>
  /** Undefined for what the configuration lists. */
  source?: Source
  /** Prices that are known for later days (YYYY-MM-DD, UTC). */
  later?: readonly { from: string; prices: Prices }[]
  /** Prices of what is not sold by itself: reasoning, audio, images; dollars per million tokens. */
  extra?: Readonly<Record<string, string>>
}

/** What is told of a model beside what it costs and takes. */
export type ModelFacts = {
  name: string
  lab: string
  /** YYYY-MM-DD or YYYY-MM. */
  released?: string
  /** Day from which its maker no longer answers. */
  deprecated?: string
  knowledge?: string
  openWeights?: boolean
  modalities: { in: readonly string[]; out: readonly string[] }
  /** By benchmark: 0 to 1, but for keys that begin with `elo:`. `key#kind` was measured in another way than `key`: not comparable. */
  scores: Readonly<Record<string, number>>
  /** The page that a score was taken from. */
  scoreSources: Readonly<Record<string, string>>
}

export type Model = {
  id: string
  kind: 'chat' | 'embedding'
  hosts: readonly Host[]
  /** Input and output tokens together. */
  context: number
  maxOutput: number
  /** What one image may count as, in input tokens: at low detail and at any other. */
  imageTokens: { low: number; high: number }
  /** What it can do; undefined when nobody said, then it is tried. */
  capabilities: ReadonlySet<Capability> | undefined
  /** Undefined for what the configuration lists. */
  facts?: ModelFacts
  /** Other names it is called by and no other model is, lower-cased and with dashes in versions. */
  aliases?: readonly string[]
}

export type Catalog = {
  models: readonly Model[]
  /**
   * By id; else, in any spelling of case and version, by the part after the slash, by `provider:model`, or by another
   * name (a host's, a snapshot's), where only one model has it. What has no facts (what the configuration lists) goes
   * first. Undefined when there is none.
   */
  find: (name: string) => Model | undefined
}

/** Indexes models by every name they may be called by. */
export const createCatalog = (models: readonly Model[]): Catalog => {
  const byId = new Map(models.map((model) => [model.id, model]))
  const others = otherNames(models)
  return { models, find: (name) => byId.get(name) ?? others.get(plain(name)) }
}

/** Better names first: one that two models share is nobody's, there and further down. */
const otherNames = (models: readonly Model[]): ReadonlyMap<string, Model | undefined> => {
  const names = new Map<string, Model | undefined>()
  const listed = models.filter((one) => !one.facts)
  const known = models.filter((one) => one.facts)
  for (const [those, namesOf] of [
    [listed, shortName],
    [listed, hostNames],
    [known, fullName],
    [known, shortName],
    [known, hostNames],
    [known, (model: Model) => model.aliases ?? []],
  ] as const) {
    const here = new Map<string, Model | undefined>()
    for (const model of those) {
      for (const name of namesOf(model))
        here.set(name, !here.has(name) || here.get(name) === model ? model : undefined)
    }
    for (const [name, model] of here) if (!names.has(name)) names.set(name, model)
  }
  return names
}

const fullName = ({ id }: Model): string[] => [plain(id)]
const shortName = ({ id }: Model): string[] => [plain(id.slice(id.indexOf('/') + 1))]
const hostNames = ({ hosts, facts }: Model): string[] =>
  hosts.flatMap(({ provider, model }) => [plain(`${provider}:${model}`), ...(facts ? [] : [plain(model)])])

/** One spelling of names that differ in case and in how they write a version: claude-sonnet-4.5 and claude-sonnet-4-5. */
const plain = (name: string): string =>
  name.includes('.') ? name.toLowerCase().replace(/(\d)[.](?=\d)/g, '$1-') : name.toLowerCase()
