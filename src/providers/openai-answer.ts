import type { WireAnswer, WireDelta, WireUsage } from '../wire/openai.ts'
import { UpstreamError } from './provider.ts'
import type { Quirks, UsageQuirk } from './quirks.ts'

type Loose = Record<string, unknown>

/** Puts answers into OpenAI's form, in place. */
export type Mend = {
  /** What a chunk's text holds one of when it needs mending; all others pass as text. */
  marks: readonly string[]
  /** Says whether anything changed; throws `UpstreamError` when the answer is not whole. */
  mend: (part: WireAnswer) => boolean
  /** Usage of a chunk goes out in one of its own. */
  apart: boolean
}

/** What mends the answers of a host; undefined where they are as they must be. `exclude`: no reasoning is wanted; then it mends one answer only. */
export const mendFor = (quirks: Quirks, exclude: boolean): Mend | undefined => {
  const marks: string[] = []
  const steps: ((part: Loose) => boolean)[] = []
  const { usage, finish, thinkingParts } = quirks
  if (usage) {
    marks.push('"usage":{', '"usage": {')
    steps.push((part) => mendUsage(part, usage))
  }
  if (usage?.includes('x_groq')) {
    marks.push('"x_groq"')
    steps.push(brokenOff)
  }
  if (finish) {
    marks.push(...Object.keys(finish).map((reason) => `"${reason}"`))
    steps.push((part) => eachChoice(part, (choice) => mendFinish(choice, finish)))
  }
  if (thinkingParts) {
    marks.push('"content":[', '"content": [')
    steps.push((part) => eachDelta(part, joinThinking))
  }
  if (exclude) {
    marks.push('"reasoning', '"usage":{', '"usage": {')
    steps.push(leaveReasoningOut())
  }
  if (steps.length === 0) return undefined
  return {
    marks,
    mend: (part) => steps.reduce((changed, step) => step(part as Loose) || changed, false),
    apart: usage?.includes('x_groq') === true,
  }
}

/** A stream, mended: only chunks with a mark are parsed, all else passes as the text that it is. */
export async function* mended(
  source: AsyncIterable<readonly string[]>,
  { marks, mend, apart }: Mend,
): AsyncGenerator<readonly string[]> {
  for await (const batch of source) {
    const out: string[] = []
    let failure: unknown
    try {
      for (const data of batch) {
        const part = marks.some((mark) => data.includes(mark)) ? parsed(data) : undefined
        const changed = part !== undefined && mend(part)
        if (changed && apart && part.usage && part.choices?.length) {
          const { usage, choices, ...head } = part
          out.push(JSON.stringify({ ...head, choices }), JSON.stringify({ ...head, choices: [], usage }))
        } else out.push(changed ? JSON.stringify(part) : data)
      }
    } catch (error) {
      failure = error
    }
    if (out.length > 0) yield out
    if (failure !== undefined) throw failure
  }
}

/** What is no object is left to whoever reads it. */
const parsed = (data: string): WireAnswer | undefined => {
  try {
    const part: unknown = JSON.parse(data)
    return typeof part === 'object' && part !== null ? (part as WireAnswer) : undefined
  } catch {
    return undefined
  }
}

const eachChoice = (part: Loose, step: (choice: Loose) => boolean): boolean => {
  let changed = false
  for (const choice of Array.isArray(part['choices']) ? part['choices'] : []) {
    if (isObject(choice) && step(choice)) changed = true
  }
  return changed
}

const eachDelta = (part: Loose, step: (delta: WireDelta & Loose) => boolean): boolean =>
  eachChoice(part, (choice) => {
    const delta = choice['delta'] ?? choice['message']
    return isObject(delta) && step(delta)
  })

/** Groq says there why it stopped early: https://console.groq.com/docs/api-reference#chat-create */
const brokenOff = ({ x_groq }: Loose): boolean => {
  if (isObject(x_groq) && typeof x_groq['error'] === 'string')
    throw new UpstreamError('unavailable', 'it broke off')
  return false
}

const mendFinish = (choice: Loose, finish: NonNullable<Quirks['finish']>): boolean => {
  const meant = finish[String(choice['finish_reason'])]
  if (meant === 'broken') throw new UpstreamError('unavailable', 'it broke off')
  if (meant) choice['finish_reason'] = meant
  return meant !== undefined
}

