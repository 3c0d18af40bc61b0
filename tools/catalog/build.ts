import type { KnownProvider } from '../../src/catalog/builtin.ts'
import { printRate, type Rate } from '../../src/money.ts'
import { type Evidence, type Price, priceOn } from './evidence.ts'
import { factsOf, type HostFacts, hostFactsOf, type ModelFacts } from './facts.ts'
import { AS_OF, type Flag, highest, judge, type Usual, type Verdict } from './judge.ts'
import { aliasesOf } from './names.ts'
import { MAKER, providersOf } from './providers.ts'
import type { Rows } from './rows.ts'
import { scoresOf } from './scores.ts'
import { type Endpoint, endpointsOf } from './select.ts'
import { createWitnesses, type Witnesses } from './witnesses.ts'

export type PrintedPrice = Readonly<Record<string, string>> & {
  readonly tiers?: readonly ({ over: number } & Readonly<Record<string, string>>)[]
}
export type CatalogHost = HostFacts & {
  provider: string
  model: string
  prices: object
  later?: readonly object[]
  by: readonly string[]
  date?: string
  flag?: Flag
}
export type CatalogModel = ModelFacts & { hosts: CatalogHost[] }
export type CatalogFile = {
  date: string
  providers: KnownProvider[]
  models: CatalogModel[]
}

/** Zero is sold only from here, as `provider:id`. */
const FREE: ReadonlySet<string> = new Set()

/** The catalogue as of a day: the same facts and day give the same result, to the byte. */
export const buildCatalog = (rows: Rows, day: string): CatalogFile => {
  const providers = providersOf(rows.providers)
  const endpoints = endpointsOf(rows, new Set(providers.map((one) => one.id)))
  const witnesses = createWitnesses(rows)
  const scores = scoresOf(rows.scores)
  const chosen = new Set([...rows.selection, ...rows.late].map((one) => one.canonical))
  const retires = new Map(rows.retirements.map((one) => [one.canonical, one]))
  const groups = [...Map.groupBy(endpoints, (one) => one.canonical)].sort(([a], [b]) => (a < b ? -1 : 1))
  const models = groups.flatMap(([canonical, group]) => {
    const end = retires.get(canonical)
    if (end && end.retires <= day) return []
    const hosts = hostsOf(group.filter(belongs), witnesses, day)
    if (hosts.length === 0 || !(chosen.has(canonical) || hosts.some(({ flag }) => flag === undefined)))
      return []
    const facts = factsOf({ canonical, group, rows, end, scores: scores.get(canonical) })
    return [{ ...facts, hosts }]
  })
  const used = new Set(models.flatMap((one) => one.hosts.map((host) => host.provider)))
  const aliases = aliasesOf(models.map((one) => ({ id: one.id, lab: one.lab, names: one.aliases })))
  return {
    date: day,
    providers: providers.filter((one) => used.has(one.id)),
    models: models.map((one) => ({ ...one, aliases: aliases.get(one.id)! })),
  }
}

/** Sizes and versions in a model's name must be in the name of its endpoint too: what the grouping got wrong is left out. */
export const belongs = ({ canonical, id }: Endpoint): boolean => {
  const name = canonical.slice(canonical.indexOf('/') + 1)
  const squeeze = (text: string) =>
    text
      .toLowerCase()
      .replace(/(\d)p(\d)/g, '$1.$2')
      .replace(/[^a-z0-9]/g, '')
  const sizes = name.match(/\b\d+(\.\d+)?[bB]\b/g) ?? []
  return sizes.every((size) => squeeze(id).includes(squeeze(size)) || !/\d+b(?![a-z])/i.test(id))
}

const hostsOf = (group: readonly Endpoint[], witnesses: Witnesses, day: string): CatalogHost[] => {
  const said = new Map(group.map((one) => [one, witnesses.of(one.provider, one.id)]))
  const priced = group.flatMap((endpoint) => {
    const verdict = judge(said.get(endpoint)!, day, usualOf(endpoint, said))
    return verdict && isSold(endpoint, verdict) ? [{ endpoint, verdict }] : []
  })
  const maker = priced.find(({ endpoint }) => isMaker(endpoint))
  return onePerService(priced)
    .map(({ endpoint, verdict }) => hostOf(endpoint, followMaker(verdict, maker, day), group))
    .sort((a, b) => order(a).localeCompare(order(b), 'en'))
}
const order = (host: CatalogHost): string => `${host.provider} ${host.model}`

