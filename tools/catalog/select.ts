import { LEFT_OUT, MAKER } from './providers.ts'
import type { HandFacts, ModelsDevRow, Rows } from './rows.ts'

/** An endpoint that may be sold: what is known of it beside its price. */
export type Endpoint = {
  provider: string
  /** The model's name there, as the API takes it. */
  id: string
  canonical: string
  kind: 'chat' | 'embedding'
  /** The endpoint's own facts; undefined where no source describes it. */
  row: ModelsDevRow | undefined
}

/** Ids whose model and price change without notice, and routers that choose a model by themselves. */
export const isAlias = (id: string): boolean =>
  /(^~|[-/]latest$|[-:]latest\b|chat-latest|(^|\/)(auto|free|model-router|bodybuilder|fusion|pareto)$|(^|\/)router$|-router$)/i.test(
    id,
  ) ||
  /(^|\/)(deepseek-chat|deepseek-reasoner|qwen-(plus|max|turbo|flash|long|vl-max|vl-plus|coder|omni-turbo)|qwq-plus|qvq-max)$/i.test(
    id,
  ) ||
  /(^|\/)(claude-(opus|sonnet|haiku|fable)|gpt-(chat|mini)|gemini-(flash|pro|flash-lite)|grok|mistral-(large|medium|small)|open-mistral-7b|magistral-(medium|small)|ministral-(3b|8b)|codestral|devstral|devstral-(medium|small)|command|command-a|command-r|command-r-plus|kimi-latest)$/i.test(
    id,
  )

/** Only on another API than chat/completions, or billed by more than tokens. */
const isElsewhere = (provider: string, id: string): boolean =>
  (provider === 'openai' && /(-pro(-\d{4}-\d\d-\d\d)?$|codex|deep-research)/.test(id)) ||
  // Completions without messages.
  /gpt-3\.5-turbo-instruct/.test(id) ||
  /(search-preview|sonar|deep-research|computer-use|multi-agent)/.test(id)

/** Made for something else than a conversation: translation by its own parameters, code merging, images of pages. */
const isSpecial = (id: string): boolean =>
  /(qwen-mt-|-mt-(plus|turbo|lite)|morph-v|relace-apply|-ocr|ocr-|-asr|livetranslate|character|guard|moderation|safeguard|rerank|-realtime|gpt-audio|-image|autoglm|ui-tars|-prover-)/i.test(
    id,
  )

const speaksText = (row: ModelsDevRow): boolean =>
  row.kind === 'embedding' || (row.modalities_out?.length === 1 && row.modalities_out[0] === 'text')

const isAnthropicOnly = (row: ModelsDevRow): boolean =>
  row.sdk?.shape === 'responses' || (row.sdk?.npm === '@ai-sdk/anthropic' && row.sdk.api !== undefined)

// The same weights as another service: dearer for speed, or smaller.
const OTHER_SERVICE = new Set(['free', 'fast', 'highspeed', 'ultraspeed', 'lite', 'thinking'])

const SERVED = new Set(['chat', 'embedding'])

const fromModelsDev = (row: ModelsDevRow): Endpoint[] => {
  if (!row.provider || !SERVED.has(row.kind) || row.status === 'deprecated') return []
  if (row.zero_priced || OTHER_SERVICE.has(row.variant ?? '')) return []
  if (!speaksText(row) || isAnthropicOnly(row)) return []
  return [
    {
      provider: row.provider,
      id: row.id,
      canonical: row.canonical,
      kind: row.kind as Endpoint['kind'],
      row,
    },
  ]
}

/** Endpoints that only price lists know: an id there does not prove that it is callable, so that only chosen ones are taken. */
const fromSelection = (rows: Rows, known: ReadonlySet<string>): Endpoint[] => {
  const late = new Map(rows.late.map((row) => [row.canonical, row]))
  return rows.selection
    .filter(({ provider, id, kind }) => !known.has(`${provider} ${id}`) && SERVED.has(kind))
    .map(({ provider, id, canonical, kind }) => ({
      provider,
      id,
      canonical,
      kind: kind as Endpoint['kind'],
      row: late.get(canonical),
    }))
}

/** Endpoints that can be called with an API key over chat/completions, Messages, Gemini or embeddings; each once. */
export const endpointsOf = (rows: Rows, providers: ReadonlySet<string>): Endpoint[] => {
  const own = [...rows.modelsDev, ...rows.late.filter((row) => row.provider)].flatMap(fromModelsDev)
  const known = new Set([...rows.modelsDev, ...rows.late].map((row) => `${row.provider} ${row.id}`))
  const all = [...own, ...fromSelection(rows, known)].filter(
    ({ provider, id, canonical }) =>
      providers.has(provider) &&
      !(provider in LEFT_OUT) &&
      !isAlias(id) &&
      !isElsewhere(provider, id) &&
      !isElsewhere('', canonical) &&
      !isSpecial(id) &&
      !/(:free|:batch|:flex|:priority|:thinking|:exacto|:extended|:online|:nitro)$/.test(id),
  )
  const facts = new Map(rows.facts.map((one) => [one.canonical, one]))
  const told = all.map((one) => ({ ...one, row: withFacts(one, facts.get(one.canonical)) }))
  return [...new Map(told.map((one) => [`${one.provider} ${one.id}`, one])).values()]
}

/** What the maker's page says holds at the maker's own endpoint, and elsewhere where the endpoint's row says nothing. */
const withFacts = (
  { provider, canonical, row }: Endpoint,
  facts: HandFacts | undefined,
): ModelsDevRow | undefined => {
  if (!facts) return row
  const own = MAKER[canonical.split('/')[0]!] === provider
  return (own ? { ...row, ...facts } : { ...facts, ...row }) as ModelsDevRow
}
