/** The Response object: what was asked, how the answer stands, what it holds. */
import type { About } from '../door.ts'
import type { WireUsage } from '../openai.ts'
import type { ResponsesRequest } from '../responses.ts'
import type { OutputItem } from './output.ts'

export type Ending =
  | { status: 'in_progress' }
  | { status: 'completed' }
  | { status: 'incomplete'; reason: 'max_output_tokens' | 'content_filter' }
  | { status: 'failed'; code: string; message: string }

/** How an answer ended, by what the chat form says of it. */
export const endingOf = (
  finish: string | null | undefined,
): Ending & { status: 'completed' | 'incomplete' } => {
  if (finish === 'length') return { status: 'incomplete', reason: 'max_output_tokens' }
  if (finish === 'content_filter') return { status: 'incomplete', reason: 'content_filter' }
  return { status: 'completed' }
}

/** Gives the Response object of one request and one call at any of its states. */
export const responseOf = (request: ResponsesRequest, { id, model, created }: About) => {
  const echo = {
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: request.metadata ?? {},
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: 'default',
    store: false,
    temperature: request.temperature ?? null,
    text: { format: { type: 'text' }, ...request.text },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_p: request.top_p ?? null,
    truncation: 'disabled',
    user: request.user ?? null,
  }
  return (ending: Ending, output: readonly OutputItem[], usage: WireUsage | undefined) => ({
    id: `resp_${id}`,
    object: 'response',
    created_at: created,
    status: ending.status,
    background: false,
    error: ending.status === 'failed' ? { code: ending.code, message: ending.message } : null,
    incomplete_details: ending.status === 'incomplete' ? { reason: ending.reason } : null,
    model,
    output,
    usage: usageOf(usage),
    ...echo,
  })
}

/** What the provider reported, in this form's words; null where it reported nothing. */
const usageOf = (usage: WireUsage | undefined) => {
  const input = count(usage?.prompt_tokens)
  const output = count(usage?.completion_tokens)
  if (input === undefined || output === undefined) return null
  const written = count(usage?.prompt_tokens_details?.cache_write_tokens)
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: count(usage?.prompt_tokens_details?.cached_tokens) ?? 0,
      ...(written !== undefined && { cache_write_tokens: written }),
    },
    output_tokens: output,
    output_tokens_details: {
      reasoning_tokens: count(usage?.completion_tokens_details?.reasoning_tokens) ?? 0,
    },
    total_tokens: input + output,
  }
}

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
