/** What can stand in the `input` of a Responses request. An item of an earlier answer comes back as it was given. */
import { z } from 'zod'

const text = z.string()
const id = text.nullish()
const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish()
/** What an SDK notes beside an item that it parsed. */
const noted = z.unknown().optional()

const inputText = z.strictObject({ type: z.literal('input_text'), text })
const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: text.regex(/^(https:\/\/|http:\/\/|data:image\/)/, 'must be an http(s) or data:image URL'),
  file_id: z.null('is not taken: no files are kept here, so send image_url').optional(),
  detail: z.enum(['auto', 'low', 'high']).nullish(),
})
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text,
  annotations: z.array(z.unknown()).nullish(),
  logprobs: z.array(z.unknown()).nullish(),
  parsed: noted,
})
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: text })

const only = (...types: string[]) => ({ error: `its type must be ${types.join(' or ')}` })

const asked = z.union([
  text,
  z.array(z.discriminatedUnion('type', [inputText, inputImage], only('input_text', 'input_image'))).min(1),
])
const told = z.union([text, z.array(z.discriminatedUnion('type', [inputText], only('input_text'))).min(1)])
const answered = z.union([
  text,
  z.array(z.discriminatedUnion('type', [outputText, refusal], only('output_text', 'refusal'))),
])

const common = { type: z.literal('message').optional(), id, status, phase: text.nullish() }
const message = z.discriminatedUnion(
  'role',
  [
    z.strictObject({ ...common, role: z.literal('user'), content: asked }),
    z.strictObject({ ...common, role: z.literal('system'), content: told }),
    z.strictObject({ ...common, role: z.literal('developer'), content: told }),
    z.strictObject({ ...common, role: z.literal('assistant'), content: answered }),
  ],
  { error: 'its role must be user, assistant, system or developer' },
)

const functionCall = z.strictObject({
  type: z.literal('function_call'),
  id,
  call_id: text.min(1),
  name: text.min(1),
  arguments: text,
  status,
  parsed_arguments: noted,
})
const customToolCall = z.strictObject({
  type: z.literal('custom_tool_call'),
  id,
  call_id: text.min(1),
  name: text.min(1),
  input: text,
  status,
})
const output = {
  id,
  call_id: text.min(1),
  // Where a host takes no images from tools, another is asked.
  output: asked,
  status,
}
const functionCallOutput = z.strictObject({ type: z.literal('function_call_output'), ...output })
const customToolCallOutput = z.strictObject({ type: z.literal('custom_tool_call_output'), ...output })

const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id,
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text })),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text })).nullish(),
  encrypted_content: text.nullish(),
  status,
})

const KEPT_NOWHERE =
  'no answer is kept here, so an item cannot be referred to: send the item itself (in the AI SDK: providerOptions.openai.store = false)'

export const itemSchema = z.discriminatedUnion(
  'type',
  [message, functionCall, functionCallOutput, customToolCall, customToolCallOutput, reasoning],
  {
    error: ({ input }) =>
      (input as { type?: unknown } | null)?.type === 'item_reference'
        ? KEPT_NOWHERE
        : 'must be a message, function_call, function_call_output, custom_tool_call, custom_tool_call_output or reasoning',
  },
)
export type InputItem = z.infer<typeof itemSchema>
export type ReasoningItem = z.infer<typeof reasoning>

/** Where an output answers no call that stands before it; undefined when every one does. */
export const strayOutput = (items: readonly InputItem[]): number | undefined => {
  const called = new Set<string>()
  for (const [i, item] of items.entries()) {
    if (item.type === 'function_call' || item.type === 'custom_tool_call') called.add(item.call_id)
    const output = item.type === 'function_call_output' || item.type === 'custom_tool_call_output'
    if (output && !called.has(item.call_id)) return i
  }
  return undefined
}
