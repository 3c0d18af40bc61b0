/** What Google's refusals mean. Their words are read to tell one kind from another, and go no further. */
import type { Classify, Refusal, Wait } from '../http-fault.ts'
import { UpstreamError, type UpstreamFault } from '../provider.ts'

// https://ai.google.dev/gemini-api/docs/troubleshooting
const BY_STATUS: Readonly<Record<string, UpstreamFault>> = {
  RESOURCE_EXHAUSTED: 'rate_limited',
  PERMISSION_DENIED: 'unauthorized',
  UNAUTHENTICATED: 'unauthorized',
  NOT_FOUND: 'missing',
  UNAVAILABLE: 'unavailable',
  INTERNAL: 'unavailable',
  DEADLINE_EXCEEDED: 'timeout',
  // No billing, or not from here: nothing that another try would change.
  FAILED_PRECONDITION: 'unauthorized',
}

const BY_WORDS: readonly (readonly [RegExp, UpstreamFault])[] = [
  [/api key (not valid|expired)|api_key_invalid/i, 'unauthorized'],
  [/token count|maximum number of tokens|input is too long|exceeds the (maximum|limit)/i, 'too_long'],
  [/blocked|safety/i, 'filtered'],
  [/not found|not exist/i, 'missing'],
  [
    /not supported|unsupported|not enabled|does not support|thought_signature|thinking|unknown name|schema|too many states|only one candidate/i,
    'unfit',
  ],
]

type Status = { status: string; message: string; details: Record<string, unknown>[] }

const statusIn = (body: unknown): Status => {
  const first = (Array.isArray(body) ? body[0] : body) as { error?: Partial<Status> } | null | undefined
  const { status, message, details } = first?.error ?? {}
  return {
    status: String(status ?? ''),
    message: String(message ?? ''),
    details: Array.isArray(details) ? details.filter((one) => typeof one === 'object' && one !== null) : [],
  }
}

/** The kind of a refusal, by its status and, where that only says that the request is invalid, by its words. */
export const classify: Classify = ({ body }) => {
  const { status, message, details } = statusIn(body)
  const reasons = details.map((one) => String(one['reason'] ?? '')).join(' ')
  if (status === 'INVALID_ARGUMENT' || status === 'OUT_OF_RANGE')
    return BY_WORDS.find(([words]) => words.test(`${message} ${reasons}`))?.[1] ?? 'rejected'
  return BY_STATUS[status]
}

/** google.rpc.RetryInfo: its delay in seconds, such as "34.07s". */
export const waitIn: Wait = ({ body }) => {
  for (const detail of statusIn(body).details) {
    const [, delay] = /^(\d+(?:\.\d+)?)s$/.exec(String(detail['retryDelay'] ?? '')) ?? []
    if (delay !== undefined) return Math.ceil(Number(delay) * 1_000)
  }
  return undefined
}

/** The error that an event of a stream, or an answer that was called a success, tells. */
export const eventFault = (body: object): UpstreamError => {
  const refusal: Refusal = { status: 200, text: '', body }
  return new UpstreamError(classify(refusal) ?? 'unavailable', 'an error event', waitIn(refusal))
}