/** What other providers of the model usually ask: the median of their prices. */
const usualOf = (endpoint: Endpoint, said: ReadonlyMap<Endpoint, readonly Evidence[]>): Usual | undefined => {
  const others = [...said].filter(
    ([other, words]) => other.provider !== endpoint.provider && words.length > 0,
  )
  const providers = new Set(others.map(([other]) => other.provider)).size
  if (providers === 0) return undefined
  const middle = (side: 'input' | 'output'): Rate => {
    const rates = others
      .flatMap(([, words]) => words.map((one) => priceOn(one, AS_OF).parts[side] ?? (0n as Rate)))
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    return rates[rates.length >> 1]!
  }
  return { input: middle('input'), output: middle('output'), providers }
}

const isSold = ({ kind, provider, id }: Endpoint, { prices }: Verdict): boolean =>
  FREE.has(`${provider}:${id}`) ||
  prices.every(
    ({ price }) =>
      price.parts.input !== undefined && (kind === 'embedding' || price.parts.output !== undefined),
  )

/**
 * A provider's second name for the same service (a snapshot, a beta) is not a second host, nor is its faster service of a
 * model that it has plain.
 */
const onePerService = (priced: readonly Priced[]): Priced[] =>
  [...Map.groupBy(priced, ({ endpoint }) => endpoint.provider).values()].flatMap((those) => {
    const plain = those.filter(({ endpoint }) => !endpoint.row?.variant)
    const services = plain.length > 0 ? plain : those
    return [...Map.groupBy(services, priceKey).values()].map(
      (same) => same.toSorted((a, b) => a.endpoint.id.length - b.endpoint.id.length)[0]!,
    )
  })

const priceKey = ({ verdict }: Priced): string =>
  JSON.stringify(verdict.prices.map(({ from, price }) => [from, printed(price)]))

type Priced = { endpoint: Endpoint; verdict: Verdict }

const isMaker = ({ provider, canonical }: Endpoint): boolean => provider === MAKER[canonical.split('/')[0]!]

/**
 * Who resells at the maker's price will follow it, though nobody has said so: to the price of a later day, and for closed
 * weights to the dearer one of long requests.
 */
const followMaker = (verdict: Verdict, maker: Priced | undefined, day: string): Verdict => {
  const now = verdict.prices[0]!.price
  const change = maker?.verdict.changes
  if (change && !verdict.changes && isSame(now, change.before)) {
    const after = highest([change.after, now])
    const flag = 'follows-maker' as const
    if (change.from <= day) return { ...verdict, prices: [{ price: after }], flag }
    return { ...verdict, prices: [...verdict.prices, { from: change.from, price: after }], flag }
  }
  const own = maker?.verdict.prices[0]?.price
  if (!own || own.tiers.length === 0 || now.tiers.length > 0 || maker.endpoint.row?.open_weights !== false)
    return verdict
  const [, ...later] = verdict.prices
  return isSame(now, own)
    ? { ...verdict, prices: [{ price: { ...now, tiers: own.tiers } }, ...later] }
    : verdict
}

const isSame = (one: Price, other: Price): boolean =>
  one.parts.input === other.parts.input && one.parts.output === other.parts.output

const hostOf = (endpoint: Endpoint, verdict: Verdict, group: readonly Endpoint[]): CatalogHost => {
  const [now, ...later] = verdict.prices
  return {
    provider: endpoint.provider,
    model: endpoint.id,
    prices: printed(now!.price),
    ...(later.length > 0 ? { later: later.map(({ from, price }) => ({ from, ...printed(price) })) } : {}),
    ...hostFactsOf(endpoint, group),
    by: verdict.by,
    ...(verdict.date ? { date: verdict.date } : {}),
    ...(verdict.flag ? { flag: verdict.flag } : {}),
  }
}

const printed = ({ parts, tiers }: Price): object => ({
  ...printedParts({ ...parts, output: parts.output ?? (0n as Rate) }),
  ...(tiers.length > 0
    ? { tiers: tiers.map((tier) => ({ over: tier.over, ...printedParts(tier.parts) })) }
    : {}),
})

const printedParts = (parts: Price['parts']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(parts)
      .filter(([, rate]) => rate !== undefined)
      .map(([part, rate]) => [part, printRate(rate)]),
  )
