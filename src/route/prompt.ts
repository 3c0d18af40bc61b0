import type { ChatMessage } from '../wire/openai.ts'
import type { Order } from '../wire/order.ts'

/** Characters of the system prompt that go before the question. */
const SYSTEM = 400

/** The text that difficulty is judged by: what the user asked last, with the beginning of the system prompt. Never kept. */
export const promptOf = (order: Order): string => {
  if (order.kind !== 'chat') return ''
  const { messages } = order.request
  const asked = textOf(messages.findLast(({ role }) => role === 'user'))
  const system = textOf(messages.find(({ role }) => role === 'system' || role === 'developer'))
  return system === '' ? asked : `${system.slice(0, SYSTEM)}\n\n${asked}`
}

const textOf = (message: ChatMessage | undefined): string => {
  const content = message?.content
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('\n')
}
