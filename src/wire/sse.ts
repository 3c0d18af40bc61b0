/** Server-sent events, both ways. Only what OpenAI-style streams use: `data:` lines and comments. */
import { StringDecoder } from 'node:string_decoder'

export type SseReader = {
  /**
   * The `data` of every event that this chunk completes, added to `events`. Throws `SseOverflow` when one event grows
   * past the limit; those before it have been added.
   */
  push: (chunk: Uint8Array, events?: string[]) => string[]
  /** The text of the last comment lines that were completed since the last look. */
  comments: () => string[]
}

export class SseOverflow extends Error {}

// A provider may send keep-alive comments for ever, and nobody may be reading them.
const COMMENTS_KEPT = 16

/** Splits bytes into events; chunks may cut anywhere, lines may end in \n, \r\n or \r. */
export const sseReader = (limit = 1 << 20): SseReader => {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let data: string[] = []
  let size = 0
  let seen: string[] = []

  const line = (text: string, out: string[]): void => {
    if (text === '') {
      if (data.length > 0) out.push(data.length === 1 ? data[0]! : data.join('\n'))
      data = []
      size = 0
    } else if (text.startsWith('data:')) {
      const value = text.charCodeAt(5) === 32 ? text.slice(6) : text.slice(5)
      // The line break counts too: endless empty lines must not be free.
      size += value.length + 1
      if (size > limit) throw new SseOverflow()
      data.push(value)
    } else if (text.startsWith(':')) {
      seen.push(text.slice(1).trimStart())
      if (seen.length > COMMENTS_KEPT) seen.shift()
    }
  }

  return {
    push: (chunk, out = []) => {
      let text = rest + decoder.write(chunk)
      if (text.includes('\r')) {
        // A \r at the very end may be half of \r\n: keep it for the next chunk.
        const held = text.endsWith('\r') ? '\r' : ''
        text = text.slice(0, text.length - held.length).replace(/\r\n?/g, '\n') + held
      }
      let start = 0
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
        line(text.slice(start, end), out)
        start = end + 1
      }
      rest = text.slice(start)
      if (rest.length > limit) throw new SseOverflow()
      return out
    },
    comments: () => {
      const taken = seen
      seen = []
      return taken
    },
  }
}

/** One event on the wire. `data` must hold no line break, which JSON never does. */
export const sseEvent = (data: string): string => `data: ${data}\n\n`

/** A comment, which every OpenAI SDK ignores. */
export const sseComment = (text: string): string => `: ${text}\n\n`

export const SSE_DONE = '[DONE]'
