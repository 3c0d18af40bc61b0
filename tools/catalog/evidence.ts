import { parseRate, type Rate } from '../../src/money.ts'
import type {
  AgreementRow,
  DistrustRow,
  GenaiRow,
  GenaiValue,
  ModelsDevRow,
  PortkeyRow,
  Rows,
} from './rows.ts'

/** The parts of a price that are sold, and those that are only told; USD per million tokens. */
export const SOLD = ['input', 'output', 'cachedInput', 'cacheWrite'] as const
export const TOLD = [
  'reasoning',
  'audioInput',
  'audioOutput',
  'cachedAudioInput',
  'imageInput',
  'imageOutput',
  'videoInput',
  'cacheWrite1h',
] as const
export type Sold = (typeof SOLD)[number]
export type Part = Sold | (typeof TOLD)[number]

/** What one source says a host costs: parts it does not mention are absent. */
export type Price = { parts: Partial<Record<Part, Rate>>; tiers: readonly PriceTier[] }
export type PriceTier = { over: number; parts: Partial<Record<Sold, Rate>> }

/** The word of one source: one price, or several of which the last with `from` on or before a day holds. */
export type Evidence = {
  by: 'models.dev' | 'models.dev, later copy' | 'genai-prices' | 'portkey'
  /** Day the source last touched or checked it; undefined where nobody knows. */
  date: string | undefined
  prices: readonly { from?: string; price: Price }[]
  /** Matched by a pattern that may catch other models as well. */
  loose: boolean
}

const rate = (text: string | undefined): Rate | undefined => {
  const parsed = text === undefined ? undefined : parseRate(text)
  return parsed === undefined || parsed === 0n ? undefined : parsed
}

const partsOf = (
  raw: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, Part>>,
): Partial<Record<Part, Rate>> => {
  const parts: Partial<Record<Part, Rate>> = {}
  for (const [name, part] of Object.entries(names)) {
    const value = raw[name]
    const one = typeof value === 'string' ? rate(value) : undefined
    if (one !== undefined) parts[part] = one
  }
  return parts
}

const PLAIN = {
  input: 'input',
  output: 'output',
  cache_read: 'cachedInput',
  cache_write: 'cacheWrite',
  cache_write_1h: 'cacheWrite1h',
  reasoning: 'reasoning',
  input_audio: 'audioInput',
  output_audio: 'audioOutput',
  cache_read_audio: 'cachedAudioInput',
  input_image: 'imageInput',
  output_image: 'imageOutput',
} as const satisfies Readonly<Record<string, Part>>
const IN_TIERS = {
  input: 'input',
  output: 'output',
  cache_read: 'cachedInput',
  cache_write: 'cacheWrite',
} as const
const GENAI = {
  input_mtok: 'input',
  output_mtok: 'output',
  cache_read_mtok: 'cachedInput',
  cache_write_mtok: 'cacheWrite',
  cache_write_1h_mtok: 'cacheWrite1h',
  output_reasoning_mtok: 'reasoning',
  input_audio_mtok: 'audioInput',
  output_audio_mtok: 'audioOutput',
  cache_audio_read_mtok: 'cachedAudioInput',
  input_image_mtok: 'imageInput',
  output_image_mtok: 'imageOutput',
  input_video_mtok: 'videoInput',
} as const satisfies Readonly<Record<string, Part>>

/**
 * A read from the cache that costs more than input is another thing (storage by the hour). A write below the price of input is
 * what is charged on top of it.
 */
const plausible = <T extends Part>(
  parts: Partial<Record<T | Sold, Rate>>,
): Partial<Record<T | Sold, Rate>> => {
  const { cachedInput, cacheWrite, ...rest } = parts as Partial<Record<Sold, Rate>>
  const input = rest.input ?? (0n as Rate)
  return {
    ...rest,
    ...(cachedInput !== undefined && cachedInput <= input ? { cachedInput } : {}),
    ...(cacheWrite === undefined
      ? {}
      : { cacheWrite: cacheWrite < input ? ((input + cacheWrite) as Rate) : cacheWrite }),
  } as Partial<Record<T | Sold, Rate>>
}

