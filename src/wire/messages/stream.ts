/** A streamed answer of ours as Anthropic's events. */
import type { ErrorBody } from '../../errors.ts'
import type { About, Rendering } from '../door.ts'
import type { WireAnswer, WireDelta, WireUsage } from '../openai.ts'
import { type Ending, endOf, headOf, usageOf } from './answer.ts'
import { type Called, callId, callsIn } from './calls.ts'
import { blockOf, type Detail, detailsIn, signatureOf, textOf } from './thinking.ts'

/** The id as its host gave it, and the block that the call is. */
type Calling = { id: string; block: number }
type Open = { kind: 'text' | 'tool' } | { kind: 'thinking'; detail: Detail | undefined }

/** Renders chunks as events; the end waits until usage is known, or until there is nothing more to come. */
export const messagesStream = (about: About): Rendering => {
  let blocks = 0
  let open: Open | undefined
  let ending: Ending | undefined
  let usage: WireUsage = {}
  let begun = false
  let ended = false
  /** Where the calls went: a late piece of one still finds its block. */
  const calls = new Map<string, Calling>()
  let last: Calling | undefined
  const taken = new Set<string>()

  const begin = (): string => {
    if (begun) return ''
    begun = true
    const none = { content: [], stop_reason: null, stop_sequence: null }
    return event('message_start', { message: { ...headOf(about), ...none, usage: usageOf(usage) } })
  }
  const start = (next: Open, content_block: object): string => {
    const before = close()
    open = next
    return before + event('content_block_start', { index: blocks++, content_block })
  }
  const close = (): string => {
    if (!open) return ''
    const { kind } = open
    // Claude's signature comes with its last piece; what another said beside its text is known only now.
    const signature = kind === 'thinking' && open.detail ? signatureOf(open.detail) : ''
    const signed = signature === '' ? '' : delta({ type: 'signature_delta', signature })
    open = undefined
    return signed + event('content_block_stop', { index: blocks - 1 })
  }
  const delta = (piece: object, index = blocks - 1): string =>
    event('content_block_delta', { index, delta: piece })

  const text = (said: unknown): string => {
    if (typeof said !== 'string' || said === '') return ''
    const head = open?.kind === 'text' ? '' : start({ kind: 'text' }, { type: 'text', text: '' })
    return head + delta({ type: 'text_delta', text: said })
  }
  const think = (said: string, detail?: Detail): string => {
    const same = open?.kind === 'thinking' && continues(open.detail, detail)
    const head = same ? '' : start({ kind: 'thinking', detail: undefined }, EMPTY_THOUGHT)
    if (detail && open?.kind === 'thinking') open.detail = joined(open.detail, detail)
    return head + (said === '' ? '' : delta({ type: 'thinking_delta', thinking: said }))
  }
  const thoughts = (one: WireDelta): string => {
    const details = detailsIn(one.reasoning_details)
    if (details.length === 0) {
      const said = one.reasoning_content ?? one.reasoning
      return typeof said === 'string' && said !== '' ? think(said) : ''
    }
    return details
      .map((detail) =>
        detail.type === 'reasoning.encrypted'
          ? start({ kind: 'text' }, blockOf(detail)) + close()
          : think(textOf(detail), detail),
      )
      .join('')
  }
  const call = ({ index, id, name, written }: Called): string => {
    const key = String(index ?? id)
    // Without an index and an id a piece goes on with the call before it, unless it names another.
    let known = key === '' ? (name === '' ? last : undefined) : calls.get(key)
    let head = ''
    // Some hosts number every call alike: another id is another call.
    if (!known || (id !== '' && id !== known.id && (known.id !== '' || name !== ''))) {
      const named = callId(about, id, taken)
      head = start({ kind: 'tool' }, { type: 'tool_use', id: named, name, input: {} })
      known = { id, block: blocks - 1 }
      calls.set(key, known)
    }
    last = known
    return written === ''
      ? head
      : head + delta({ type: 'input_json_delta', partial_json: written }, known.block)
  }

  const end = (): string => {
    if (ended) return ''
    ended = true
    return (
      begin() +
      close() +
      event('message_delta', { delta: endOf(ending ?? {}, calls.size > 0), usage: usageOf(usage) }) +
      event('message_stop', {})
    )
  }
  const chunk = (part: WireAnswer): string => {
    if (ended) return ''
    if (part.usage) usage = part.usage
    const choice = part.choices?.[0] as Ending | undefined
    const said = choice?.delta ?? {}
    const calling = callsIn(said.tool_calls).map(call).join('')
    const events = begin() + thoughts(said) + text(said.content) + text(said.refusal) + calling
    if (choice?.finish_reason) ending = choice
    return ending && part.usage && !choice ? events + end() : events
  }

  return {
    chunk,
    done: end,
    failed: (error: ErrorBody) => event('error', { ...error }),
  }
}

const EMPTY_THOUGHT = { type: 'thinking', thinking: '', signature: '' }

// Pieces of one thought say the same place, or none.
const continues = (before: Detail | undefined, next: Detail | undefined): boolean =>
  before?.index === next?.index && (before === undefined || before.type === next?.type)

const joined = (before: Detail | undefined, { text: _text, summary: _summary, ...rest }: Detail): Detail => ({
  ...before,
  ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null && value !== undefined)),
  type: rest.type,
})

const event = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
