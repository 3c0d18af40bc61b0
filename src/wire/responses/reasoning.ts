/**
 * Reasoning between the two forms. OpenRouter's list (`reasoning_details`) keeps what a provider signed or encrypted; a
 * Responses item has one opaque string for that, so the whole list travels in it and comes back unchanged.
 */
import { pack, unpack } from '../opaque.ts'
import type { ReasoningItem } from './items.ts'

export type Detail = Record<string, unknown> & { type: string }

// Says that what follows is our own list and not what a provider encrypted.
const OURS = 'fbx1.'

/** The list as one string. */
export const packDetails = (details: readonly Detail[]): string => pack(OURS, details)

/** What an assistant's message carries of a reasoning item that came back; empty when there is nothing to carry. */
export const detailsOf = ({ id, encrypted_content, summary, content }: ReasoningItem): Detail[] => {
  if (encrypted_content) {
    const data = encrypted_content
    return (
      unpackDetails(data) ?? [
        { type: 'reasoning.encrypted', data, ...(id && { id }), format: 'openai-responses-v1' },
      ]
    )
  }
  const texts = (content ?? []).map(({ text }): Detail => ({ type: 'reasoning.text', text }))
  return texts.length > 0 ? texts : summary.map(({ text }) => ({ type: 'reasoning.summary', summary: text }))
}

const unpackDetails = (packed: string): Detail[] | undefined => {
  const details = unpack(OURS, packed)
  return Array.isArray(details) && details.every(isDetail) ? details : undefined
}

/** The details that a message or a piece of a stream carries. */
export const detailsIn = (value: unknown): Detail[] => (Array.isArray(value) ? value.filter(isDetail) : [])

/** Adds what a piece of a stream brought: text goes on in the detail that is being written. */
export const addDetails = (details: Detail[], pieces: readonly Detail[]): void => {
  for (const piece of pieces) {
    const last = details.at(-1)
    if (last && goesOn(last, piece)) details[details.length - 1] = joined(last, piece)
    else details.push({ ...piece })
  }
}

// What is encrypted comes whole, and after its signature a text has ended.
const goesOn = (last: Detail, piece: Detail): boolean =>
  last.type === piece.type &&
  last.type !== 'reasoning.encrypted' &&
  last['index'] === piece['index'] &&
  !last['signature']

const joined = (detail: Detail, piece: Detail): Detail => {
  const whole = { ...detail }
  for (const [name, value] of Object.entries(piece)) {
    const before = whole[name]
    if (GROWS.has(name) && typeof before === 'string' && typeof value === 'string')
      whole[name] = before + value
    else if (value !== null && value !== undefined) whole[name] = value
  }
  return whole
}

const GROWS = new Set(['text', 'summary'])

/** Something in it is lost unless it comes back: a signature, or what only its provider can read. */
export const mustReturn = (details: readonly Detail[]): boolean =>
  details.some((one) => Boolean(one['signature']) || Boolean(one['data']))

const isDetail = (value: unknown): value is Detail =>
  typeof value === 'object' && value !== null && typeof (value as Detail).type === 'string'
