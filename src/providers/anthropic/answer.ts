/** Anthropic's message as an answer in OpenAI's chat form. */
import { type AnthropicUsage, finishOfStop } from '../../wire/anthropic.ts'
import type { Detail } from '../../wire/messages/thinking.ts'
import type { WireAnswer, WireUsage } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'

/** `created`: seconds. `hide`: the caller wants no reasoning, and this host cannot be told so. */
export type Telling = { created: number; format: string; hide: boolean }

/** The parts of a message that we look at; every one is doubted. */
export type Message = {
  id?: unknown
  model?: unknown
  content?: unknown
  stop_reason?: unknown
  stop_sequence?: unknown
  stop_details?: unknown
  usage?: AnthropicUsage | null
}

/** The answer that a message is; throws `malformed` for anything else. */
export const answerOf = (message: Message, { created, format, hide }: Telling): WireAnswer => {
  if (!Array.isArray(message.content)) throw new UpstreamError('malformed', 'no content')
  const blocks = message.content.filter((one) => typeof one === 'object' && one !== null) as Given[]
  const text = blocks.map((one) => (one.type === 'text' ? str(one.text) : '')).join('')
  const details = hide ? [] : detailsOf(blocks, format)
  const reasoning = details.map((one) => one.text ?? '').join('')
  const calls = blocks.filter(({ type }) => type === 'tool_use').map(callOf)
  const answer = {
    id: message.id,
    object: 'chat.completion',
    created,
    model: message.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          ...(reasoning !== '' && { reasoning_content: reasoning }),
          ...(details.length > 0 && { reasoning_details: details }),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        ...finishOf(message),
      },
    ],
    ...tierOf(message.usage),
    ...(message.usage && { usage: usageOf(message.usage, saidBesides(blocks)) }),
  }
  return answer
}

/** Why it ended, in OpenAI's word and, beside it, in their own. */
export const finishOf = ({ stop_reason, stop_sequence, stop_details }: Message) => {
  const native = str(stop_reason)
  const known = finishOfStop(native) ?? 'stop'
  return {
    finish_reason: native === '' ? null : known,
    ...(native !== '' && { native_finish_reason: native }),
    ...(typeof stop_sequence === 'string' && { stop_sequence }),
    ...(stop_details ? { stop_details } : {}),
  }
}

const CHARACTERS_A_TOKEN = 4

/**
 * Their input tokens leave out what came from a cache or went into one; ours do not. `said`: characters beside the
 * thoughts, given where there were any: what is shown of them is less than they were, so where nobody counted them they
 * are all that is left.
 */
export const usageOf = (usage: AnthropicUsage, said?: number): WireUsage & { total_tokens: number } => {
  const cached = count(usage.cache_read_input_tokens)
  const written = count(usage.cache_creation_input_tokens)
  const prompt = count(usage.input_tokens) + cached + written
  const completion = count(usage.output_tokens)
  const rest = said === undefined ? undefined : completion - Math.ceil(said / CHARACTERS_A_TOKEN)
  const thinking = usage.output_tokens_details?.thinking_tokens ?? (rest && Math.max(0, rest))
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    ...(typeof thinking === 'number' && {
      completion_tokens_details: { reasoning_tokens: count(thinking) },
    }),
  }
}

/** The tier that it was served at, where it was another than the usual. */
export const tierOf = (usage: AnthropicUsage | null | undefined): { service_tier?: string } =>
  typeof usage?.service_tier === 'string'
    ? { service_tier: usage.service_tier === 'standard' ? 'default' : usage.service_tier }
    : {}

type Given = {
  type?: unknown
  text?: unknown
  thinking?: unknown
  signature?: unknown
  data?: unknown
  id?: unknown
  name?: unknown
  input?: unknown
}

const detailsOf = (blocks: Given[], format: string): Detail[] => {
  let offset = 0
  return blocks.flatMap((block, index): Detail[] => {
    if (block.type === 'text') offset += str(block.text).length
    const place = { format, index, ...(offset > 0 && { offset }) }
    if (block.type === 'thinking')
      return [
        { type: 'reasoning.text', text: str(block.thinking), signature: str(block.signature), ...place },
      ]
    return block.type === 'redacted_thinking'
      ? [{ type: 'reasoning.encrypted', data: str(block.data), ...place }]
      : []
  })
}

/** Characters of all but the thoughts; undefined where there were none. */
const saidBesides = (blocks: Given[]): number | undefined => {
  if (!blocks.some(({ type }) => type === 'thinking' || type === 'redacted_thinking')) return undefined
  return blocks.reduce((sum, { type, text, input }) => {
    if (type === 'text') return sum + str(text).length
    return type === 'tool_use' ? sum + JSON.stringify(input ?? {}).length : sum
  }, 0)
}

const callOf = ({ id, name, input }: Given) => ({
  id: str(id),
  type: 'function',
  function: { name: str(name), arguments: JSON.stringify(input ?? {}) },
})

const str = (value: unknown): string => (typeof value === 'string' ? value : '')

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
