import { toFunctionSelector } from 'viem'
import type { Hex } from '../assets.ts'

/** ABI encoding written out for the few calls that we send; tested against viem's `encodeFunctionData`. All text is hex without 0x. Source: Solidity contract ABI specification. */
export type Part = string | { tail: string }

/** The four bytes that name a function or an error, with 0x. */
export const selector = (signature: string): Hex => toFunctionSelector(signature)

/** A number as a 32-byte word; throws when it fits in none. */
export const word = (value: bigint | number): string => {
  const text = value.toString(16)
  if (value < 0 || text.length > 64) throw new RangeError('not a 256-bit number')
  return text.padStart(64, '0')
}

/** An address or 32 bytes as a word; throws when the hex is longer. */
export const pad = (hex: Hex): string => {
  if (hex.length > 66) throw new RangeError('more than 32 bytes')
  return hex.slice(2).toLowerCase().padStart(64, '0')
}

/** Bytes of any length. */
export const bytes = (hex: Hex): Part => {
  const text = hex.slice(2)
  return { tail: word(text.length / 2) + text.padEnd(Math.ceil(text.length / 64) * 64, '0') }
}

/** A struct that holds a part of any length; a struct of words alone is those words in a row. */
export const struct = (...parts: Part[]): Part => ({ tail: encode(parts) })

/** An array of any length. */
export const list = (items: readonly Part[]): Part => ({ tail: word(items.length) + encode(items) })

/** Parts side by side: words stay in place, longer ones are pointed at. */
export const encode = (parts: readonly Part[]): string => {
  let offset = 0
  for (const part of parts) offset += typeof part === 'string' ? part.length / 2 : 32
  let head = ''
  let tail = ''
  for (const part of parts) {
    if (typeof part === 'string') head += part
    else {
      head += word(offset + tail.length / 2)
      tail += part.tail
    }
  }
  return head + tail
}

/** Calldata. */
export const callData = (name: Hex, ...parts: Part[]): Hex => `${name}${encode(parts)}`
