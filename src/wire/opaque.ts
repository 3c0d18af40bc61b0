import { parseJson } from './json.ts'

/** A value as one opaque string, to be sent back as it is; nothing is hidden in it. `prefix` says whose it is. */
export const pack = (prefix: string, value: unknown): string =>
  `${prefix}${Buffer.from(JSON.stringify(value)).toString('base64url')}`

/** What was packed; undefined for any other text. It comes from a caller: whoever reads it doubts it. */
export const unpack = (prefix: string, text: string): unknown => {
  if (!text.startsWith(prefix)) return undefined
  try {
    return parseJson(Buffer.from(text.slice(prefix.length), 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