/** Mistral's parts of thinking and text: https://docs.mistral.ai/capabilities/reasoning */
const joinThinking = (delta: WireDelta): boolean => {
  if (!Array.isArray(delta.content)) return false
  const parts = delta.content.filter(isObject)
  const thought = parts.filter((one) => one['type'] === 'thinking').flatMap((one) => one['thinking'])
  const reasoning = textOf(thought)
  if (reasoning !== '') delta.reasoning_content = reasoning
  delta.content = textOf(parts)
  return true
}

const textOf = (parts: unknown[]): string =>
  parts.map((one) => (isObject(one) && one['type'] === 'text' ? String(one['text'] ?? '') : '')).join('')

const REASONING = ['reasoning', 'reasoning_content', 'reasoning_details'] as const

/** About so many bytes are a token at least. */
const BYTES_A_TOKEN = 3

/** What is left out was written all the same: it is told as tokens of reasoning where the host does not count them. */
const leaveReasoningOut = (): ((part: Loose) => boolean) => {
  let bytes = 0
  const leave = (delta: WireDelta): boolean => {
    const had = REASONING.filter((field) => field in delta)
    // The same thought may stand in several fields.
    bytes += Math.max(0, ...had.map((field) => sizeOf(delta[field])))
    for (const field of had) delete delta[field]
    return had.length > 0
  }
  return (part) => {
    const left = eachDelta(part, leave)
    const usage = part['usage'] as WireUsage | null | undefined
    const output = usage?.completion_tokens
    if (
      bytes === 0 ||
      typeof output !== 'number' ||
      usage?.completion_tokens_details?.reasoning_tokens != null
    )
      return left
    const reasoning_tokens = Math.min(output, Math.ceil(bytes / BYTES_A_TOKEN))
    usage!.completion_tokens_details = { ...usage!.completion_tokens_details, reasoning_tokens }
    return true
  }
}

const sizeOf = (value: unknown): number =>
  value == null ? 0 : Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))

const mendUsage = (part: Loose, quirks: readonly UsageQuirk[]): boolean => {
  const found = part['usage'] ?? usageElsewhere(part, quirks)
  if (!isObject(found)) return false
  const moved = found !== part['usage']
  part['usage'] = found
  return quirks.reduce((changed, quirk) => USAGE[quirk](found) || changed, moved)
}

const usageElsewhere = (part: Loose, quirks: readonly UsageQuirk[]): unknown => {
  if (quirks.includes('x_groq')) return (part['x_groq'] as Loose | undefined)?.['usage']
  if (!quirks.includes('choice')) return undefined
  const choices = part['choices']
  return Array.isArray(choices) ? (choices[0] as Loose | undefined)?.['usage'] : undefined
}

const cachedFrom = (usage: WireUsage & Loose, field: string): boolean => {
  const cached = usage[field]
  if (typeof cached !== 'number' || usage.prompt_tokens_details?.cached_tokens !== undefined) return false
  usage.prompt_tokens_details = { ...usage.prompt_tokens_details, cached_tokens: cached }
  return true
}

const USAGE: Record<UsageQuirk, (usage: WireUsage & Loose) => boolean> = {
  hits: (usage) => cachedFrom(usage, 'prompt_cache_hit_tokens'),
  cached: (usage) => cachedFrom(usage, 'cached_tokens'),
  writes: (usage) => {
    const details = usage.prompt_tokens_details as Loose | undefined | null
    if (typeof details?.['cache_creation_input_tokens'] !== 'number') return false
    details['cache_write_tokens'] = details['cache_creation_input_tokens']
    return true
  },
  // The total says whether they are apart: a server that has joined them since is believed.
  apart: (usage) => {
    const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
    if (typeof input !== 'number' || typeof output !== 'number' || typeof total !== 'number') return false
    const rest = total - input - output
    if (rest <= 0) return false
    usage.completion_tokens = output + rest
    const details = usage.completion_tokens_details
    usage.completion_tokens_details = { ...details, reasoning_tokens: details?.reasoning_tokens ?? rest }
    return true
  },
  choice: () => false,
  x_groq: () => false,
}

const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
