/** A Responses request in OpenAI's chat form, which is the one form inside. */
import type { ChatMessage, ChatRequest } from '../openai.ts'
import type { ResponsesRequest, ResponsesTool } from '../responses.ts'
import { STEERING, type Steering } from '../steering.ts'
import type { InputItem } from './items.ts'
import { detailsOf } from './reasoning.ts'

/** The same request as a chat completion; only what the answer merely repeats (metadata, include) is left behind. */
export const toChat = (request: ResponsesRequest): ChatRequest => {
  const steered = Object.fromEntries(STEERING.map((field) => [field, request[field]]))
  return given({
    model: request.model,
    messages: messagesOf(request),
    max_completion_tokens: request.max_output_tokens,
    stream: request.stream,
    temperature: request.temperature,
    top_p: request.top_p,
    ...toolsOf(request),
    response_format: formatOf(request.text?.format),
    reasoning_effort: request.reasoning?.effort,
    verbosity: request.text?.verbosity,
    service_tier: request.service_tier,
    user: request.user,
    safety_identifier: request.safety_identifier,
    prompt_cache_key: request.prompt_cache_key,
    ...(steered as Steering),
  })
}

type Given<T> = { [K in keyof T as null extends T[K] ? never : undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T]?: NonNullable<T[K]>
}

/** Without the fields that say nothing. */
const given = <T extends object>(fields: T): Given<T> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  ) as Given<T>

const messagesOf = ({ instructions, input }: ResponsesRequest): ChatMessage[] => {
  const messages: ChatMessage[] = []
  if (instructions) messages.push({ role: 'system', content: instructions })
  if (typeof input === 'string') messages.push({ role: 'user', content: input })
  else for (const [i, item] of input.entries()) addItem(messages, item, input[i - 1])
  return messages
}

type Assistant = Extract<ChatMessage, { role: 'assistant' }>

/** What the assistant thought, said and called in a row is one turn, as it was when it came; `before`: the item before it. */
const addItem = (messages: ChatMessage[], item: InputItem, before: InputItem | undefined): void => {
  switch (item.type) {
    case 'reasoning': {
      const details = detailsOf(item)
      if (details.length === 0) return
      const message = turnOf(messages)
      message['reasoning_details'] ??= []
      const gathered = message['reasoning_details'] as unknown[]
      for (const detail of details) gathered.push(detail)
      return
    }
    case 'function_call': {
      const { call_id: id, name, arguments: written } = item
      addCall(messages, { id, type: 'function', function: { name, arguments: written } })
      return
    }
    case 'custom_tool_call': {
      const { call_id: id, name, input } = item
      addCall(messages, { id, type: 'custom', custom: { name, input } })
      return
    }
    case 'function_call_output':
    case 'custom_tool_call_output':
      messages.push({ role: 'tool', tool_call_id: item.call_id, content: contentOf(item.output) })
      return
    default:
      addMessage(messages, item, before)
  }
}

const addMessage = (
  messages: ChatMessage[],
  item: Extract<InputItem, { role: string }>,
  before: InputItem | undefined,
): void => {
  if (item.role === 'user') messages.push({ role: 'user', content: contentOf(item.content) })
  else if (item.role !== 'assistant') messages.push({ role: item.role, content: textsOf(item.content) })
  else {
    // Two that were said one after the other are two, but for calls: their outputs must follow at once.
    const apart = before && 'role' in before && !calls(messages.at(-1))
    const message = turnOf(messages, apart)
    message.content = saidAlso(message.content, item.content)
  }
}

const calls = (message: ChatMessage | undefined): boolean =>
  message?.role === 'assistant' && message.tool_calls !== undefined

const addCall = (messages: ChatMessage[], call: NonNullable<Assistant['tool_calls']>[number]): void => {
  const message = turnOf(messages)
  message.tool_calls ??= []
  message.tool_calls.push(call)
}

