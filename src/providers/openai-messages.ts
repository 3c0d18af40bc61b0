import { hash } from 'node:crypto'
import type { ChatMessage } from '../wire/openai.ts'
import type { Quirks } from './quirks.ts'

type Loose = Record<string, unknown>

/** The messages as a host takes them: its roles, its place for earlier reasoning, its ids, nothing that it would refuse. */
export const messagesFor = (messages: readonly ChatMessage[], quirks: Quirks): unknown[] => {
  const last = messages.length - 1
  return messages.map((message, i) =>
    message.role === 'assistant' ? assistantFor(message, quirks, i === last) : otherFor(message, quirks),
  )
}

const otherFor = (message: Exclude<ChatMessage, { role: 'assistant' }>, quirks: Quirks): unknown => {
  const role = message.role === 'developer' && quirks.noDeveloper ? 'system' : message.role
  const content = contentFor(message.content, quirks)
  const id = quirks.shortCallIds && message.role === 'tool' ? shortId(message.tool_call_id) : undefined
  if (role === message.role && content === message.content && id === undefined) return message
  return { ...message, role, content, ...(id !== undefined && { tool_call_id: id }) }
}

const assistantFor = (message: Loose, quirks: Quirks, last: boolean): unknown => {
  const { earlier } = quirks
  const content = contentFor(saidBy(message, earlier), quirks)
  const isPrefill = last && Boolean(content) && !message['tool_calls']
  const continued = quirks.prefill && isPrefill ? { [quirks.prefill]: true } : {}
  if (earlier === undefined) return { ...message, content, ...continued }
  const { role, name, tool_calls, function_call } = message
  const said = message['reasoning_content'] ?? message['reasoning']
  const reasoning = typeof said === 'string' && said !== '' ? said : undefined
  return {
    role,
    content: earlier === 'part' && reasoning !== undefined ? withThinking(reasoning, content) : content,
    ...(name !== undefined && { name }),
    ...(Array.isArray(tool_calls) && { tool_calls: tool_calls.map((call: Loose) => callFor(call, quirks)) }),
    ...(function_call !== undefined && { function_call }),
    ...((earlier === 'reasoning' || earlier === 'reasoning_content') &&
      (reasoning !== undefined || quirks.earlierAlways) && { [earlier]: reasoning ?? '' }),
    ...continued,
  }
}

/** What it once refused to say is text to another host. */
const saidBy = ({ content, refusal }: Loose, earlier: Quirks['earlier']): unknown =>
  earlier !== undefined && !content && typeof refusal === 'string' ? refusal : content

/** Only what OpenAI's own calls have: others' signatures are nothing to this host. */
const callFor = ({ id, type, function: called, custom }: Loose, { shortCallIds }: Quirks): Loose => ({
  id: shortCallIds ? shortId(String(id)) : id,
  type,
  ...(called !== undefined && { function: plainCall(called as Loose) }),
  ...(custom !== undefined && { custom }),
})

const plainCall = ({ name, arguments: given }: Loose): Loose => ({ name, arguments: given })

const withThinking = (reasoning: string, content: unknown): unknown[] => [
  { type: 'thinking', thinking: [{ type: 'text', text: reasoning }] },
  ...(typeof content === 'string' && content !== '' ? [{ type: 'text', text: content }] : []),
  ...(Array.isArray(content) ? content : []),
]

const contentFor = (content: unknown, { drops, flat, earlier }: Quirks): unknown => {
  if (!Array.isArray(content)) return content
  if (flat && content.every((part: Loose) => part['type'] === 'text'))
    return content.map((part: Loose) => part['text']).join('\n')
  const bare = drops?.includes('cache_control')
  // What it once refused to say is text to another host.
  const refused = earlier !== undefined && content.some((part: Loose) => part['type'] === 'refusal')
  if (!refused && !(bare && content.some((part: Loose) => 'cache_control' in part))) return content
  return content.map((part: Loose) => {
    const { cache_control, ...rest } = part
    const kept = bare ? rest : part
    return kept['type'] === 'refusal' && refused ? { type: 'text', text: kept['refusal'] } : kept
  })
}

/** The same short id for the same id, every time. */
const shortId = (id: string): string =>
  /^[a-zA-Z0-9]{9}$/.test(id)
    ? id
    : BigInt(`0x${hash('sha256', id, 'hex')}`)
        .toString(36)
        .slice(0, 9)
