/** A chat request as Anthropic's. What its form has no word for is in `lacks`; what only together cannot be said is `unfit`. */
import type { TextBlock } from '../../wire/anthropic.ts'
import type { ForwardBody } from '../../wire/openai.ts'
import { type Ask, UpstreamError } from '../provider.ts'
import { conversationOf } from './messages.ts'
import type { Abilities } from './models.ts'
import { thinkingOf } from './thinking.ts'

/** The body of POST /v1/messages for one model; throws `unfit`. */
export const messagesBody = ({ body, model, maxOutput }: Ask, abilities: Abilities): object => {
  const max_tokens = Math.min(body.max_completion_tokens ?? body.max_tokens ?? maxOutput, maxOutput)
  const { system, messages } = conversationOf(body.messages, abilities)
  if (messages.length === 0) throw new UpstreamError('unfit', 'nothing but instructions')
  return {
    model,
    max_tokens,
    ...(system.length > 0 && { system: plain(system) }),
    messages,
    ...toolsOf(body),
    ...thinkingOf(body, abilities, max_tokens),
    ...samplingOf(body, abilities),
    ...(body.stream && { stream: true }),
    ...userOf(body),
    ...(body.service_tier && {
      service_tier: body.service_tier === 'auto' ? 'auto' : 'standard_only',
    }),
  }
}

const plain = (blocks: TextBlock[]): string | TextBlock[] => {
  const [only] = blocks
  return blocks.length === 1 && only && !only.cache_control ? only.text : blocks
}

// Their default for both is 1, so that says nothing.
const samplingOf = (body: ForwardBody, { oneSampler, lacks }: Abilities): object => {
  const { temperature, top_p, top_k, stop } = body
  const given = {
    ...(isSaid(temperature) && !(temperature === 1 && lacks.has('temperature')) && { temperature }),
    ...(isSaid(top_p) && !(top_p === 1 && (lacks.has('top_p') || isSaid(temperature))) && { top_p }),
  }
  if (oneSampler && 'temperature' in given && 'top_p' in given) {
    if (temperature !== 1) throw new UpstreamError('unfit', 'temperature and top_p together')
    delete given.temperature
  }
  const sequences = typeof stop === 'string' ? [stop] : stop
  return {
    ...given,
    ...(isSaid(top_k) && { top_k }),
    ...(sequences?.length && { stop_sequences: sequences }),
  }
}

const userOf = ({ user, safety_identifier }: ForwardBody): object => {
  const user_id = safety_identifier ?? user
  return user_id === undefined ? {} : { metadata: { user_id } }
}

const toolsOf = ({ tools, tool_choice, parallel_tool_calls }: ForwardBody): object => {
  if (!tools?.length) return {}
  const choice = choiceOf(tool_choice)
  const alone =
    parallel_tool_calls !== undefined && choice?.type !== 'none'
      ? { disable_parallel_tool_use: !parallel_tool_calls }
      : {}
  const said = choice ?? (parallel_tool_calls === undefined ? undefined : { type: 'auto' })
  return { tools: tools.map(toolOf), ...(said && { tool_choice: { ...said, ...alone } }) }
}

const toolOf = (tool: NonNullable<ForwardBody['tools']>[number]): object => {
  if (tool.type !== 'function') throw new UpstreamError('unfit', 'a custom tool')
  const { name, description, parameters, strict } = tool.function
  return {
    name,
    ...(description !== undefined && { description }),
    input_schema: { type: 'object', ...parameters },
    ...(typeof strict === 'boolean' && { strict }),
    ...(tool.cache_control && { cache_control: tool.cache_control }),
  }
}

const choiceOf = (choice: ForwardBody['tool_choice']): { type: string; name?: string } | undefined => {
  if (choice === undefined) return undefined
  if (typeof choice === 'string') return { type: choice === 'required' ? 'any' : choice }
  const name = (choice['function'] as { name?: unknown } | undefined)?.name
  if (choice['type'] !== 'function' || typeof name !== 'string')
    throw new UpstreamError('unfit', 'a choice of tools that Messages cannot say')
  return { type: 'tool', name }
}

const isSaid = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null
