import type { BuiltinModel } from '../../src/catalog/builtin.ts'
import { MAKER } from './providers.ts'
import type { ModelsDevRow, Retirement, Rows } from './rows.ts'
import type { Score } from './scores.ts'
import { type Endpoint, isAlias } from './select.ts'

/** What is known of an endpoint beside its price; absent where no source says. */
export type HostFacts = {
  context?: number
  maxOutput?: number
  /** What it can do, by its own row. */
  can?: readonly string[]
  in?: readonly string[]
}

/** What the catalogue holds of a model beside its hosts. */
export type ModelFacts = Omit<BuiltinModel, 'hosts' | 'scores'> & {
  /** The page that says when its maker no longer answers. */
  retiresSource?: string
  scores?: Readonly<Record<string, readonly (number | string)[]>>
}

/** The facts of one endpoint from its own row, since hosts of one model differ. */
export const hostFactsOf = (endpoint: Endpoint, group: readonly Endpoint[]): HostFacts => {
  const { row, kind } = endpoint
  if (!row) return {}
  const context = known(row.context)
  // For embeddings the sources give the size of the vector here.
  const maxOutput = kind === 'embedding' ? undefined : known(row.output_limit)
  return {
    ...(context ? { context } : {}),
    ...(maxOutput ? { maxOutput: Math.min(maxOutput, context ?? maxOutput) } : {}),
    ...(kind === 'chat' ? { can: capabilitiesOf(endpoint, row, group) } : {}),
    ...(row.modalities_in ? { in: row.modalities_in } : {}),
  }
}

const known = (limit: number | undefined): number | undefined => (limit && limit > 0 ? limit : undefined)

const capabilitiesOf = (
  { provider, canonical }: Endpoint,
  row: ModelsDevRow,
  group: readonly Endpoint[],
): string[] => {
  const takes = new Set(row.modalities_in)
  const can: [string, boolean][] = [
    ['tools', row.tool_call === true],
    ['vision', takes.has('image')],
    ['audio', takes.has('audio')],
    ['video', takes.has('video')],
    ['pdf', takes.has('pdf')],
    ['json_schema', row.structured_output ?? saidElsewhere(provider, canonical, group)],
    ['reasoning', row.reasoning === true],
    ['no_temperature', row.temperature === false],
  ]
  return can.filter(([, does]) => does).map(([name]) => name)
}

/** Where its own row says nothing of schemas: what the maker documents for its whole API, or the maker's own row says. */
const saidElsewhere = (provider: string, canonical: string, group: readonly Endpoint[]): boolean => {
  const documented = SCHEMAS.find(([makers, models]) => makers.includes(provider) && models.test(canonical))
  if (documented) return true
  const makers = group.filter((one) => one.provider === MAKER[one.canonical.split('/')[0]!])
  return makers.some((one) => one.row?.structured_output === true)
}
const SCHEMAS: readonly [readonly string[], RegExp][] = [
  [
    ['anthropic', 'openrouter', 'vercel'],
    /^anthropic\/claude-(fable-5|opus-(4-[1-9]|5)|sonnet-(4-[5-9]|5)|haiku-4-5)/,
  ],
  [['mistral'], /^mistral\//],
  [['google'], /^google\/gemini-/],
]

type FactsOf = {
  canonical: string
  group: readonly Endpoint[]
  rows: Rows
  end: Retirement | undefined
  scores: Readonly<Record<string, Score>> | undefined
}

/** The facts of a model: of its maker's row where there is one, else of the hosts together. */
export const factsOf = ({ canonical, group, rows, end, scores }: FactsOf): ModelFacts => {
  const lab = canonical.slice(0, canonical.indexOf('/'))
  const described = group.flatMap((one) => (one.row ? [one.row] : []))
  const byHand = rows.facts.find((row) => row.canonical === canonical)
  const late = rows.late.find((row) => row.canonical === canonical)
  const own = late ?? described.find((row) => row.provider === MAKER[lab])
  const maker = byHand ? { ...own, ...byHand } : own
  const kind = group[0]!.kind
  const contexts = described.flatMap((row) => known(row.context) ?? [])
  const outputs = described.flatMap((row) => known(row.output_limit) ?? [])
  const released = maker?.release_date ?? described.flatMap((row) => row.release_date ?? []).sort()[0]
  const knowledge = maker?.knowledge ?? mostOften(described.flatMap((row) => row.knowledge ?? []))
  const weights = maker?.open_weights ?? mostOften(described.flatMap((row) => row.open_weights ?? []))
  const images = described.some((row) => row.modalities_in?.includes('image'))
  return {
    id: canonical,
    kind,
    name: maker?.name ?? mostOften(described.map((row) => row.name)) ?? canonical.slice(lab.length + 1),
    lab,
    ...(released ? { released } : {}),
    ...(end ? { retires: end.retires, retiresSource: end.source } : {}),
    ...(knowledge ? { knowledge } : {}),
    ...(weights === undefined ? {} : { openWeights: weights }),
    context: known(maker?.context) ?? (contexts.length > 0 ? Math.max(...contexts) : UNKNOWN[kind].context),
    maxOutput:
      kind === 'embedding'
        ? 1
        : (known(maker?.output_limit) ?? (outputs.length > 0 ? Math.max(...outputs) : UNKNOWN[kind].output)),
    ...(images ? { imageTokens: imageTokensOf(canonical) } : {}),
    in: maker?.modalities_in ?? union(described.flatMap((row) => row.modalities_in ?? ['text'])),
    out: kind === 'embedding' ? ['embedding'] : ['text'],
    ...(scores
      ? {
          scores: Object.fromEntries(
            Object.entries(scores)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, one]) => [key, [one.value, one.source, ...(one.date ? [one.date] : [])]]),
          ),
        }
      : {}),
    aliases: calledElsewhere(canonical, group, rows),
  }
}

// So little that nothing is promised which a host then refuses.
const UNKNOWN = {
  chat: { context: 32_768, output: 4_096 },
  embedding: { context: 8_192, output: 1 },
} as const

const mostOften = <T>(values: readonly T[]): T | undefined => {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([a, one], [b, other]) => other - one || (String(a) < String(b) ? -1 : 1))[0]?.[0]
}

const union = (values: readonly string[]): string[] =>
  [...new Set(values.length > 0 ? values : ['text'])].sort()

/** Most tokens that makers count for one image, at low detail and at any other, where it is more than usual. */
const imageTokensOf = (canonical: string): { low: number; high: number } =>
  IMAGES.find(([models]) => models.test(canonical))?.[1] ?? { low: 300, high: 3_000 }
const IMAGES: readonly [RegExp, { low: number; high: number }][] = [
  [/^openai\/gpt-4o-mini/, { low: 2_833, high: 48_169 }],
  [/^openai\/gpt-(4\.1|5|5\.4)-nano/, { low: 300, high: 3_800 }],
  [/^anthropic\/claude-(opus-(4-[7-9]|5)|sonnet-5|fable-5)/, { low: 5_000, high: 5_000 }],
]

/** Its ids at hosts, and the snapshots that price lists know at its maker. */
const calledElsewhere = (canonical: string, group: readonly Endpoint[], rows: Rows): string[] => {
  const maker = MAKER[canonical.slice(0, canonical.indexOf('/'))]
  const snapshots = rows.agreement
    .filter((row) => row.canonical === canonical && row.provider === maker && !row.variant)
    .map((row) => row.id)
  return [...new Set([...group.map((one) => one.id), ...snapshots])].filter((id) => !isAlias(id))
}