const plainPrice = (raw: ModelsDevRow['price'], tiers: PortkeyRow['tiers']): Price => ({
  parts: plausible(partsOf(raw, PLAIN)),
  tiers: (tiers ?? []).map((tier) => ({
    over: tier.context_over,
    parts: plausible(partsOf(tier, IN_TIERS) as PriceTier['parts']),
  })),
})

const modelsDevEvidence = (row: ModelsDevRow, late: boolean): Evidence => ({
  by: late ? 'models.dev, later copy' : 'models.dev',
  // A later copy has no date of its own; its model was described on this day.
  date: late ? row.last_updated : row.price_line_date,
  prices: [
    { price: plainPrice(row.price, row.price['tiers'] as PortkeyRow['tiers']) },
    ...(row.price_next ?? []).map(({ from, ...next }) => ({ from, price: plainPrice(next, undefined) })),
  ],
  loose: false,
})

const portkeyEvidence = (row: PortkeyRow, upper: PortkeyRow | undefined): Evidence => {
  const price = plainPrice(row.price, row.tiers)
  const bucket = /gt-(\d+)k$/.exec(upper?.context_bucket ?? '')?.[1]
  const bucketed =
    upper && bucket
      ? [
          {
            over: Number(bucket) * 1000,
            parts: plausible(partsOf(upper.price, IN_TIERS) as PriceTier['parts']),
          },
        ]
      : []
  return {
    by: 'portkey',
    date: row.price_line_date,
    prices: [{ price: { parts: price.parts, tiers: [...price.tiers, ...bucketed] } }],
    loose: false,
  }
}

const baseOf = (value: GenaiValue): string => (typeof value === 'string' ? value : value.base)

const genaiPrice = (usd: Readonly<Record<string, GenaiValue>>): Price => {
  const values = Object.entries(usd)
  const starts = new Set(
    values.flatMap(([, value]) => (typeof value === 'string' ? [] : value.tiers.map((tier) => tier.start))),
  )
  const at = (over: number) =>
    Object.fromEntries(
      values.map(([name, value]) => [
        name,
        typeof value === 'string'
          ? value
          : (value.tiers.findLast((tier) => tier.start <= over)?.price ?? value.base),
      ]),
    )
  const base = Object.fromEntries(values.map(([name, value]) => [name, baseOf(value)]))
  return {
    parts: plausible(partsOf(base, GENAI)),
    tiers: [...starts]
      .sort((a, b) => a - b)
      .map((over) => {
        const { input, output, cachedInput, cacheWrite } = partsOf(at(over), GENAI)
        return { over, parts: plausible(defined({ input, output, cachedInput, cacheWrite })) }
      }),
  }
}

