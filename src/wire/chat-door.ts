import type { Door } from './door.ts'
import type { ChatRequest, WireAnswer } from './openai.ts'
import { SSE_DONE, sseEvent } from './sse.ts'

export const CHAT_PATH = '/v1/chat/completions'

/** OpenAI's chat completions: what providers say passes through untouched, but for a usage chunk nobody asked for. */
export const chatDoor = ({ stream_options }: Pick<ChatRequest, 'stream_options'>): Door => ({
  name: 'chat.completions',
  path: CHAT_PATH,
  answer: (text) => text,
  stream: () => ({
    chunk: (part, data) => (stream_options?.include_usage || !isUsageChunk(part) ? sseEvent(data) : ''),
    done: () => sseEvent(SSE_DONE),
    failed: (error) => sseEvent(JSON.stringify(error)),
  }),
})

const isUsageChunk = (part: WireAnswer): boolean => Boolean(part.usage) && !part.choices?.length
