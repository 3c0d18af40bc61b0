/** An answer of ours as Anthropic's message. */
import {
  type AnthropicUsage,
  finishOfStop,
  type RedactedBlock,
  STOP_REASONS,
  type TextBlock,
  type ThinkingBlock,
  type ToolUseBlock,
} from '../anthropic.ts'
import type { About } from '../door.ts'
import type { WireAnswer, WireDelta, WireUsage } from '../openai.ts'
import { arranged, type Placed } from './arrange.ts'
import { callId, callsIn } from './calls.ts'
import { blockOf, detailsIn } from './thinking.ts'

type Choice = NonNullable<WireAnswer['choices']>[number]
/** What Anthropic said of the end and OpenAI has no word for. */
export type Ending = Choice & {
  native_finish_reason?: unknown
  stop_sequence?: unknown
  stop_details?: unknown
}

/** The message that our answer is. */
export const messageOf = (body: WireAnswer, about: About): object => {
  const choice: Ending = body.choices?.[0] ?? {}
  const content = blocksOf(choice.message ?? {}, about)
  return {
    ...headOf(about),
    content,
    ...endOf(
      choice,
      content.some(({ type }) => type === 'tool_use'),
    ),
    usage: usageOf(body.usage ?? {}),
  }
}

/** What a message says of itself before anything is in it. */
export const headOf = ({ id, model }: About) => ({
  id: `msg_${id.replace(/^call_/, '')}`,
  type: 'message',
  role: 'assistant',
  model,
})

/** Why it ended: in Anthropic's own word where Anthropic answered, else by ours. Some hosts call tools and say `stop`. */
export const endOf = (choice: Ending, called: boolean) => {
  const said = choice.finish_reason ?? 'stop'
  const reason = called && said === 'stop' ? 'tool_calls' : said
  const native = typeof choice.native_finish_reason === 'string' ? choice.native_finish_reason : ''
  const own = finishOfStop(native) === reason
  const known = Object.entries(STOP_REASONS).find(([, ours]) => ours === reason)
  return {
    stop_reason: own ? native : (known?.[0] ?? 'end_turn'),
    stop_sequence: typeof choice.stop_sequence === 'string' ? choice.stop_sequence : null,
    ...(choice.stop_details ? { stop_details: choice.stop_details } : {}),
  }
}

/** Their input tokens are those that no cache held or took; what was not reported is none. */
export const usageOf = (usage: WireUsage): AnthropicUsage => {
  const cached = count(usage.prompt_tokens_details?.cached_tokens)
  const written = count(usage.prompt_tokens_details?.cache_write_tokens)
  const reasoning = usage.completion_tokens_details?.reasoning_tokens
  return {
    input_tokens: Math.max(0, count(usage.prompt_tokens) - cached - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    output_tokens: count(usage.completion_tokens),
    ...(reasoning !== undefined && { output_tokens_details: { thinking_tokens: count(reasoning) } }),
  }
}

type AnswerBlock = TextBlock | ThinkingBlock | RedactedBlock | ToolUseBlock

const blocksOf = (message: WireDelta, about: About): AnswerBlock[] =>
  arranged<AnswerBlock>(textOf(message), thoughtsOf(message), callsOf(message, about), (text) => ({
    type: 'text',
    text,
  }))

const textOf = ({ content, refusal }: WireDelta): string =>
  [content, refusal].filter((text) => typeof text === 'string').join('')

const thoughtsOf = (message: WireDelta): Placed<AnswerBlock>[] => {
  const details = detailsIn(message.reasoning_details)
  if (details.length > 0)
    return details.map((one, at) => ({ block: blockOf(one), index: one.index ?? at, offset: one.offset }))
  const text = message.reasoning_content ?? message.reasoning
  if (typeof text !== 'string' || text === '') return []
  return [{ block: { type: 'thinking', thinking: text, signature: '' }, index: 0 }]
}

const callsOf = ({ tool_calls }: WireDelta, about: About): ToolUseBlock[] => {
  const taken = new Set<string>()
  return callsIn(tool_calls).map(({ id, name, written }) => ({
    type: 'tool_use',
    id: callId(about, id, taken),
    name,
    input: inputOf(written),
  }))
}

/** The input of a call; what a model wrote that is no object is kept under a name of its own. */
const inputOf = (written: string): unknown => {
  if (written.trim() === '') return {}
  try {
    const parsed: unknown = JSON.parse(written)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  } catch {}
  return { malformed: written }
}

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
