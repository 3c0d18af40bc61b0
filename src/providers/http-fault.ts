import { SseOverflow } from '../wire/sse.ts'
import { UpstreamError, type UpstreamFault } from './provider.ts'

/** A refusal as a host gave it; `body` is its text parsed, undefined when it is not JSON. It never leaves the process. */
export type Refusal = { status: number; text: string; body: unknown }

/** What a refusal means, where its status alone does not tell; undefined: what its status tells. */
export type Classify = (refusal: Refusal) => UpstreamFault | undefined

/** Anything that reading from a host may throw, as the one error that providers throw. */
export const faultOf = (error: unknown): UpstreamError => {
  if (error instanceof UpstreamError) return error
  if (error instanceof SseOverflow) return new UpstreamError('malformed', 'an event is too large')
  const code = String((error as { code?: unknown }).code ?? (error as Error).name)
  return new UpstreamError(/TIMEOUT|Timeout/.test(code) ? 'timeout' : 'unavailable', code)
}

/** How long the body of a refusal asks us to wait, ms. */
export type Wait = (refusal: Refusal) => number | undefined

/** What a provider calls a refusal that it knows, in words of its own. */
export type Name = (refusal: Refusal) => string | undefined

export type Judges = { classify?: Classify | undefined; wait?: Wait | undefined; name?: Name | undefined }

/** The error of a refusal; `retryAfterMs` is what its headers ask for. */
export const statusFault = (
  status: number,
  retryAfterMs: number | undefined,
  text = '',
  { classify, wait, name }: Judges = {},
): UpstreamError => {
  const refusal: Refusal = { status, text, body: parsed(text) }
  const fault = classify?.(refusal) ?? faultByStatus(status)
  return new UpstreamError(fault, name?.(refusal) ?? `status ${status}`, retryAfterMs ?? wait?.(refusal))
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const faultByStatus = (status: number): UpstreamFault => {
  if (status === 429) return 'rate_limited'
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 408 || status === 504) return 'timeout'
  // 404 is our host's fault, not the caller's: the model is not there.
  return status === 400 || status === 413 || status === 422 ? 'rejected' : 'unavailable'
}
