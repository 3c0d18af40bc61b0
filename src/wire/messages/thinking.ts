/**
 * Reasoning in both languages. Ours is a list of details, as OpenRouter has it; Anthropic's is blocks of thinking with a
 * signature, and blocks that only it can read. Both must come back unchanged with the next turn.
 */
import type { RedactedBlock, ThinkingBlock } from '../anthropic.ts'
import { pack, unpack } from '../opaque.ts'

/** Details that Claude signed, and that it alone takes back. */
export const CLAUDE = 'anthropic-claude-v1'

/**
 * One piece of reasoning. `index`: where among the blocks of its answer it stood; `offset`: after how many characters of its
 * text, where that is told and not none.
 */
export type Detail = {
  type: 'reasoning.text' | 'reasoning.summary' | 'reasoning.encrypted'
  text?: string | null
  summary?: string | null
  data?: string | null
  signature?: string | null
  format?: string | null
  index?: number
  offset?: number
}

/** What of another model's reasoning Anthropic's form has no place for travels in its signature, after this. */
const SEALED = 'farebox.'

/** A block of thinking as a detail. */
export const detailOf = (block: ThinkingBlock | RedactedBlock, index: number, format = CLAUDE): Detail => {
  const sealed = unsealed(block.type === 'thinking' ? block.signature : block.data)
  if (sealed) {
    if (block.type === 'redacted_thinking') return { ...sealed, index }
    return { ...sealed, [sealed.type === 'reasoning.summary' ? 'summary' : 'text']: block.thinking, index }
  }
  return block.type === 'thinking'
    ? { type: 'reasoning.text', text: block.thinking, signature: block.signature, format, index }
    : { type: 'reasoning.encrypted', data: block.data, format, index }
}

/** A detail as a block of thinking; `format`: the one that needs no seal. */
export const blockOf = (detail: Detail): ThinkingBlock | RedactedBlock => {
  if (detail.type === 'reasoning.encrypted')
    return {
      type: 'redacted_thinking',
      data: detail.format === CLAUDE && typeof detail.data === 'string' ? detail.data : seal(detail),
    }
  return {
    type: 'thinking',
    thinking: textOf(detail),
    signature: signatureOf(detail),
  }
}

/** What can be read of it. */
export const textOf = ({ text, summary }: Detail): string => {
  const said: unknown = text ?? summary
  return typeof said === 'string' ? said : ''
}

/** The signature of a block of thinking: Claude's own, or a seal around what another model said beside the text. */
export const signatureOf = ({
  text: _text,
  summary: _summary,
  index: _index,
  offset: _offset,
  ...rest
}: Detail): string => {
  if (rest.type === 'reasoning.text' && rest.format === CLAUDE)
    return typeof rest.signature === 'string' ? rest.signature : ''
  return seal(rest)
}

/** What is a detail in a list that anybody may have written. */
export const detailsIn = (value: unknown): Detail[] =>
  Array.isArray(value) ? value.filter((one): one is Detail => isDetail(one)) : []

const isDetail = (one: unknown): boolean => {
  if (typeof one !== 'object' || one === null) return false
  const { type, index, offset } = one as { type?: unknown; index?: unknown; offset?: unknown }
  if (!isPlace(index) || !isPlace(offset)) return false
  return type === 'reasoning.text' || type === 'reasoning.summary' || type === 'reasoning.encrypted'
}

const isPlace = (value: unknown): boolean =>
  value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)

const seal = (detail: object): string => pack(SEALED, detail)

const unsealed = (text: string): Detail | undefined => {
  const detail = unpack(SEALED, text)
  return isDetail(detail) ? (detail as Detail) : undefined
}
