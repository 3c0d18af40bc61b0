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
  const content = contentFor(failedFor(message), quirks)
  const id = quirks.shortCallIds && message.role === 'tool' ? shortId(message.tool_call_id) : undefined
  const { is_error, ...bare } = unmarked(message, quirks)
  return { ...bare, role, content, ...(id !== undefined && { tool_call_id: id }) }
}

/** A host that knows no marks refuses them wherever they stand. */
const unmarked = (loose: Loose, { drops }: Quirks): Loose => {
  if (!('cache_control' in loose) || !drops?.includes('cache_control')) return loose
  const { cache_control, ...rest } = loose
  return rest
}

/** That a tool failed is a word of its own in other forms; here there is none, so its result says it. */
const failedFor = ({ role, content, is_error }: Loose): unknown => {
  if (role !== 'tool' || is_error !== true) return content
  if (Array.isArray(content)) return [{ type: 'text', text: FAILED }, ...content]
  return content === '' ? FAILED : `${FAILED} ${content}`
}
const FAILED = 'Error:'

const assistantFor = (message: Loose, quirks: Quirks, last: boolean): unknown => {
  const { earlier } = quirks
  const content = contentFor(saidBy(message, earlier), quirks)
  const { tool_calls: called, ...others } = unmarked(message, quirks)
  // Some hosts answer with an empty list or null, which comes back so and which others refuse.
  const calls = Array.isArray(called) && called.length > 0 ? (called as Loose[]) : undefined
  const isPrefill = last && Boolean(content) && !calls
  const continued = quirks.prefill && isPrefill ? { [quirks.prefill]: true } : {}
  if (earlier === undefined) {
    const tool_calls = calls?.map((call) => unmarked(call, quirks))
    return { ...others, content, ...(tool_calls && { tool_calls }), ...continued }
  }
  const { role, name, function_call } = message
  const said = message['reasoning_content'] ?? message['reasoning']
  const reasoning = typeof said === 'string' && said !== '' ? said : undefined
  return {
    role,
    content: earlier === 'part' && reasoning !== undefined ? withThinking(reasoning, content) : content,
    ...(name !== undefined && { name }),
    ...(calls && { tool_calls: calls.map((call) => callFor(call, quirks)) }),
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
