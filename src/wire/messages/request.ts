/** An Anthropic request in our own form. Nothing is lost; what is said in two ways there is said in one here. */
import type {
  CacheControl,
  CountTokensRequest,
  ImageBlock,
  MessagesRequest,
  TextBlock,
} from '../anthropic.ts'
import type { ChatMessage, ChatRequest } from '../openai.ts'
import { STEERING } from '../steering.ts'
import { detailOf } from './thinking.ts'

/** The request that any host can be asked; for counting there is no cap on output. */
export const chatOf = (request: MessagesRequest | CountTokensRequest): ChatRequest => {
  const messages: ChatMessage[] = []
  if (request.system !== undefined && request.system.length > 0)
    messages.push({ role: 'system', content: systemContent(request.system) })
  const { cache_control } = request
  const given = cache_control ? marked(request.messages, cache_control) : request.messages
  for (const one of given) messages.push(...messagesOf(one))
  const chat: ChatRequest = { model: request.model, messages, ...said(request) }
  for (const field of STEERING)
    if (request[field] !== undefined) Object.assign(chat, { [field]: request[field] })
  return chat
}

const said = (request: MessagesRequest | CountTokensRequest): Partial<ChatRequest> => ({
  ...('max_tokens' in request && sampling(request)),
  ...(request.tools && { tools: request.tools.map(toolOf) }),
  ...(request.tool_choice && choiceOf(request.tool_choice)),
  ...reasoningOf(request),
  ...(request.output_config?.format && {
    response_format: {
      type: 'json_schema' as const,
      json_schema: { name: 'answer', schema: request.output_config.format.schema, strict: true },
    },
  }),
})

const sampling = (request: MessagesRequest): Partial<ChatRequest> => ({
  max_tokens: request.max_tokens,
  ...(request.stream !== undefined && { stream: request.stream }),
  ...(request.stop_sequences?.length && { stop: request.stop_sequences }),
  ...(request.temperature !== undefined && { temperature: request.temperature }),
  ...(request.top_p !== undefined && { top_p: request.top_p }),
  ...(request.top_k !== undefined && { top_k: request.top_k }),
  ...(request.metadata?.user_id && { user: request.metadata.user_id }),
  ...(request.service_tier && {
    service_tier: request.service_tier === 'auto' ? ('auto' as const) : ('default' as const),
  }),
})

type Tool = NonNullable<MessagesRequest['tools']>[number]
type ChatTool = NonNullable<ChatRequest['tools']>[number]

const toolOf = ({ name, description, input_schema, strict, cache_control }: Tool): ChatTool => ({
  type: 'function',
  function: {
    name,
    ...(description !== undefined && { description }),
    parameters: input_schema,
    ...(strict !== undefined && { strict }),
  },
  ...(cache_control && { cache_control }),
})

const choiceOf = (choice: NonNullable<MessagesRequest['tool_choice']>): Partial<ChatRequest> => {
  const tool_choice =
    choice.type === 'any'
      ? 'required'
      : choice.type === 'tool'
        ? { type: 'function', function: { name: choice.name } }
        : choice.type
  const alone = 'disable_parallel_tool_use' in choice ? choice.disable_parallel_tool_use : undefined
  return { tool_choice, ...(alone !== undefined && { parallel_tool_calls: !alone }) }
}

// Effort beside thinking that is not adaptive is about the answer as a whole: our word for that is verbosity.
const reasoningOf = ({
  thinking,
  output_config,
}: MessagesRequest | CountTokensRequest): Partial<ChatRequest> => {
  const effort = output_config?.effort ?? undefined
  const exclude =
    thinking && 'display' in thinking && thinking.display ? { exclude: thinking.display === 'omitted' } : {}
  if (thinking?.type === 'adaptive')
    return { reasoning: { enabled: true, ...(effort && { effort }), ...exclude } }
  const verbosity = effort ? { verbosity: effort } : {}
  if (thinking?.type === 'enabled')
    return { reasoning: { max_tokens: thinking.budget_tokens, ...exclude }, ...verbosity }
  return { ...(thinking && { reasoning: { effort: 'none' as const } }), ...verbosity }
}

type Message = MessagesRequest['messages'][number]
type User = Extract<Message, { role: 'user' }>
type Assistant = Extract<Message, { role: 'assistant' }>

const messagesOf = (message: Message): ChatMessage[] => {
  if (message.role === 'user') return userMessages(message)
  if (message.role === 'assistant') return [assistantMessage(message)]
  return message.content.length > 0 ? [{ role: 'system', content: systemContent(message.content) }] : []
}

