/** Messages of a chat as Anthropic's turns: instructions apart, one turn after another, results of tools in the user's. */
import type { Block, CacheControl, ImageBlock, TextBlock, ToolResultBlock } from '../../wire/anthropic.ts'
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
    const last = turns.at(-1)
    if (role === 'system' && !last) system.push(...(blocks as TextBlock[]))
    else if (last?.role === role) last.content.push(...blocks)
    else if (blocks.length > 0) turns.push({ role, content: blocks })
  }
  if (abilities.lacks.has('late_system') && turns.some(({ role }) => role === 'system'))
    throw new UpstreamError('unfit', 'instructions inside the conversation')
  return { system, messages: turns.map(({ role, content }) => ({ role, content: plain(content) })) }
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

// Each thought back at its place; text and then calls fill the rest, unless a call says where it stood.
const assistantBlocks = (message: Assistant, { format }: Abilities): Block[] => {
  const calls = (message.tool_calls ?? []).map((call): { block: Block; index: unknown } => ({
    block: callOf(call),
    index: call['index'],
  }))
  const details = detailsIn(message['reasoning_details'])
  const placed = [
    ...details.map((detail) => ({ block: thoughtOf(detail, format), index: detail.index ?? 0 })),
    ...calls.flatMap(({ block, index }) => (typeof index === 'number' ? [{ block, index }] : [])),
  ].toSorted((a, b) => a.index - b.index)
  const rest: Block[] = [
    ...partsOf(message.content),
    ...calls.flatMap(({ block, index }) => (typeof index === 'number' ? [] : [block])),
  ]
  const blocks: (Block | undefined)[] = []
  for (const { block, index } of placed) {
    while (rest.length > 0 && blocks.length < index) blocks.push(rest.shift())
    blocks.push(block)
  }
  return [...blocks, ...rest].filter((block) => block !== undefined)
}

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
