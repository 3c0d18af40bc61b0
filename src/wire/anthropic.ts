/**
 * POST /v1/messages as we take it, Anthropic's way to ask: what can be said in our own form too, and nothing else. What
 * only its own tools or stores could serve (documents, files, its server's tools, one-hour caches) is refused.
 */
import { z } from 'zod'
import { steering } from './steering.ts'

const text = z.string()
const object = z.record(z.string(), z.unknown())
const count = z.int().min(1).max(10_000_000)

const cache = z.strictObject({ type: z.literal('ephemeral'), ttl: z.literal('5m').optional() }).nullish()
/** Answers carry it, and come back as history; nothing of ours has citations. */
const citations = z.union([z.null(), z.array(z.unknown()).max(0)]).optional()

const textBlock = z.strictObject({ type: z.literal('text'), text, cache_control: cache, citations })
const imageBlock = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: text.min(1),
    }),
    z.strictObject({
      type: z.literal('url'),
      url: text.regex(/^https?:\/\//, 'must be an http(s) URL'),
    }),
  ]),
  cache_control: cache,
})
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: text.min(1),
  content: z.union([text, z.array(z.discriminatedUnion('type', [textBlock, imageBlock]))]).optional(),
  is_error: z.boolean().optional(),
  cache_control: cache,
})
const toolUse = z.strictObject({
  type: z.literal('tool_use'),
  id: text.min(1),
  name: text.min(1).max(128),
  input: object,
  cache_control: cache,
  caller: z.strictObject({ type: z.literal('direct') }).nullish(),
  toolset_name: z.null().optional(),
})
const thinking = z.strictObject({ type: z.literal('thinking'), thinking: text, signature: text })
const redacted = z.strictObject({ type: z.literal('redacted_thinking'), data: text })

const userBlocks = z.array(z.discriminatedUnion('type', [textBlock, imageBlock, toolResult])).min(1)
const assistantBlocks = z.array(z.discriminatedUnion('type', [textBlock, thinking, redacted, toolUse]))
const systemText = z.union([text, z.array(textBlock)])

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: z.union([text, userBlocks]) }),
  z.strictObject({ role: z.literal('assistant'), content: z.union([text, assistantBlocks]) }),
  z.strictObject({ role: z.literal('system'), content: systemText }),
])

const tool = z.strictObject({
  type: z.literal('custom').nullish(),
  name: text.min(1).max(128),
  description: text.optional(),
  input_schema: object,
  strict: z.boolean().optional(),
  cache_control: cache,
  /** How finely a call is streamed, which is for the host to say: it changes no answer. */
  eager_input_streaming: z.boolean().nullish(),
})

const alone = { disable_parallel_tool_use: z.boolean().optional() }
const toolChoice = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auto'), ...alone }),
  z.strictObject({ type: z.literal('any'), ...alone }),
  z.strictObject({ type: z.literal('tool'), name: text.min(1), ...alone }),
  z.strictObject({ type: z.literal('none') }),
])

const display = z.enum(['summarized', 'omitted']).nullish()
const thinkingConfig = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('enabled'), budget_tokens: count, display }),
  z.strictObject({ type: z.literal('adaptive'), display }),
  z.strictObject({ type: z.literal('disabled') }),
  /** Its newest word for not thinking first. */
  z.strictObject({ type: z.literal('between_tools') }),
])

const outputConfig = z.strictObject({
  effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  format: z.strictObject({ type: z.literal('json_schema'), schema: object }).nullish(),
})

const counted = {
  model: text.min(1).max(200),
  messages: z.array(message).min(1).max(10_000),
  system: systemText.optional(),
  tools: z.array(tool).max(128).optional(),
  tool_choice: toolChoice.optional(),
  thinking: thinkingConfig.optional(),
  output_config: outputConfig.optional(),
  /** Marks the last block that can be cached. */
  cache_control: cache,
}

export const messagesRequestSchema = z
  .strictObject({
    ...counted,
    max_tokens: count,
    stream: z.boolean().optional(),
    stop_sequences: z.array(text).max(4).optional(),
    temperature: z.number().min(0).max(1).optional(),
    top_p: z.number().min(0).max(1).optional(),
    top_k: z.int().min(1).max(1_000).optional(),
    metadata: z.strictObject({ user_id: text.max(512).nullish() }).optional(),
    service_tier: z.enum(['auto', 'standard_only']).optional(),
    ...steering,
  })
  .meta({ id: 'MessagesRequest' })
export type MessagesRequest = z.infer<typeof messagesRequestSchema>

export const countTokensSchema = z
  .strictObject({ ...counted, ...steering })
  .meta({ id: 'MessagesCountTokensRequest' })
export type CountTokensRequest = z.infer<typeof countTokensSchema>

export type CacheControl = { type: 'ephemeral'; ttl?: '5m' | undefined }
export type TextBlock = { type: 'text'; text: string; cache_control?: CacheControl | null | undefined }
export type ImageBlock = z.infer<typeof imageBlock>
export type ToolUseBlock = {
  type: 'tool_use'
  id: string
  name: string
  input: unknown
  cache_control?: CacheControl | null | undefined
}
export type ThinkingBlock = { type: 'thinking'; thinking: string; signature: string }
export type RedactedBlock = { type: 'redacted_thinking'; data: string }
export type ToolResultBlock = {
  type: 'tool_result'
  tool_use_id: string
  content?: string | (TextBlock | ImageBlock)[] | undefined
  is_error?: boolean | undefined
  cache_control?: CacheControl | null | undefined
}
export type Block = TextBlock | ImageBlock | ToolUseBlock | ThinkingBlock | RedactedBlock | ToolResultBlock

/** What an answer reports as used; input tokens are those that came from no cache and went into none. */
export type AnthropicUsage = {
  input_tokens?: unknown
  output_tokens?: unknown
  cache_read_input_tokens?: unknown
  cache_creation_input_tokens?: unknown
  output_tokens_details?: { thinking_tokens?: unknown } | null
  service_tier?: unknown
}

/** Why an answer ended, in both languages; the first of each word of theirs is how we say it to them. */
export const STOP_REASONS = {
  end_turn: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  model_context_window_exceeded: 'length',
} as const

/** Our word for one of theirs; undefined for one that we do not know. */
export const finishOfStop = (reason: string): string | undefined =>
  Object.hasOwn(STOP_REASONS, reason) ? STOP_REASONS[reason as keyof typeof STOP_REASONS] : undefined