// Results of tools are messages of their own here; what stands between them keeps its place.
const userMessages = ({ content }: User): ChatMessage[] => {
  if (typeof content === 'string') return [{ role: 'user', content }]
  const messages: ChatMessage[] = []
  let parts: Part[] = []
  const flush = () => {
    if (parts.length > 0) messages.push({ role: 'user', content: plain(parts) })
    parts = []
  }
  for (const block of content) {
    if (block.type !== 'tool_result') {
      parts.push(partOf(block))
      continue
    }
    flush()
    const given = typeof block.content === 'string' ? block.content : (block.content ?? []).map(partOf)
    messages.push({
      role: 'tool',
      tool_call_id: block.tool_use_id,
      content: typeof given === 'string' ? given : given.length > 0 ? plain(given) : '',
      ...(block.is_error !== undefined && { is_error: block.is_error }),
      ...(block.cache_control && { cache_control: block.cache_control }),
    })
  }
  flush()
  return messages
}

const assistantMessage = ({ content }: Assistant): ChatMessage => {
  if (typeof content === 'string') return { role: 'assistant', content }
  const isUnsigned = (one: (typeof content)[number]) => one.type === 'thinking' && one.signature === ''
  const unsigned = content.filter(isUnsigned)
  // Places are counted among what stays: hosts take no empty text, and thoughts that nobody signed are told apart.
  const kept = content.filter((one) => !isUnsigned(one) && !(one.type === 'text' && one.text === ''))
  const texts = kept.filter((one) => one.type === 'text')
  const calls = kept.flatMap((one, index) => (one.type === 'tool_use' ? [{ ...one, index }] : []))
  const lastText = kept.findLastIndex((one) => one.type === 'text')
  // Text after a call is rare: only then must the calls say where they stood.
  const placed = calls.some(({ index }) => index < lastText)
  const details = kept.flatMap((one, index) =>
    one.type === 'thinking' || one.type === 'redacted_thinking' ? [detailOf(one, index)] : [],
  )
  return {
    role: 'assistant',
    content: texts.length > 0 ? plain(texts.map(textPart)) : null,
    ...(unsigned.length > 0 && {
      reasoning_content: unsigned.map((one) => (one.type === 'thinking' ? one.thinking : '')).join(''),
    }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, input, cache_control, index }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: JSON.stringify(input) },
        ...(cache_control && { cache_control }),
        ...(placed && { index }),
      })),
    }),
  }
}

type TextPart = { type: 'text'; text: string; cache_control?: CacheControl | null | undefined }
type Part =
  | TextPart
  | { type: 'image_url'; image_url: { url: string }; cache_control?: CacheControl | null | undefined }

const textPart = ({ text, cache_control }: TextBlock): TextPart => ({
  type: 'text',
  text,
  ...(cache_control && { cache_control }),
})

const partOf = (block: TextBlock | ImageBlock): Part => {
  if (block.type === 'text') return textPart(block)
  const { source, cache_control } = block
  const url = source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`
  return { type: 'image_url', image_url: { url }, ...(cache_control && { cache_control }) }
}

/** One text without a mark is a string: the form that every host knows. */
const plain = <P extends Part>(parts: P[]): string | P[] => {
  const [only] = parts
  return parts.length === 1 && only?.type === 'text' && !only.cache_control ? only.text : parts
}

const systemContent = (content: string | TextBlock[]): string | TextPart[] =>
  typeof content === 'string' ? content : plain(content.map(textPart))

/** The last block that can be cached is marked: a thought cannot, nor can nothing. */
const marked = (messages: Message[], cache_control: CacheControl): Message[] => {
  const at = messages.findLastIndex((one) => blocksOf(one).some(isCacheable))
  if (at === -1) return messages
  const message = messages[at]!
  const last = blocksOf(message).findLastIndex(isCacheable)
  const content = blocksOf(message).map((block, i) =>
    i === last && !('cache_control' in block && block.cache_control) ? { ...block, cache_control } : block,
  )
  return messages.with(at, { ...message, content } as Message)
}

type Content = Exclude<Message['content'], string>[number]

const blocksOf = ({ content }: Message): Content[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content

const isCacheable = (block: Content): boolean =>
  block.type !== 'thinking' &&
  block.type !== 'redacted_thinking' &&
  !(block.type === 'text' && block.text === '')
