/** tools/catalog/: makes data/catalog.json out of the committed facts in data/catalog/. This file reads them. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** Prices as decimal strings, US dollars per million tokens. */
export type Decimals = Readonly<Record<string, string>>
export type Tier = { context_over: number } & Readonly<Record<string, string | number>>

export type ModelsDevRow = {
  provider: string
  id: string
  name: string
  canonical: string
  lab: string
  kind: string
  variant?: string
  status?: string
  price: Readonly<Record<string, string | readonly Tier[]>>
  price_next?: readonly ({ from: string } & Decimals)[]
  zero_priced?: boolean
  context?: number
  output_limit?: number
  modalities_in?: readonly string[]
  modalities_out?: readonly string[]
  tool_call?: boolean
  reasoning?: boolean
  structured_output?: boolean
  temperature?: boolean
  open_weights?: boolean
  knowledge?: string
  release_date?: string
  last_updated?: string
  sdk?: { npm?: string; api?: string; shape?: string }
  price_line_date?: string
}

export type GenaiValue = string | { base: string; tiers: readonly { start: number; price: string }[] }
export type GenaiRow = {
  provider: string
  key_provider: string
  id: string
  canonical: string
  variant?: string
  context_window?: number
  deprecated?: boolean
  prices: readonly {
    from?: string
    daily_utc?: unknown
    usd: Readonly<Record<string, GenaiValue>> | null
  }[]
  prices_checked?: string
  price_line_date: string
}

export type PortkeyRow = {
  provider: string
  key_provider: string
  id: string
  id_base?: string
  context_bucket?: string
  canonical: string
  variant?: string
  type?: string
  max_output?: number
  zero_priced?: boolean
  price: Decimals
  tiers?: readonly Tier[]
  price_line_date: string
}

export type AgreementRow = {
  provider: string
  id: string
  canonical: string
  kind: string
  variant?: string
  sources: Readonly<Record<string, { id?: string; file?: string; by?: string; date: string } | undefined>>
}

export type DistrustRow = { source: string; provider: string; id: string; reason: string }
export type ScoreRow = {
  canonical: string
  key: string
  score: string
  metric?: string
  version?: string
  variant?: string
  harness?: string
  dataset?: string
  source: string
  date?: string
}
export type ProviderRow = {
  id: string
  name: string
  class?: string
  taken: boolean
  why_not?: string
  api_base?: string
  env?: readonly string[]
  doc?: string
}
export type Retirement = { canonical: string; retires: string; source: string }

/** An endpoint that was chosen by hand. */
export type Chosen = { canonical: string; provider: string; id: string; kind: string }

/** What the maker's page says of a model that the sources do not describe. */
export type HandFacts = Partial<ModelsDevRow> & { canonical: string; source: string }

export type Rows = {
  modelsDev: readonly ModelsDevRow[]
  late: readonly ModelsDevRow[]
  genai: readonly GenaiRow[]
  portkey: readonly PortkeyRow[]
  agreement: readonly AgreementRow[]
  distrust: readonly DistrustRow[]
  scores: readonly ScoreRow[]
  providers: readonly ProviderRow[]
  retirements: readonly Retirement[]
  selection: readonly Chosen[]
  facts: readonly HandFacts[]
}

const HOME = new URL('../../data/catalog/', import.meta.url)

const lines = <T>(name: string): T[] => {
  const bytes = readFileSync(new URL(name, HOME))
  const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

const selection = (): Chosen[] =>
  readFileSync(new URL('sources/selection.txt', HOME), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [canonical = '', , endpoint = '', kind = ''] = line.split('\t')
      const at = endpoint.indexOf(':')
      return { canonical, provider: endpoint.slice(0, at), id: endpoint.slice(at + 1), kind }
    })

/** All facts as the sources give them, in the order of the files. */
export const readRows = (): Rows => ({
  modelsDev: lines('sources/models-dev.jsonl.gz'),
  late: lines('sources/models-dev-late.jsonl'),
  genai: lines('sources/genai-prices.jsonl.gz'),
  portkey: lines('sources/portkey-prices.jsonl.gz'),
  agreement: lines('sources/agreement.jsonl.gz'),
  distrust: lines('sources/distrust.jsonl'),
  scores: lines('sources/benchmarks.jsonl'),
  providers: lines('sources/providers.jsonl'),
  retirements: lines('retirements.jsonl'),
  selection: selection(),
  facts: lines('facts.jsonl'),
})
