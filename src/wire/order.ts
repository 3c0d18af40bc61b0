/** What a caller wants, whatever door it came through: the request in one form, and what it is known by. */
import { hash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import { chatDoor } from './chat-door.ts'
import type { Door } from './door.ts'
import { EMBEDDINGS_PATH, type EmbeddingsRequest } from './embeddings.ts'
import type { ChatRequest } from './openai.ts'

export type ChatOrder = { kind: 'chat'; door: Door; request: ChatRequest; stream: boolean; digest: Hex }
export type EmbeddingsOrder = {
  kind: 'embedding'
  door: Door
  request: EmbeddingsRequest
  stream: false
  digest: Hex
}
export type Order = ChatOrder | EmbeddingsOrder

/** An order of chat; `door` is OpenAI's own when none is given. */
export const chatOrder = (request: ChatRequest, door: Door = chatDoor(request)): ChatOrder => ({
  kind: 'chat',
  door,
  request,
  stream: request.stream === true,
  digest: digestOf(door, request),
})

export const embeddingsOrder = (request: EmbeddingsRequest): EmbeddingsOrder => ({
  kind: 'embedding',
  door: embeddingsDoor,
  request,
  stream: false,
  digest: digestOf(embeddingsDoor, request),
})

/** SHA-256 of the canonical body: the parsed request, serialised again, with the door it came through. */
const digestOf = (door: Door, request: object): Hex =>
  `0x${hash('sha256', `${door.name}\n${JSON.stringify(request)}`, 'hex')}`

/** OpenAI's embeddings; vectors pass through untouched and are never streamed. */
const embeddingsDoor: Door = {
  name: 'embeddings',
  path: EMBEDDINGS_PATH,
  answer: (text) => text,
  stream: () => {
    throw new Error('embeddings are not streamed')
  },
}
