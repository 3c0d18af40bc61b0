import { parseRate, type Rate } from '../../src/money.ts'
import type { GenaiRow, GenaiValue, ModelsDevRow, PortkeyRow } from './rows.ts'

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

/** What a row of models.dev says; `late`: of a copy without a date of its own. */
export const modelsDevEvidence = (row: ModelsDevRow, late: boolean): Evidence => ({
  by: late ? 'models.dev, later copy' : 'models.dev',
  // A later copy has no date of its own; its model was described on this day.
  date: late ? row.last_updated : row.price_line_date,
  prices: [
    { price: plainPrice(row.price, row.price['tiers'] as PortkeyRow['tiers']) },
    ...(row.price_next ?? []).map(({ from, ...next }) => ({ from, price: plainPrice(next, undefined) })),
  ],
  loose: false,
})

/** What a row of Portkey says; `upper` is its row for longer requests. */
export const portkeyEvidence = (row: PortkeyRow, upper: PortkeyRow | undefined): Evidence => {
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

/** What a row of genai-prices says, on all its days. */
export const genaiEvidence = (row: GenaiRow, loose: boolean): Evidence => ({
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