/** The assistant's message that is being gathered, or a new one. */
const turnOf = (messages: ChatMessage[], apart = false): Assistant => {
  const last = messages.at(-1)
  if (last?.role === 'assistant' && !apart) return last
  const message: Assistant = { role: 'assistant', content: null }
  messages.push(message)
  return message
}

type Said = Exclude<NonNullable<Assistant['content']>, string>
type Answered = Extract<InputItem, { role: 'assistant' }>['content']

const saidAlso = (before: Assistant['content'], content: Answered): Said | string => {
  const parts: Said =
    typeof content === 'string'
      ? [{ type: 'text', text: content }]
      : content.map((part) =>
          part.type === 'refusal'
            ? { type: 'refusal', refusal: part.refusal }
            : { type: 'text', text: part.text },
        )
  const all: Said = typeof before === 'string' ? [{ type: 'text', text: before }] : (before ?? [])
  for (const part of parts) all.push(part)
  // Not every host knows parts here.
  const [first] = all
  if (!first) return ''
  return all.length === 1 && first.type === 'text' ? first.text : all
}

const textsOf = (content: string | readonly { text: string }[]): string | { type: 'text'; text: string }[] =>
  typeof content === 'string' ? content : content.map(({ text }) => ({ type: 'text', text }))

type UserContent = Extract<ChatMessage, { role: 'user' }>['content']

const contentOf = (content: Extract<InputItem, { role: 'user' }>['content']): UserContent =>
  typeof content === 'string'
    ? content
    : content.map((part) =>
        part.type === 'input_text'
          ? { type: 'text', text: part.text }
          : { type: 'image_url', image_url: given({ url: part.image_url, detail: part.detail }) },
      )

type ChatTool = NonNullable<ChatRequest['tools']>[number]

type Choice = NonNullable<ChatRequest['tool_choice']>
type Tooled = Pick<ChatRequest, 'tools' | 'tool_choice' | 'parallel_tool_calls'>

/** Without any tools to choose from, hosts of chat refuse what says only how to use them. */
const toolsOf = (request: ResponsesRequest): { [K in keyof Tooled]: Tooled[K] | null } => {
  const { tools, choice } = chosen(request)
  if (tools.length > 0)
    return { tools, tool_choice: choice, parallel_tool_calls: request.parallel_tool_calls ?? null }
  return choice === 'auto' || choice === 'none' ? {} : { tool_choice: choice }
}

/** `allowed_tools` is OpenAI's alone: the tools that are not allowed are left out instead, which every host understands. */
const chosen = ({ tools, tool_choice }: ResponsesRequest): { tools: ChatTool[]; choice: Choice | null } => {
  const all = (tools ?? []).map(toolOf)
  if (!tool_choice || typeof tool_choice === 'string') return { tools: all, choice: tool_choice ?? null }
  if (tool_choice.type === 'allowed_tools') {
    const allowed = new Set(tool_choice.tools.map(keyOf))
    return { tools: all.filter((_, i) => allowed.has(keyOf(tools![i]!))), choice: tool_choice.mode }
  }
  const { type, name } = tool_choice
  return { tools: all, choice: { type, [type]: { name } } }
}

const keyOf = ({ type, name }: { type: string; name: string }): string => `${type} ${name}`

const toolOf = (tool: ResponsesTool): ChatTool => {
  const { name, description } = tool
  if (tool.type === 'function') {
    const { parameters, strict } = tool
    return { type: 'function', function: given({ name, description, parameters, strict }) }
  }
  const { format } = tool
  const grammar =
    format?.type === 'grammar' ? { syntax: format.syntax, definition: format.definition } : undefined
  return {
    type: 'custom',
    custom: given({ name, description, format: grammar ? { type: 'grammar', grammar } : format }),
  }
}

const formatOf = (
  format: NonNullable<ResponsesRequest['text']>['format'],
): ChatRequest['response_format'] => {
  if (!format || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json_object' }
  const { name, description, schema, strict } = format
  return { type: 'json_schema', json_schema: given({ name, description, schema, strict }) }
}
