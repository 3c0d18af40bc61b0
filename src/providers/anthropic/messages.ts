/** Messages of a chat as Anthropic's turns: instructions apart, one turn after another, results of tools in the user's. */
import type { Block, CacheControl, ImageBlock, TextBlock, ToolResultBlock } from '../../wire/anthropic.ts'
import { arranged, type Placed } from '../../wire/messages/arrange.ts'
import { blockOf, type Detail, detailsIn } from '../../wire/messages/thinking.ts'
import type { ChatMessage } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'
import type { Abilities } from './models.ts'

export type Turn = { role: 'user' | 'assistant' | 'system'; content: string | Block[] }

/** The conversation; messages of one side that follow each other become one turn. Throws `unfit`. */
export const conversationOf = (
  all: readonly ChatMessage[],
  abilities: Abilities,
): { system: TextBlock[]; messages: Turn[] } => {
  const system: TextBlock[] = []
  const turns: { role: Turn['role']; content: Block[] }[] = []
  for (const message of all) {
    const { role, blocks } = turnOf(message, abilities)
    if (blocks.length === 0) continue
    const last = turns.at(-1)
    if (role === 'system' && !last) system.push(...(blocks as TextBlock[]))
    else if (last?.role === role) last.content.push(...blocks)
    else if (role === 'user' && last?.role === 'system') beforeLast(turns, blocks)
    else turns.push({ role, content: blocks })
  }
  if (turns.some(({ role }) => role === 'system') && abilities.lacks.has('late_system'))
    throw new UpstreamError('unfit', 'instructions inside the conversation')
  if (turns.some(({ role }, i) => role === 'system' && turns[i - 1]!.role !== 'user'))
    throw new UpstreamError('unfit', 'instructions where they cannot stand')
  return { system, messages: turns.map(({ role, content }) => ({ role, content: plain(content) })) }
}

// Instructions follow what the user said: both come before the next answer, so their order among them says nothing.
const beforeLast = (turns: { role: Turn['role']; content: Block[] }[], blocks: Block[]): void => {
  const before = turns.at(-2)
  if (before?.role === 'user') before.content.push(...blocks)
  else turns.splice(-1, 0, { role: 'user', content: blocks })
}

const plain = (blocks: Block[]): string | Block[] => {
  const [only] = blocks
  return blocks.length === 1 && only?.type === 'text' && !only.cache_control ? only.text : blocks
}

const turnOf = (message: ChatMessage, abilities: Abilities): { role: Turn['role']; blocks: Block[] } => {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', blocks: marked(partsOf(message.content), message) }
    case 'user':
      return { role: 'user', blocks: marked(partsOf(message.content), message) }
    case 'assistant':
      return { role: 'assistant', blocks: marked(assistantBlocks(message, abilities), message) }
    case 'tool':
      return { role: 'user', blocks: [resultOf(message)] }
    default:
      throw new UpstreamError('unfit', 'a function of the old kind')
  }
}

/** A mark on a message is one on its last block. */
const marked = <B extends Block>(blocks: B[], message: ChatMessage): B[] => {
  const cache_control = markOf(message)
  const last = blocks.at(-1)
  if (cache_control && last && last.type !== 'thinking' && last.type !== 'redacted_thinking')
    Object.assign(last, { cache_control })
  return blocks
}

const markOf = (message: object): CacheControl | undefined => {
  const { cache_control } = message as { cache_control?: CacheControl | null }
  return cache_control ?? undefined
}

type Content = Extract<ChatMessage, { role: 'user' | 'assistant' }>['content']

// Anthropic takes no empty text.
const partsOf = (content: Content): (TextBlock | ImageBlock)[] => {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return (content ?? []).flatMap((part): (TextBlock | ImageBlock)[] => {
    if (part.type === 'image_url') return [imageOf(part.image_url.url, part.cache_control)]
    const text = part.type === 'text' ? part.text : part.refusal
    const mark = 'cache_control' in part && part.cache_control ? { cache_control: part.cache_control } : {}
    return text === '' ? [] : [{ type: 'text', text, ...mark }]
  })
}

const IMAGE = /^data:(image\/(?:jpeg|png|gif|webp));base64,/

const imageOf = (url: string, cache_control: CacheControl | null | undefined): ImageBlock => {
  const mark = cache_control ? { cache_control } : {}
  if (!url.startsWith('data:')) return { type: 'image', source: { type: 'url', url }, ...mark }
  const [head, media_type] = url.slice(0, 64).match(IMAGE) ?? []
  if (head === undefined) throw new UpstreamError('unfit', 'an image of another kind')
  const source = {
    type: 'base64' as const,
    media_type: media_type as 'image/png',
    data: url.slice(head.length),
  }
  return { type: 'image', source, ...mark }
}

const resultOf = (message: Extract<ChatMessage, { role: 'tool' }>): ToolResultBlock => {
  const { content, is_error } = message
  const cache_control = markOf(message)
  return {
    type: 'tool_result',
    tool_use_id: idOf(message.tool_call_id),
    content: typeof content === 'string' ? content : partsOf(content),
    ...(typeof is_error === 'boolean' && { is_error }),
    ...(cache_control && { cache_control }),
  }
}

type Assistant = Extract<ChatMessage, { role: 'assistant' }>

const assistantBlocks = (message: Assistant, { format }: Abilities): Block[] => {
  const placed: Placed<Block | undefined>[] = detailsIn(message['reasoning_details']).map((detail, at) => ({
    block: thoughtOf(detail, format),
    index: detail.index ?? at,
    offset: detail.offset,
  }))
  const rest: Block[] = []
  for (const call of message.tool_calls ?? []) {
    const index = call['index']
    if (typeof index === 'number') placed.push({ block: callOf(call), index })
    else rest.push(callOf(call))
  }
  const content = message.content || refusalOf(message)
  const said = typeof content === 'string' ? content : partsOf(content)
  return arranged<Block | undefined>(said, placed, rest, (text) => ({ type: 'text', text })).filter(
    (block) => block !== undefined,
  )
}

/** What it once refused to say, where an answer of OpenAI's has it, is text like any other. */
const refusalOf = ({ refusal }: Assistant): string => (typeof refusal === 'string' ? refusal : '')

/** Nobody takes back what another thought: its signature would be refused. */
const thoughtOf = (detail: Detail, format: string): Block | undefined => {
  if (detail.format !== format) return undefined
  if (detail.type === 'reasoning.encrypted') return { type: 'redacted_thinking', data: detail.data ?? '' }
  return { ...blockOf(detail), signature: detail.signature ?? '' } as Block
}

const callOf = (call: NonNullable<Assistant['tool_calls']>[number]): Block => {
  if (call.type !== 'function') throw new UpstreamError('unfit', 'a call of a custom tool')
  const cache_control = markOf(call)
  return {
    type: 'tool_use',
    id: idOf(call.id),
    name: call.function.name,
    input: inputOf(call.function.arguments),
    ...(cache_control && { cache_control }),
  }
}

const inputOf = (written: string): unknown => {
  if (written.trim() === '') return {}
  try {
    const input: unknown = JSON.parse(written)
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input
  } catch {}
  throw new UpstreamError('unfit', 'arguments that are no object')
}

/** Ids of other hosts may hold what Anthropic's may not. */
const idOf = (id: string): string => id.replace(/[^a-zA-Z0-9_-]/g, '_')