const defined = <T extends object>(of: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as never

const genaiEvidence = (row: GenaiRow, loose: boolean): Evidence => ({
  by: 'genai-prices',
  date: [row.prices_checked, row.price_line_date]
    .filter((one) => one !== undefined)
    .sort()
    .at(-1),
  prices: row.prices.flatMap(({ from, usd }) =>
    usd ? [{ ...(from ? { from } : {}), price: genaiPrice(usd) }] : [],
  ),
  loose,
})

/** The price that a source gives for a day. */
export const priceOn = (evidence: Evidence, day: string): Price =>
  evidence.prices.findLast(({ from }) => from === undefined || from <= day)!.price

/** The same id as other lists write it. */
const plainId = (id: string): string => id.toLowerCase().replace(/^accounts\/fireworks\/models\//, '')

/** A fee for each request or another unit than tokens: such a price cannot be quoted. */
const hasOtherUnits = (row: GenaiRow | undefined): boolean =>
  row?.prices.some(({ usd }) => usd !== null && 'requests_kcount' in usd) ?? false

export type Witnesses = {
  /** What the trusted sources say about one endpoint. */
  of: (provider: string, id: string) => Evidence[]
  otherUnits: (provider: string, id: string) => boolean
}

/** Finds the word of every source on an endpoint, without those that are known to be wrong. */
export const createWitnesses = (rows: Rows): Witnesses => {
  const key = (...parts: string[]) => parts.join(' ')
  const modelsDev = new Map(rows.modelsDev.map((row) => [key(row.provider, row.id), row]))
  const late = new Map(rows.late.filter((row) => row.price).map((row) => [key(row.provider, row.id), row]))
  const genai = new Map(rows.genai.map((row) => [key(row.key_provider, plainId(row.id)), row]))
  const portkey = new Map(rows.portkey.map((row) => [key(row.key_provider, plainId(row.id)), row]))
  const agreement = new Map(rows.agreement.map((row) => [key(row.provider, row.id), row]))
  const isDistrusted = distrust(rows.distrust)

  const genaiOf = (provider: string, id: string, row: AgreementRow | undefined) =>
    genai.get(key(provider, plainId(row?.sources['gp']?.id ?? id)))
  const portkeyOf = (provider: string, id: string, row: AgreementRow | undefined) =>
    portkey.get(key(provider, plainId(row?.sources['pk']?.id ?? id))) ??
    portkey.get(key(provider, `${plainId(id)}-lte-128k`))

  return {
    otherUnits: (provider, id) => hasOtherUnits(genaiOf(provider, id, agreement.get(key(provider, id)))),
    of: (provider, id) => {
      const found: Evidence[] = []
      const matched = agreement.get(key(provider, id))
      const own = modelsDev.get(key(provider, id))
      const copy = late.get(key(provider, id))
      if (own && !own.zero_priced && !isDistrusted('models-dev', provider, id)) {
        found.push(modelsDevEvidence(own, false))
      } else if (copy) found.push(modelsDevEvidence(copy, true))
      const gp = genaiOf(provider, id, matched)
      // A pattern that catches too much is known by the price it then gets wrong.
      const loose = matched?.sources['gp']?.by === 'pattern'
      if (gp?.prices.some(isDated) && !isDistrusted('genai-prices', gp.provider, gp.id)) {
        found.push(genaiEvidence(gp, loose))
      }
      const pk = portkeyOf(provider, id, matched)
      if (pk && !pk.zero_priced && !isDistrusted('portkey', pk.provider, pk.id)) {
        found.push(portkeyEvidence(pk, upperOf(pk, portkey)))
      }
      return found.filter((one) => priceOn(one, '9999').parts.input !== undefined)
    },
  }
}

const isDated = ({ usd, daily_utc }: GenaiRow['prices'][number]): boolean =>
  usd !== null && daily_utc === undefined

const upperOf = (row: PortkeyRow, all: ReadonlyMap<string, PortkeyRow>): PortkeyRow | undefined =>
  row.context_bucket?.startsWith('lte-')
    ? all.get(`${row.key_provider} ${plainId(`${row.id_base}`)}-${row.context_bucket.replace('lte-', 'gt-')}`)
    : undefined

// Not about prices of this kind, or kept because only one of two sources can be wrong.
const NO_REASON = /base_model names|between the two sources|zero-price|no price given/

const distrust = (rows: readonly DistrustRow[]) => {
  const exact = new Set<string>()
  const prefixes: string[] = []
  for (const { source, provider, id, reason } of rows) {
    if (NO_REASON.test(reason)) continue
    if (id === 'amazon.nova-*') continue
    if (id.endsWith('*')) prefixes.push(`${source} ${provider} ${id.slice(0, -1)}`)
    else exact.add(`${source} ${provider} ${id}`)
  }
  return (source: string, provider: string, id: string): boolean => {
    const name = `${source} ${provider} ${id}`
    return exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
  }
}
