/** What a request asks of a host beyond plain text. A host that lacks one of them is not asked, so nothing is dropped. */
import type { ChatRequest } from './openai.ts'

export type Feature =
  | 'tools'
  | 'tool_choice'
  /** A tool must be called: any, or a named one. */
  | 'forced_tools'
  | 'parallel_tool_calls'
  | 'strict_tools'
  | 'custom_tools'
  | 'functions'
  | 'vision'
  /** An image by http(s) URL, which the host must fetch. */
  | 'image_url'
  /** An image in what a tool gave back. */
  | 'tool_images'
  /** A system message after the conversation has begun. */
  | 'late_system'
  | 'json_object'
  | 'json_schema'
  /** A reasoning effort, or none of it. */
  | 'reasoning'
  /** Not to reason at all. */
  | 'no_reasoning'
  /** A number of tokens to reason with. */
  | 'reasoning_budget'
  /** The last message is the assistant's, to be continued. */
  | 'prefill'
  | 'several_choices'
  | 'seed'
  /** Other than 1, which is what every host does by itself; the same of `top_p`. */
  | 'temperature'
  /** A temperature above 1. */
  | 'hot'
  | 'top_p'
  | 'top_k'
  | 'stop'
  | 'penalties'
  | 'logprobs'
  | 'logit_bias'
  | 'verbosity'
  | 'metadata'
  | 'store'
  /** Names of message authors. */
  | 'names'

/** What this request needs; each at most once. */
export const featuresOf = (request: ChatRequest): Feature[] => {
  const found: Feature[] = []
  for (const [feature, asks] of ASKS) if (asks(request)) found.push(feature)
  return found
}

type Asks = (request: ChatRequest) => boolean

const given = (value: unknown): boolean => value !== undefined && value !== null

const image = (request: Pick<ChatRequest, 'messages'>, wanted: (url: string) => boolean): boolean =>
  request.messages.some(
    ({ content }) =>
      Array.isArray(content) &&
      content.some((part) => part.type === 'image_url' && wanted(part.image_url.url)),
  )

const ASKS: readonly (readonly [Feature, Asks])[] = [
  ['tools', ({ tools }) => Boolean(tools?.length)],
  [
    'tool_choice',
    ({ tools, tool_choice }) => Boolean(tools?.length) && given(tool_choice) && tool_choice !== 'auto',
  ],
  [
    'forced_tools',
    ({ tools, tool_choice }) =>
      Boolean(tools?.length) && given(tool_choice) && tool_choice !== 'auto' && tool_choice !== 'none',
  ],
  [
    'parallel_tool_calls',
    ({ tools, parallel_tool_calls }) => Boolean(tools?.length) && parallel_tool_calls === false,
  ],
  [
    'strict_tools',
    ({ tools }) => tools?.some((one) => one.type === 'function' && one.function.strict === true) ?? false,
  ],
  ['custom_tools', ({ tools }) => tools?.some((one) => one.type === 'custom') ?? false],
  ['functions', ({ functions }) => Boolean(functions?.length)],
  ['vision', (request) => image(request, () => true)],
  ['image_url', (request) => image(request, (url) => !url.startsWith('data:'))],
  [
    'tool_images',
    ({ messages }) => image({ messages: messages.filter(({ role }) => role === 'tool') }, () => true),
  ],
  [
    'late_system',
    ({ messages }) =>
      messages.findLastIndex(isSystem) > messages.findIndex((one) => !isSystem(one)) &&
      !messages.every(isSystem),
  ],
  ['json_object', ({ response_format }) => response_format?.type === 'json_object'],
  ['json_schema', ({ response_format }) => response_format?.type === 'json_schema'],
  [
    'reasoning',
    ({ reasoning_effort, reasoning }) =>
      given(reasoning_effort) || given(reasoning?.effort) || given(reasoning?.enabled),
  ],
  [
    'no_reasoning',
    ({ reasoning_effort, reasoning }) =>
      (reasoning?.effort ?? reasoning_effort) === 'none' || reasoning?.enabled === false,
  ],
  ['reasoning_budget', ({ reasoning }) => given(reasoning?.max_tokens)],
  ['prefill', ({ messages }) => isPrefill(messages.at(-1))],
  ['several_choices', ({ n }) => (n ?? 1) > 1],
  ['seed', ({ seed }) => given(seed)],
  ['temperature', ({ temperature }) => given(temperature) && temperature !== 1],
  ['hot', ({ temperature }) => (temperature ?? 0) > 1],
  ['top_p', ({ top_p }) => given(top_p) && top_p !== 1],
  ['top_k', ({ top_k }) => given(top_k)],
  ['stop', ({ stop }) => given(stop) && stop?.length !== 0],
  [
    'penalties',
    ({ frequency_penalty, presence_penalty }) => Boolean(frequency_penalty) || Boolean(presence_penalty),
  ],
  ['logprobs', ({ logprobs }) => logprobs === true],
  ['logit_bias', ({ logit_bias }) => given(logit_bias) && Object.keys(logit_bias!).length > 0],
  ['verbosity', ({ verbosity }) => given(verbosity)],
  ['metadata', ({ metadata }) => given(metadata) && Object.keys(metadata!).length > 0],
  ['store', ({ store }) => store === true],
  [
    'names',
    ({ messages }) => messages.some((one) => 'name' in one && one.role !== 'function' && one.role !== 'tool'),
  ],
]

const isSystem = ({ role }: ChatRequest['messages'][number]): boolean =>
  role === 'system' || role === 'developer'

const isPrefill = (last: ChatRequest['messages'][number] | undefined): boolean =>
  last?.role === 'assistant' && !last.tool_calls?.length && Boolean(last.content)
