/** wire/: what crosses the wire, for server and client alike. Parsed once, strictly; inside, types are facts. */
import { fail } from '../errors.ts'

const MAX_DEPTH = 64
const MAX_VALUES = 100_000

/**
 * Parses a JSON text that a stranger sent. `JSON.parse` takes a depth of a million and everything after it dies at
 * ten thousand, so depth and size are scanned first. A key `__proto__` would be lost or change an object's nature on its
 * way, so it is refused. Refuses with `invalid_json`, `body_too_deep` or `unknown_field`.
 */
export const parseJson = (text: string): unknown => {
  scan(text)
  if (mayBeProto(text) && PROTO_KEY.test(text))
    throw fail('unknown_field', { field: '__proto__', param: '__proto__' })
  try {
    return JSON.parse(text)
  } catch {
    throw fail('invalid_json')
  }
}

/** Reads base64 JSON from a header value; undefined for anything else. Accepts base64url and missing padding. */
export const decodeHeaderJson = (value: string): unknown => {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) return undefined
  try {
    return parseJson(Buffer.from(value, 'base64').toString('utf8'))
  } catch {
    return undefined
  }
}

/** Base64 of JSON: safe in any header whatever the text holds. */
export const encodeHeaderJson = (value: unknown): string =>
  Buffer.from(JSON.stringify(value), 'utf8').toString('base64')

const scan = (text: string): void => {
  let depth = 0
  let values = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      i = endOfString(text, i)
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) throw fail('body_too_deep', { limit: MAX_DEPTH })
    } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      depth--
    } else if (c === COMMA && ++values > MAX_VALUES) {
      throw fail('body_too_deep', { limit: MAX_DEPTH })
    }
  }
}

// indexOf jumps over long strings natively; a prompt is mostly one long string.
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && escaped(text, end)) end = text.indexOf('"', end + 1)
  if (end === -1) throw fail('invalid_json')
  return end
}

const escaped = (text: string, at: number): boolean => {
  let slashes = 0
  while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
  return slashes % 2 === 1
}

// The key however it is escaped; inside a string the closing quote would be escaped too, so text about it passes.
const PROTO_KEY =
  /"(?:_|\\u005[fF]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[fF])(?:t|\\u0074)(?:o|\\u006[fF])(?:_|\\u005[fF]){2}"\s*:/

// Either it is written out, or something in it is escaped.
const mayBeProto = (text: string): boolean => text.includes('__proto__') || text.includes('\\u')

const QUOTE = 34
const COMMA = 44
const OPEN_BRACKET = 91
const BACKSLASH = 92
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
