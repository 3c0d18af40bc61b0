/** The items of an answer, gathered from chat deltas; every step is told as the event that a stream has for it. */
import type { WireDelta } from '../openai.ts'
import { type Calls, newCalls, type ToolItem } from './calls.ts'
import { addDetails, type Detail, detailsIn, mustReturn, packDetails } from './reasoning.ts'

/** Takes an event; what it holds is still being written, so it must be read at once. */
export type Tell = (type: string, fields: Record<string, unknown>) => void

export type OutputOptions = {
  /** Ends every id of an item. */
  id: string
  /** Reasoning is shown as its summary: a summary was asked for. */
  summarize: boolean
  /** Reasoning is to come back with the next request. */
  encrypted: boolean
  tell: Tell
}

export type Status = 'in_progress' | 'completed' | 'incomplete'
type TextPart = { type: 'output_text'; text: string; annotations: []; logprobs: [] }
type RefusalPart = { type: 'refusal'; refusal: string }
type Message = {
  id: string
  type: 'message'
  status: Status
  role: 'assistant'
  content: (TextPart | RefusalPart)[]
}
type Shown = { type: 'summary_text' | 'reasoning_text'; text: string }
type Reasoning = {
  id: string
  type: 'reasoning'
  summary: Shown[]
  content?: Shown[]
  encrypted_content?: string
}
export type OutputItem = Message | Reasoning | ToolItem

export type Output = {
  items: readonly OutputItem[]
  /** What a piece of a stream brought, or a whole message. */
  add: (delta: WireDelta, whole?: boolean) => void
  /** Ends every item that is still being written. */
  close: (status: 'completed' | 'incomplete') => void
}

type Open =
  | { item: Message; at: number }
  | { item: Reasoning; at: number; details: Detail[]; said: string }
  | undefined

/** Gathers one answer. */
export const newOutput = ({ id, summarize, encrypted, tell }: OutputOptions): Output => {
  const items: OutputItem[] = []
  let open: Open

  const nameOf = (kind: string): string => `${kind}_${id}_${items.length}`
  const put = <I extends OutputItem>(item: I): number => {
    items.push(item)
    tell('response.output_item.added', { output_index: items.length - 1, item })
    return items.length - 1
  }
  const end = (at: number): void => tell('response.output_item.done', { output_index: at, item: items[at] })
  const calls: Calls = newCalls({ nameOf, put, end, tell, callId: `call_${id}` })

  const message = (): { item: Message; at: number } => {
    if (open?.item.type === 'message') return open as { item: Message; at: number }
    leave('completed')
    const item: Message = {
      id: nameOf('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
    }
    open = { item, at: put(item) }
    return open
  }
  const say = (delta: string, kind: 'output_text' | 'refusal'): void => {
    if (delta === '') return
    const { item, at } = message()
    if (item.content.at(-1)?.type !== kind) {
      endPart(item, at)
      const part = kind === 'refusal' ? { type: kind, refusal: '' } : newText()
      item.content.push(part)
      tell('response.content_part.added', { ...placeOf(item, at), part: { ...part } })
    }
    const part = item.content.at(-1)!
    if (part.type === 'refusal') {
      part.refusal += delta
      tell('response.refusal.delta', { ...placeOf(item, at), delta })
    } else {
      part.text += delta
      tell('response.output_text.delta', { ...placeOf(item, at), delta, logprobs: [] })
    }
  }
  const endPart = (item: Message, at: number): void => {
    const part = item.content.at(-1)
    if (!part) return
    const place = placeOf(item, at)
    if (part.type === 'refusal') tell('response.refusal.done', { ...place, refusal: part.refusal })
    else tell('response.output_text.done', { ...place, text: part.text, logprobs: [] })
    tell('response.content_part.done', { ...place, part })
  }

  const think = (text: string, pieces: readonly Detail[], whole: boolean): void => {
    if (text === '' && pieces.length === 0) return
    if (open?.item.type !== 'reasoning') {
      leave('completed')
      const item: Reasoning = { id: nameOf('rs'), type: 'reasoning', summary: [] }
      open = { item, at: put(item), details: [], said: '' }
    }
    const thinking = open as Extract<Open, { said: string }>
    if (whole) thinking.details.push(...pieces)
    else addDetails(thinking.details, pieces)
    thinking.said += text
    const told = pieces.some((piece) => piece.type === 'reasoning.summary')
    if (text !== '') show(thinking.item, thinking.at, text, summarize || told)
  }
  const show = (item: Reasoning, at: number, delta: string, asSummary: boolean): void => {
    const kind = asSummary ? 'summary_text' : 'reasoning_text'
    if (!asSummary) item.content ??= []
    const parts = asSummary ? item.summary : item.content!
    const place = { item_id: item.id, output_index: at, [INDEX[kind]]: 0 }
    if (parts.length === 0) {
      parts.push({ type: kind, text: '' })
      tell(asSummary ? 'response.reasoning_summary_part.added' : 'response.content_part.added', {
        ...place,
        part: { type: kind, text: '' },
      })
    }
    parts[0]!.text += delta
    tell(`response.${EVENT[kind]}.delta`, { ...place, delta })
  }
  const endReasoning = ({ item, at, details, said }: Extract<Open, { said: string }>): void => {
    for (const part of [...item.summary, ...(item.content ?? [])]) {
      const place = { item_id: item.id, output_index: at, [INDEX[part.type]]: 0 }
      tell(`response.${EVENT[part.type]}.done`, { ...place, text: part.text })
      const summary = part.type === 'summary_text'
      tell(summary ? 'response.reasoning_summary_part.done' : 'response.content_part.done', {
        ...place,
        part,
      })
    }
    const kept: Detail[] = details.length > 0 ? details : [{ type: 'reasoning.text', text: said }]
    if (encrypted || mustReturn(details)) item.encrypted_content = packDetails(kept)
    end(at)
  }

  /** Ends the message or the reasoning that is being written. */
  const leave = (status: 'completed' | 'incomplete'): void => {
    if (!open) return
    if ('said' in open) endReasoning(open)
    else {
      endPart(open.item, open.at)
      open.item.status = status
      end(open.at)
    }
    open = undefined
  }

  return {
    items,
    add: (delta, whole = false) => {
      const details = detailsIn(delta.reasoning_details)
      think(textOf(details) || plain(delta.reasoning ?? delta.reasoning_content), details, whole)
      say(plain(delta.content), 'output_text')
      say(plain(delta.refusal), 'refusal')
      if (calls.add(delta, whole)) leave('completed')
    },
    close: (status) => {
      leave(status)
      calls.close(status)
    },
  }
}

const INDEX = { summary_text: 'summary_index', reasoning_text: 'content_index' } as const
const EVENT = { summary_text: 'reasoning_summary_text', reasoning_text: 'reasoning_text' } as const

const newText = (): TextPart => ({ type: 'output_text', text: '', annotations: [], logprobs: [] })

const placeOf = (item: Message, at: number) => ({
  item_id: item.id,
  output_index: at,
  content_index: item.content.length - 1,
})

const textOf = (details: readonly Detail[]): string =>
  details.map((one) => plain(one['text'] ?? one['summary'])).join('')

/** Text, or parts that hold text. */
const plain = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return ''
  return value.map((part: unknown) => plain((part as { text?: unknown } | null)?.text)).join('')
}
