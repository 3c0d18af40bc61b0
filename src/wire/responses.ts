/** POST /v1/responses as we take it. Nothing is kept here, so whatever leans on a kept answer is refused, with what to do. */
import { z } from 'zod'
import { itemSchema, strayOutput } from './responses/items.ts'
import { steering } from './steering.ts'

const text = z.string()
const schema = z.record(z.string(), z.unknown())

/** A parameter that may be there as long as it asks for nothing. */
const none = (why: string) => z.null(why).optional()

const BUILT_IN =
  'only function and custom tools are taken: tools that a provider runs itself are not sold here'

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: text.min(1).max(128),
  description: text.nullish(),
  parameters: schema.nullish(),
  strict: z.boolean().nullish(),
})
const customTool = z.strictObject({
  type: z.literal('custom'),
  name: text.min(1).max(128),
  description: text.nullish(),
  format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({ type: z.literal('grammar'), syntax: z.enum(['lark', 'regex']), definition: text }),
    ])
    .optional(),
})
const tool = z.discriminatedUnion('type', [functionTool, customTool], { error: BUILT_IN })
export type ResponsesTool = z.infer<typeof tool>

const named = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('function'), name: text }),
    z.strictObject({ type: z.literal('custom'), name: text }),
  ],
  { error: BUILT_IN },
)
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  named,
  z.strictObject({
    type: z.literal('allowed_tools'),
    mode: z.enum(['auto', 'required']),
    tools: z.array(named).min(1),
  }),
])

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: text,
    description: text.nullish(),
    schema,
    strict: z.boolean().nullish(),
  }),
])

const wire = {
  model: text.min(1).max(200),
  input: z.union([
    text.min(1),
    z
      .array(itemSchema)
      .min(1)
      .max(10_000)
      .superRefine((items, { addIssue }) => {
        const at = strayOutput(items)
        const message = 'there is no call of this call_id before it: send the function_call item as well'
        if (at !== undefined) addIssue({ code: 'custom', path: [at, 'call_id'], message })
      }),
  ]),
  instructions: text.nullish(),
  max_output_tokens: z.int().min(1).max(10_000_000).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.literal(false).optional() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .strictObject({ format: format.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() })
    .nullish(),
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  include: z
    .array(z.literal('reasoning.encrypted_content', 'only reasoning.encrypted_content can be included'))
    .nullish(),
  metadata: z.record(z.string().max(64), text.max(512)).nullish(),
  user: text.max(512).nullish(),
  safety_identifier: text.max(512).nullish(),
  prompt_cache_key: text.max(512).nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
  truncation: z
    .literal('disabled', 'only "disabled" is taken: nothing is left out of a request unasked')
    .nullish(),
  store: z.literal(false, 'must be false: no prompt and no answer is kept here').nullish(),
  background: z.literal(false, 'must be false: an answer is given at once, and not kept').nullish(),
  previous_response_id: none('is not taken: no answer is kept here, so send the whole conversation in input'),
  conversation: none('is not taken: no conversation is kept here, so send all of it in input'),
  prompt: none('is not taken: no prompt is kept here, so send instructions and input'),
  max_tool_calls: none(
    'is not taken: it limits tools that a provider runs itself, and those are not sold here',
  ),
  top_logprobs: none('is not taken here; /v1/chat/completions gives logprobs'),
  prompt_cache_retention: none('is not taken: prompts are cached as each provider does by itself'),
}

export const responsesRequestSchema = z
  .strictObject({ ...wire, ...steering })
  .meta({ id: 'ResponsesRequest' })
export type ResponsesRequest = z.infer<typeof responsesRequestSchema>
