import { createHash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import { HEADER } from '../wire/payment.ts'

/** Watches a stream go by: where it ends, what its bytes hash to, and the receipt in the comment behind it. */
export type Tap = {
  see: (chunk: Uint8Array) => void
  /** The last event, whatever the door, or the receipt was seen: nothing of worth to the caller comes after. */
  done: () => boolean
  /** The value of the receipt comment; undefined until it has passed. */
  receipt: () => string | undefined
  /** SHA-256 of every byte before the receipt comment, which is what the receipt signs. */
  digest: () => Hex
}

const COMMENT = Buffer.from(`: ${HEADER.response} `)
/** How the lines begin that end a chat completion, a message and a response. */
const LAST = [
  'data: [DONE]',
  'event: message_stop',
  'event: error',
  'event: response.completed',
  'event: response.incomplete',
  'event: response.failed',
].map((line) => Buffer.from(line))
const NEWLINE = 10
/** A line longer than this is neither of the two, and is not kept to find out. */
const LONGEST_LINE = 1 << 16

export const createTap = (): Tap => {
  const hash = createHash('sha256')
  let line: Buffer = Buffer.alloc(0)
  let inLongLine = false
  let done = false
  let receipt: string | undefined

  const endLine = (): void => {
    if (line.subarray(0, COMMENT.length).equals(COMMENT)) {
      receipt ??= line.subarray(COMMENT.length).toString('latin1').trim()
      done = true
    } else {
      if (LAST.some((last) => line.subarray(0, last.length).equals(last))) done = true
      if (receipt === undefined) hash.update(line)
    }
    line = Buffer.alloc(0)
  }

  const take = (part: Uint8Array, complete: boolean): void => {
    if (inLongLine) {
      hash.update(part)
      inLongLine = !complete
      return
    }
    line = line.length === 0 ? Buffer.from(part) : Buffer.concat([line, part])
    if (complete) endLine()
    else if (line.length > LONGEST_LINE) {
      hash.update(line)
      line = Buffer.alloc(0)
      inLongLine = true
    }
  }

  return {
    see: (chunk) => {
      for (let at = 0; at < chunk.length; ) {
        const newline = chunk.indexOf(NEWLINE, at)
        const end = newline === -1 ? chunk.length : newline + 1
        take(chunk.subarray(at, end), newline !== -1)
        at = end
      }
    },
    done: () => done,
    receipt: () => receipt,
    digest: () =>
      `0x${hash
        .copy()
        .update(receipt === undefined ? line : '')
        .digest('hex')}`,
  }
}
