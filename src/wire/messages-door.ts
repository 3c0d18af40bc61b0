import type { MessagesRequest } from './anthropic.ts'
import type { Door } from './door.ts'
import { messageOf } from './messages/answer.ts'
import { chatOf } from './messages/request.ts'
import { messagesStream } from './messages/stream.ts'
import { type ChatOrder, chatOrder } from './order.ts'

export const MESSAGES_PATH = '/v1/messages'

/** Anthropic's messages: our answers and chunks as its messages and events. */
export const messagesDoor: Door = {
  name: 'messages',
  path: MESSAGES_PATH,
  answer: (_text, body, about) => JSON.stringify(messageOf(body, about)),
  stream: messagesStream,
}

/** The order that an Anthropic request makes. */
export const messagesOrder = (request: MessagesRequest): ChatOrder => chatOrder(chatOf(request), messagesDoor)
