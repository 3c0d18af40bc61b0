/** What Anthropic's refusals mean. Their words are read to tell one kind from another, and go no further. */
import type { Classify, Name } from '../http-fault.ts'
import { UpstreamError, type UpstreamFault } from '../provider.ts'
import { TOO_LONG_TEXT } from '../words.ts'

const BY_TYPE: ReadonlyMap<string, UpstreamFault> = new Map(
  Object.entries({
    authentication_error: 'unauthorized',
    permission_error: 'unauthorized',
    billing_error: 'unauthorized',
    not_found_error: 'missing',
    request_too_large: 'too_long',
    rate_limit_error: 'rate_limited',
    timeout_error: 'timeout',
    api_error: 'unavailable',
    overloaded_error: 'unavailable',
  } as const),
)

// biome-ignore format: a row is a line.
const BY_WORDS: readonly (readonly [RegExp, UpstreamFault])[] = [
  [/credit balance|billing|spend limit|usage limits|organization (?:has been|is) (?:disabled|on hold)/i, 'unauthorized'],
  [/content filtering policy/i, 'filtered'],
  [/prompt is too long|exceeds? (?:the )?context (?:limit|window)|too many (?:total )?tokens|context window exceeded/i, 'too_long'],
  // Others that speak this form have the words of their own servers.
  [TOO_LONG_TEXT, 'too_long'],
  // What this model or this form does not take, and another may.
  [/prefill|must end with a user message|not (?:yet |currently )?supported|does not support|unsupported|deprecated for this model|cannot both be specified|extra inputs are not permitted/i, 'unfit'],
  [/thinking|signature|output_config|output_format|schema|tool_choice|temperature|top_p|top_k|service_tier|max_tokens: .* > /i, 'unfit'],
  [/^tools\.|stop_sequences|trailing whitespace|first message must use/i, 'unfit'],
  [/image|download|robots\.txt/i, 'unfit'],
]

const errorIn = (body: unknown): { type: string; message: string; code: string } => {
  const { error } = (body ?? {}) as {
    error?: { type?: unknown; message?: unknown; details?: unknown } | null
  }
  const details = (error?.details ?? {}) as { error_code?: unknown }
  return { type: str(error?.type), message: str(error?.message), code: str(details.error_code) }
}

const str = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The kind of a refusal, by its type and, where that only says that the request is invalid, by its words. */
export const classify: Classify = ({ status, body }) => {
  const { type, message, code } = errorIn(body)
  if (/spend_limit_reached|billing/.test(code)) return 'unauthorized'
  if (status === 402) return 'unauthorized'
  if (status === 413) return 'too_long'
  const words = BY_WORDS.find(([pattern]) => pattern.test(message))?.[1]
  if (type === 'invalid_request_error') return words ?? 'rejected'
  // Filtered output is told as their own mistake.
  if (type === 'api_error' && words === 'filtered') return words
  return BY_TYPE.get(type) ?? (status === 404 ? 'missing' : undefined)
}

/** The name of a refusal of thoughts: newer models take back only their own, from the account that they had them in. */
export const STALE_THOUGHTS = 'thoughts of another'
export const named: Name = ({ status, body }) =>
  status === 400 && /thinking.* blocks?\b|`thinking` block|signature/i.test(errorIn(body).message)
    ? STALE_THOUGHTS
    : undefined

/** The error that an event of a stream tells. */
export const eventFault = (event: object): UpstreamError =>
  new UpstreamError(classify({ status: 200, text: '', body: event }) ?? 'unavailable', 'an error event')
