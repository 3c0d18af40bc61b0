/**
 * How servers that speak OpenAI's chat format differ from it: one row for each kind in quirks-rows.ts. A server of no
 * known kind lacks nothing and is sent everything as it is.
 */
import type { Feature } from '../wire/features.ts'
import { KINDS, PLAIN } from './quirks-rows.ts'

export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'

/** What a caller may say that changes no answer; where it would be refused it is taken out. */
export type Hint =
  | 'cache_control'
  | 'user'
  | 'safety_identifier'
  | 'prompt_cache_key'
  | 'service_tier'
  | 'modalities'
  | 'include_obfuscation'

/** How a model is told to reason; what it has no words for is refused as `unfit`. */
export type Reasoning = {
  /** OpenRouter's `reasoning` object: effort, tokens and exclusion in one. */
  object?: true
  /** What `reasoning_effort` may be; the nearest is sent. None at all: the field is not known. */
  efforts?: readonly Effort[]
  /** Sent to turn it on, and off. */
  on?: Readonly<Record<string, unknown>>
  off?: Readonly<Record<string, unknown>>
  /** Sent to let it reason with so many tokens. */
  budget?: (tokens: number) => Record<string, unknown>
}

export type Quirks = {
  /** What none of its models can be asked for. */
  lacks?: readonly Feature[]
  /** What this model cannot be asked for besides. */
  lacksWith?: (model: string) => readonly Feature[]
  /** What this model refuses unless its effort is `none`. */
  unlessIdle?: (model: string) => readonly Feature[]
  /** The one field that caps output; undefined: the caller's own. */
  cap?: 'max_tokens' | 'max_completion_tokens'
  /** It knows no `stream_options`: usage comes unasked. */
  usageUnasked?: true
  drops?: readonly Hint[]
  /** It knows no role `developer`: `system` instead. */
  noDeveloper?: true
  /** Messages of text alone must be one string. */
  flat?: true
  /** Most stops, which must be a list. */
  stops?: number
  /** More than this is not known; it is asked for instead. */
  mostVerbose?: 'high'
  /** Its field for the seed. */
  seed?: 'random_seed'
  reasoning?: (model: string) => Reasoning
  /** Where the reasoning of earlier answers goes: into this field, into a part of the content, or nowhere; undefined: as it came. */
  earlier?: 'reasoning' | 'reasoning_content' | 'part' | 'nowhere'
  /** Every earlier answer must have the field, even if empty. */
  earlierAlways?: true
  /** What marks the last message as one to be continued. */
  prefill?: 'prefix' | 'partial'
  /** Ids of tool calls must be nine letters and digits. */
  shortCallIds?: true
  /** The key goes into the header `api-key`. */
  keyHeader?: true
  /** The path names the deployment, where the base URL has an api-version. */
  deployments?: true
  /** What its usage has in other places than OpenAI's. */
  usage?: readonly UsageQuirk[]
  /** Its finish reasons in OpenAI's words; `broken`: the answer is not whole. */
  finish?: Readonly<Record<string, 'stop' | 'length' | 'content_filter' | 'broken'>>
  /** The content of an answer may be a list with parts of thinking. */
  thinkingParts?: true
  /** False: it makes none. */
  embeddings?: EmbeddingsQuirk | false
}

/** Its field for the length of vectors, if it has one; `unnamedFloats`: floats are what comes when no format is named. */
export type EmbeddingsQuirk = { dimensions: 'output_dimension' | false; unnamedFloats?: true }

/**
 * `hits`: prompt_cache_hit_tokens. `cached`: cached_tokens outside of the details. `writes`: cache_creation_input_tokens.
 * `apart`: completion_tokens without those of reasoning. `choice`: inside the last choice. `x_groq`: inside x_groq.
 */
export type UsageQuirk = 'hits' | 'cached' | 'writes' | 'apart' | 'choice' | 'x_groq'

export type QuirkFacts = { id: string; kind?: string | undefined; baseUrl: string }

/** Every name of a kind. */
export const KIND_NAMES: readonly string[] = KINDS.flatMap(({ names }) => names)

/** The quirks of a server: by its kind when that is told, else by its address, else by its id. */
export const quirksOf = ({ id, kind, baseUrl }: QuirkFacts): Quirks => {
  if (kind !== undefined) return rowOf(kind)?.quirks ?? PLAIN
  const row = KINDS.find(({ at }) => at?.test(baseUrl)) ?? rowOf(id)
  return row?.quirks ?? PLAIN
}

const rowOf = (name: string) => KINDS.find(({ names }) => names.includes(name))

/** A function that says what a model lacks there; its answers are kept, because they are asked for in every call. */
export const lacking = ({ lacks = [], lacksWith }: Quirks): ((model: string) => ReadonlySet<Feature>) => {
  const always: ReadonlySet<Feature> = new Set(lacks)
  if (!lacksWith) return () => always
  const known = new Map<string, ReadonlySet<Feature>>()
  return (model) => {
    const found = known.get(model) ?? new Set([...lacks, ...lacksWith(model)])
    known.set(model, found)
    return found
  }
}
