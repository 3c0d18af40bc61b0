import type { Model } from '../catalog/catalog.ts'
import type { Config } from '../config.ts'
import { reasonOf } from '../log.ts'

/** How one thing stands: `note` is worth knowing and wrong with nothing. */
export type Finding = { state: 'well' | 'wrong' | 'note'; text: string }

/** What a provider says it offers: ids as its API takes them, and the day it ends one, where it says so. */
export type Offer = { id: string; ends?: string }

/** A price that nobody has looked at for longer is told. */
const STALE_DAYS = 120
/** An end is told so long before. */
const SOON_DAYS = 90
const DAY_MS = 86_400_000
/** Names that are spelled out in one line. */
const NAMED = 5

/** Compares what is sold of a provider with what it offers (undefined: it does not say), as of a day (YYYY-MM-DD). Pure. */
export const judgeModels = (
  provider: string,
  models: readonly Model[],
  offers: readonly Offer[] | undefined,
  today: string,
): Finding[] => {
  const sold = models.flatMap((model) =>
    model.hosts.filter((host) => host.provider === provider).map((host) => ({ model, host })),
  )
  if (sold.length === 0) return []
  const soon = shifted(today, SOON_DAYS)
  const offered = offers && new Map(offers.flatMap((one) => spellings(one.id).map((name) => [name, one])))
  const foundOf = (name: string): Offer | undefined =>
    spellings(name)
      .map((one) => offered?.get(one))
      .find((one) => one !== undefined)
  const gone = offered ? sold.filter(({ host }) => !foundOf(host.model)) : []
  const ending = sold.flatMap(({ model, host }) => {
    const day = foundOf(host.model)?.ends ?? model.facts?.deprecated
    return day !== undefined && day <= soon ? [{ day, text: `${host.model} (${day})` }] : []
  })
  ending.sort((a, b) => (a.day < b.day ? -1 : 1))
  const known = new Set(sold.flatMap(({ host }) => spellings(host.model)))
  const unknown = (offers ?? []).filter((one) => !spellings(one.id).some((name) => known.has(name)))
  const stale = staleOf(sold, shifted(today, -STALE_DAYS))
  const at = `provider ${provider}`
  return [
    ...(gone.length > 0
      ? [wrong(`${at}: ${count(gone.length, 'model')} gone: ${some(gone.map(({ host }) => host.model))}`)]
      : offered
        ? [well(`${at}: all ${count(sold.length, 'model')} that are sold are offered`)]
        : []),
    ...(ending.length > 0
      ? [note(`${at}: ${count(ending.length, 'model')} deprecated: ${some(ending.map(({ text }) => text))}`)]
      : []),
    ...(unknown.length > 0
      ? [
          note(
            `${at}: offers ${count(unknown.length, 'model')} that ${unknown.length === 1 ? 'is' : 'are'} not sold: ${some(unknown.map((one) => one.id))}`,
          ),
        ]
      : []),
    ...stale.map((text) => note(`${at}: ${text}`)),
  ]
}

type Sold = { host: Model['hosts'][number] }

/** One line for all prices that nobody has looked at for long. */
const staleOf = (sold: readonly Sold[], before: string): string[] => {
  const dates = sold.flatMap(({ host }) => host.source?.date ?? []).filter((date) => date < before)
  if (dates.length === 0) return []
  return [
    `prices of ${count(dates.length, 'model')} are older than ${STALE_DAYS} days, the oldest of ${dates.sort()[0]}: compare them with its price list`,
  ]
}

const well = (text: string): Finding => ({ state: 'well', text })
const wrong = (text: string): Finding => ({ state: 'wrong', text })
const note = (text: string): Finding => ({ state: 'note', text })

/** A snapshot of a model is offered where the model is, and the other way round. */
const spellings = (id: string): string[] => {
  const plain = id.toLowerCase().replace(/^models\//, '')
  return [...new Set([plain, plain.replace(/[-@](20\d{6}|20\d\d-\d\d-\d\d)$/, '')])]
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
const some = (names: readonly string[]): string =>
  names.length > NAMED
    ? `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more`
    : names.join(', ')

const shifted = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)

/** Longest wait for one provider's list, ms, and most bytes that are read of it. */
const LIST_MS = 5_000
const LIST_BYTES = 16 << 20

type ProviderFacts = Config['providers'][number]

/** Asks a provider for its list of models and compares it with what is sold of it; never throws. */
export const lookAtModels = async (config: Config, one: ProviderFacts, today: string): Promise<Finding[]> => {
  const judged = (offers?: readonly Offer[]) => judgeModels(one.id, config.catalog.models, offers, today)
  if (!one.baseUrl) return [well(`provider ${one.id}: simulated`)]
  try {
    const reply = await fetch(listUrl(one), {
      headers: keyHeaders(one, config.secrets.providerKeys[one.id]),
      signal: AbortSignal.timeout(LIST_MS),
    })
    const answers = `provider ${one.id}: ${one.baseUrl} answers ${reply.status}`
    // 404 is fine: not every server lists its models.
    const listless = reply.status === 404 || reply.status === 405
    if (!reply.ok) {
      await reply.body?.cancel()
      return [listless ? well(answers) : wrong(answers), ...judged()]
    }
    const offers = offersIn(await textOf(reply))
    const silent = offers === undefined ? [note(`provider ${one.id}: does not list its models`)] : []
    return [well(answers), ...silent, ...judged(offers)]
  } catch (error) {
    return [wrong(`provider ${one.id}: ${one.baseUrl} cannot be reached (${reasonOf(error)})`), ...judged()]
  }
}

const listUrl = ({ baseUrl = '', type }: ProviderFacts): string => {
  const base = baseUrl.replace(/\/+$/, '')
  if (type === 'anthropic') return `${base.replace(/\/v1$/, '')}/v1/models?limit=1000`
  return `${base}/models${type === 'gemini' ? '?pageSize=1000' : ''}`
}

const keyHeaders = ({ type }: ProviderFacts, key: string | undefined): Record<string, string> => {
  if (type === 'anthropic') return { 'anthropic-version': '2023-06-01', ...(key ? { 'x-api-key': key } : {}) }
  if (!key) return {}
  return type === 'gemini' ? { 'x-goog-api-key': key } : { authorization: `Bearer ${key}` }
}

const textOf = async (reply: Response): Promise<string> => {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of reply.body ?? []) {
    bytes += part.byteLength
    if (bytes > LIST_BYTES) throw new Error('its list of models is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Lists come as { data: [{ id }] }, as { models: [{ name }] } or bare; undefined for anything else, and for one that is empty. */
export const offersIn = (text: string): Offer[] | undefined => {
  const list = listIn(text)
  const offers = (list ?? []).flatMap((one): Offer[] => {
    if (typeof one !== 'object' || one === null) return []
    const { id, name, shutdown_date: ends } = one as { id?: unknown; name?: unknown; shutdown_date?: unknown }
    const named = typeof id === 'string' ? id : name
    return typeof named === 'string' ? [{ id: named, ...(typeof ends === 'string' ? { ends } : {}) }] : []
  })
  return offers.length > 0 ? offers : undefined
}

const listIn = (text: string): readonly unknown[] | undefined => {
  try {
    const body: unknown = JSON.parse(text)
    if (Array.isArray(body)) return body
    const { data, models } = (body ?? {}) as { data?: unknown; models?: unknown }
    return [data, models].find((one) => Array.isArray(one))
  } catch {
    return undefined
  }
}
