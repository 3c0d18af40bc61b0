/**
 * POST /v1/chat/completions as we take it: every field that we know, forwarded faithfully; any other is refused. It is
 * also what every other door of chat translates into, so it is wider than OpenAI's own by what others say besides:
 * `cache_control`, `reasoning`, `reasoning_details`, `top_k`.
 */
import { z } from 'zod'
import { STEERING, type Steering, steering } from './steering.ts'

const text = z.string()
const jsonSchema = z.record(z.string(), z.unknown())
const number = z.number()
const count = z.int().min(1).max(10_000_000)

/** The prompt up to here is to be cached for five minutes, where a host wants to be told. */
const cacheControl = z
  .strictObject({ type: z.literal('ephemeral'), ttl: z.literal('5m').optional() })
  .nullish()
const textPart = z.strictObject({ type: z.literal('text'), text, cache_control: cacheControl })
const imagePart = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({
    url: text.regex(/^(https:\/\/|http:\/\/|data:image\/)/, 'must be an http(s) or data:image URL'),
    detail: z.enum(['auto', 'low', 'high']).optional(),
  }),
  cache_control: cacheControl,
})
const refusalPart = z.strictObject({ type: z.literal('refusal'), refusal: text })
const userContent = z.union([text, z.array(z.discriminatedUnion('type', [textPart, imagePart])).min(1)])
const textContent = z.union([text, z.array(textPart).min(1)])
const assistantContent = z.union([
  text,
  z.null(),
  z.array(z.discriminatedUnion('type', [textPart, refusalPart])),
])

const toolCall = z.union([
  z.looseObject({
    id: text,
    type: z.literal('function'),
    function: z.looseObject({ name: text, arguments: text }),
    cache_control: cacheControl,
  }),
  z.looseObject({
    id: text,
    type: z.literal('custom'),
    custom: z.looseObject({ name: text, input: text }),
    cache_control: cacheControl,
  }),
])

// Loose: what an answer's message carries (annotations, reasoning_content …) comes back in the next request, is
// forwarded as it came and is counted as input. A mark is as strict there as elsewhere: one that holds for an hour costs
// more than is quoted.
const marked = { cache_control: cacheControl }
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content: textContent, ...marked }),
  z.looseObject({ role: z.literal('developer'), content: textContent, ...marked }),
  z.looseObject({ role: z.literal('user'), content: userContent, ...marked }),
  z.looseObject({
    role: z.literal('assistant'),
    content: assistantContent.optional(),
    tool_calls: z.array(toolCall).nullish(),
    ...marked,
  }),
  z.looseObject({ role: z.literal('tool'), content: userContent, tool_call_id: text, ...marked }),
  z.looseObject({ role: z.literal('function'), content: z.union([text, z.null()]), name: text, ...marked }),
])

const tool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      name: text.min(1).max(128),
      description: text.optional(),
      parameters: jsonSchema.optional(),
      strict: z.boolean().nullish(),
    }),
    cache_control: cacheControl,
  }),
  z.strictObject({
    type: z.literal('custom'),
    custom: z.strictObject({ name: text, description: text.optional(), format: z.unknown().optional() }),
  }),
])

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: text,
      description: text.optional(),
      schema: jsonSchema.optional(),
      strict: z.boolean().nullish(),
    }),
  }),
])

const effort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])

const wire = {
  model: text.min(1).max(200),
  messages: z.array(message).min(1).max(10_000),
  max_tokens: count.nullish(),
  max_completion_tokens: count.nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  n: z.int().min(1).max(8).nullish(),
  seed: z.int().nullish(),
  temperature: number.min(0).max(2).nullish(),
  top_p: number.min(0).max(1).nullish(),
  top_k: z.int().min(1).max(1_000).nullish(),
  frequency_penalty: number.min(-2).max(2).nullish(),
  presence_penalty: number.min(-2).max(2).nullish(),
  stop: z.union([text, z.array(text).max(4)]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  logit_bias: z.record(z.string(), number).nullish(),
  tools: z.array(tool).max(128).optional(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), jsonSchema]).optional(),
  parallel_tool_calls: z.boolean().optional(),
  functions: z.array(jsonSchema).max(128).optional(),
  function_call: z.union([text, jsonSchema]).optional(),
  response_format: responseFormat.optional(),
  reasoning_effort: effort.nullish(),
  reasoning: z
    .strictObject({
      enabled: z.boolean().optional(),
      effort: effort.optional(),
      max_tokens: count.optional(),
      exclude: z.boolean().optional(),
    })
    .nullish(),
  verbosity: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  modalities: z.array(z.literal('text')).nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
  store: z.boolean().nullish(),
  metadata: z.record(z.string(), text).nullish(),
  user: text.max(512).optional(),
  safety_identifier: text.max(512).optional(),
  prompt_cache_key: text.max(512).optional(),
}

export const chatRequestSchema = z
  .strictObject({ ...wire, ...steering })
  .meta({ id: 'ChatCompletionRequest' })
export type ChatRequest = z.infer<typeof chatRequestSchema>
export type ChatMessage = ChatRequest['messages'][number]

/** What is sent to a provider: the request without our steering. */
export type ForwardBody = Omit<ChatRequest, keyof Steering>

/** The request as a provider may see it, fields in schema order. */
export const forwardBody = <R extends Steering>(request: R): Omit<R, keyof Steering> => {
  const body = { ...request }
  for (const field of STEERING) delete body[field]
  return body
}

/** What providers report as used; every field is doubted by the meter. */
export type WireUsage = {
  prompt_tokens?: unknown
  completion_tokens?: unknown
  /** `cache_write_tokens`: written to the prompt cache, OpenRouter's word for what Anthropic reports. */
  prompt_tokens_details?: { cached_tokens?: unknown; cache_write_tokens?: unknown } | null
  completion_tokens_details?: { reasoning_tokens?: unknown } | null
}

/** The parts of an answer or of a streamed chunk that we look at; all else passes through untouched. */
export type WireAnswer = {
  id?: unknown
  created?: unknown
  model?: unknown
  choices?: {
    index?: unknown
    message?: WireDelta | null
    delta?: WireDelta | null
    finish_reason?: string | null
  }[]
  /** Vectors, where those were asked for. */
  data?: unknown
  usage?: WireUsage | null
  error?: unknown
}

/** `reasoning_details` is OpenRouter's list: text with its signature, summaries, encrypted parts, as they must come back. */
export type WireDelta = {
  role?: unknown
  content?: unknown
  refusal?: unknown
  reasoning?: unknown
  reasoning_content?: unknown
  reasoning_details?: unknown
  tool_calls?: unknown
  function_call?: unknown
}
