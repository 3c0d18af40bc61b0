/** POST /v1/chat/completions as we take it: every field that we know, forwarded faithfully; any other is refused. */
import { hash } from 'node:crypto'
import { z } from 'zod'
import type { Hex } from '../assets.ts'
import { parseUsd, type Usd } from '../money.ts'

const text = z.string()
const jsonSchema = z.record(z.string(), z.unknown())
const number = z.number()
const count = z.int().min(1).max(10_000_000)

const textPart = z.strictObject({ type: z.literal('text'), text })
const imagePart = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({
    url: text.regex(/^(https:\/\/|http:\/\/|data:image\/)/, 'must be an http(s) or data:image URL'),
    detail: z.enum(['auto', 'low', 'high']).optional(),
  }),
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
  }),
  z.looseObject({ id: text, type: z.literal('custom'), custom: z.looseObject({ name: text, input: text }) }),
])

// Loose: what an answer's message carries (annotations, reasoning_content …) comes back in the next request, is
// forwarded as it came and is counted as input.
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content: textContent }),
  z.looseObject({ role: z.literal('developer'), content: textContent }),
  z.looseObject({ role: z.literal('user'), content: userContent }),
  z.looseObject({
    role: z.literal('assistant'),
    content: assistantContent.optional(),
    tool_calls: z.array(toolCall).optional(),
  }),
  z.looseObject({ role: z.literal('tool'), content: textContent, tool_call_id: text }),
  z.looseObject({ role: z.literal('function'), content: z.union([text, z.null()]), name: text }),
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

const ids = z.array(text.min(1).max(200)).max(20)
const dollars = z
  .string()
  .refine((value) => parseUsd(value) !== undefined, 'must be dollars as a decimal string, such as "0.05"')
const perMillion = z.union([z.string(), z.number()]).optional()

/** OpenRouter's words for routing, which this field already speaks. */
const providerChoice = z.strictObject({
  order: ids.optional(),
  only: ids.optional(),
  ignore: ids.optional(),
  allow_fallbacks: z.boolean().optional(),
  sort: z.enum(['price']).optional(),
  max_price: z.strictObject({ prompt: perMillion, completion: perMillion }).optional(),
})

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
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  modalities: z.array(z.literal('text')).nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
  store: z.boolean().nullish(),
  metadata: z.record(z.string(), text).nullish(),
  user: text.max(512).optional(),
  safety_identifier: text.max(512).optional(),
  prompt_cache_key: text.max(512).optional(),
}

/** The router's own fields; they steer us and are not forwarded. */
const steering = {
  models: ids.optional(),
  provider: providerChoice.optional(),
  max_price_usd: dollars.optional(),
}

export const chatRequestSchema = z
  .strictObject({ ...wire, ...steering })
  .meta({ id: 'ChatCompletionRequest' })
export type ChatRequest = z.infer<typeof chatRequestSchema>
export type ChatMessage = ChatRequest['messages'][number]

/** What is sent to a provider: the request without our steering. */
export type ForwardBody = Omit<ChatRequest, keyof typeof steering>

/** The request as a provider may see it, fields in schema order; its JSON is the canonical body. */
export const forwardBody = (request: ChatRequest): ForwardBody => {
  const { models: _models, provider: _provider, max_price_usd: _max, ...rest } = request
  return rest
}

/** SHA-256 of the canonical body: the parsed request, serialised again, with the door it came through. */
export const digestOf = (request: ChatRequest): Hex =>
  `0x${hash('sha256', `chat.completions\n${JSON.stringify(request)}`, 'hex')}`

/** The most that the caller wants to pay, when it said so. */
export const maxPrice = (request: ChatRequest): Usd | undefined =>
  request.max_price_usd === undefined ? undefined : parseUsd(request.max_price_usd)

/** What providers report as used; every field is doubted by the meter. */
export type WireUsage = {
  prompt_tokens?: unknown
  completion_tokens?: unknown
  prompt_tokens_details?: { cached_tokens?: unknown } | null
  completion_tokens_details?: { reasoning_tokens?: unknown } | null
}

/** The parts of an answer or of a streamed chunk that we look at; all else passes through untouched. */
export type WireAnswer = {
  model?: unknown
  choices?: {
    message?: WireDelta | null
    delta?: WireDelta | null
    finish_reason?: string | null
  }[]
  usage?: WireUsage | null
  error?: unknown
}

export type WireDelta = {
  content?: unknown
  refusal?: unknown
  reasoning?: unknown
  reasoning_content?: unknown
  tool_calls?: unknown
  function_call?: unknown
}
