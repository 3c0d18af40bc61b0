/** Anthropic's events as chunks in OpenAI's chat form. */
import type { AnthropicUsage } from '../../wire/anthropic.ts'
import type { Detail } from '../../wire/messages/thinking.ts'
import { SSE_DONE } from '../../wire/sse.ts'
import { translated } from '../http-events.ts'
import { parseObject } from '../http-host.ts'
import { finishOf, type Message, type Telling, tierOf, usageOf } from './answer.ts'
import { eventFault } from './fault.ts'

/** The chunks of a stream of events, [DONE] included; throws `UpstreamError`, after all that came before. */
export const chunksOf = (
  events: AsyncIterable<readonly string[]>,
  telling: Telling,
): AsyncGenerator<readonly string[]> => translated(events, translator(telling))

type Event = {
  type?: unknown
  index?: unknown
  message?: Message
  content_block?: Record<string, unknown>
  delta?: Record<string, unknown>
  usage?: AnthropicUsage | null
}

/** A call being written: its place among the calls, and what of its input came with its first event. */
type Call = { at: number; first: unknown; written: boolean }

const translator = ({ created, format, hide }: Telling): ((data: string, out: string[]) => void) => {
  let head: Record<string, unknown> = { object: 'chat.completion.chunk', created }
  let usage: AnthropicUsage = {}
  let ended = false
  const calls = new Map<unknown, Call>()

  /** Characters of text so far: that is where a thought stands. */
  let offset = 0
  let thought = false
  /** Characters of calls so far. */
  let called = 0
  const say = (text: string): string[] => {
    offset += text.length
    return text === '' ? [] : [chunk({ content: text })]
  }
  const chunk = (delta: object): string =>
    JSON.stringify({ ...head, choices: [{ index: 0, delta, finish_reason: null }] })

  const think = (said: string, detail: Omit<Detail, 'format'>): string[] => {
    thought = true
    return hide
      ? []
      : [
          chunk({
            ...(said !== '' && { reasoning_content: said }),
            reasoning_details: [{ ...detail, format, ...(offset > 0 && { offset }) }],
          }),
        ]
  }

  const start = (index: number, block: Record<string, unknown>): string[] => {
    switch (block['type']) {
      case 'text':
        return say(str(block['text']))
      case 'thinking':
        return think(str(block['thinking']), {
          type: 'reasoning.text',
          text: str(block['thinking']),
          ...(given(block['signature']) && { signature: block['signature'] as string }),
          index,
        })
      case 'redacted_thinking':
        return think('', { type: 'reasoning.encrypted', data: str(block['data']), index })
      case 'tool_use': {
        const call: Call = { at: calls.size, first: block['input'], written: false }
        calls.set(index, call)
        const named = { name: str(block['name']), arguments: '' }
        const tool = { index: call.at, id: str(block['id']), type: 'function', function: named }
        return [chunk({ tool_calls: [tool] })]
      }
      default:
        return []
    }
  }

  const more = (index: number, piece: Record<string, unknown>): string[] => {
    switch (piece['type']) {
      case 'text_delta':
        return say(str(piece['text']))
      case 'thinking_delta': {
        const text = str(piece['thinking'])
        return think(text, { type: 'reasoning.text', text, index })
      }
      case 'signature_delta':
        return think('', { type: 'reasoning.text', signature: str(piece['signature']), index })
      case 'input_json_delta': {
        const call = calls.get(index)
        if (!call || !given(piece['partial_json'])) return []
        call.written = true
        return [argumentsOf(call, str(piece['partial_json']))]
      }
      default:
        return []
    }
  }
  const argumentsOf = ({ at }: Call, written: string): string => {
    called += written.length
    return chunk({ tool_calls: [{ index: at, function: { arguments: written } }] })
  }

  // A call without input writes nothing at all; some hosts give the whole input at once.
  const stop = (index: number): string[] => {
    const call = calls.get(index)
    return call && !call.written ? [argumentsOf(call, JSON.stringify(call.first ?? {}))] : []
  }

  const begin = ({ id, model, usage: first }: Message): string[] => {
    head = { id, ...head, model, ...tierOf(first) }
    usage = { ...first }
    return [chunk({ role: 'assistant', content: '' })]
  }

  const end = (delta: Message, told: AnthropicUsage | null | undefined): string[] => {
    const known = Object.entries(told ?? {}).filter(([, value]) => value !== null && value !== undefined)
    usage = { ...usage, ...Object.fromEntries(known) }
    if (ended || !given(delta.stop_reason)) return []
    ended = true
    return [
      JSON.stringify({ ...head, choices: [{ index: 0, delta: {}, ...finishOf(delta) }] }),
      JSON.stringify({ ...head, choices: [], usage: usageOf(usage, thought ? offset + called : undefined) }),
    ]
  }

  return (data, out) => {
    const event = parse(data)
    const index = typeof event.index === 'number' ? event.index : -1
    switch (event.type) {
      case 'message_start':
        out.push(...begin(event.message ?? {}))
        break
      case 'content_block_start':
        out.push(...start(index, event.content_block ?? {}))
        break
      case 'content_block_delta':
        out.push(...more(index, event.delta ?? {}))
        break
      case 'content_block_stop':
        out.push(...stop(index))
        break
      case 'message_delta':
        out.push(...end(event.delta ?? {}, event.usage))
        break
      case 'message_stop':
        out.push(SSE_DONE)
        break
      case 'error':
        throw eventFault(event)
    }
  }
}

const parse = (data: string): Event => parseObject(data, 'an event') as object

const given = (value: unknown): boolean => typeof value === 'string' && value !== ''

const str = (value: unknown): string => (typeof value === 'string' ? value : '')
