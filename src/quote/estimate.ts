import type { Model } from '../catalog/catalog.ts'
import { type EmbeddingsRequest, embeddedInput } from '../wire/embeddings.ts'
import type { ChatMessage, ChatRequest } from '../wire/openai.ts'
import type { Order } from '../wire/order.ts'
import { estimateTokens, utf8Bytes } from './tokens.ts'

/** What can be counted of a request without knowing the model. `bytes` bounds the text's tokens from above: no token is shorter than a byte. */
export type Measured = {
  tokens: number
  bytes: number
  framing: number
  lowImages: number
  highImages: number
  /** Parts are marked to be written to a prompt cache. */
  marked: boolean
  /** Tokens of the longest text to embed: each is read by itself. */
  longest?: number
}

/** Input tokens of a request: what we expect, and what we are ready to bill for at most. */
export type InputTokens = { expected: number; ceiling: number }

const PER_MESSAGE = 4
const PER_REQUEST = 3
/** The estimate is within about ±20 %; the ceiling leaves that much room and a little for framing. */
const ROOM = 1.25

/** Measures a request in one pass over its text. */
export const measure = (order: Order): Measured =>
  order.kind === 'chat' ? measureChat(order.request) : measureTexts(order.request)

const nothing = (): Measured => ({
  tokens: 0,
  bytes: 0,
  framing: PER_REQUEST,
  lowImages: 0,
  highImages: 0,
  marked: false,
})

const measureTexts = (request: EmbeddingsRequest): Measured => {
  const sum = nothing()
  const { texts, tokens, longest } = embeddedInput(request)
  sum.longest = longest
  for (const text of texts) {
    const before = sum.tokens
    addText(sum, text)
    sum.longest = Math.max(sum.longest, sum.tokens - before)
  }
  sum.framing += tokens + texts.length
  return sum
}

const measureChat = (request: ChatRequest): Measured => {
  const sum = nothing()
  for (const message of request.messages) addMessage(sum, message)
  const { tools, functions, response_format } = request
  if (tools) {
    addText(sum, JSON.stringify(tools))
    sum.marked ||= tools.some((one) => 'cache_control' in one && Boolean(one.cache_control))
  }
  if (functions) addText(sum, JSON.stringify(functions))
  if (response_format?.type === 'json_schema') addText(sum, JSON.stringify(response_format))
  return sum
}

/** Input tokens for one model; `factor` is how many real tokens of this model one estimated token has been lately. */
export const inputTokens = (
  measured: Measured,
  model: Pick<Model, 'imageTokens'>,
  factor: number,
): InputTokens => {
  const text = Math.min(measured.bytes, Math.ceil(measured.tokens * factor))
  const images = measured.lowImages * model.imageTokens.low + measured.highImages * model.imageTokens.high
  const rest = measured.framing + images
  return {
    expected: text + rest,
    ceiling: Math.min(measured.bytes, Math.ceil(text * ROOM) + 8) + measured.framing + rest,
  }
}

const addMessage = (sum: Measured, message: ChatMessage): void => {
  sum.framing += PER_MESSAGE
  const { role: _role, content, ...rest } = message
  if (rest.cache_control) sum.marked = true
  if (message.role === 'assistant' && message.tool_calls?.some((one) => one.cache_control)) sum.marked = true
  if (typeof content === 'string') addText(sum, content)
  else if (content) for (const part of content) addPart(sum, part)
  for (const key in rest) {
    const value = (rest as Record<string, unknown>)[key]
    if (value !== null && value !== undefined)
      addText(sum, typeof value === 'string' ? value : JSON.stringify(value))
  }
}

type Part = Exclude<NonNullable<ChatMessage['content']>, string>[number]

const addPart = (sum: Measured, part: Part): void => {
  if ('cache_control' in part && part.cache_control) sum.marked = true
  if (part.type === 'text') addText(sum, part.text)
  else if (part.type === 'refusal') addText(sum, part.refusal)
  else if (part.image_url.detail === 'low') sum.lowImages++
  else sum.highImages++
}

const addText = (sum: Measured, text: string): void => {
  sum.tokens += estimateTokens(text)
  sum.bytes += utf8Bytes(text)
}
