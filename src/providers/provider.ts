/** providers/: where answers come from. Every provider speaks OpenAI's chat format outwards, whatever it is inside. */
import type { ForwardBody, WireAnswer } from '../wire/openai.ts'

/** What a provider is asked: the caller's body, its model's name there, and the cap on output tokens per choice. */
export type Ask = { body: ForwardBody; model: string; maxOutput: number; signal: AbortSignal }

export type Answer =
  /** `text` is the JSON as it came, `body` the same parsed. */
  | { kind: 'json'; text: string; body: WireAnswer }
  /** The `data` of server-sent events as they come, [DONE] included; several may arrive at once. */
  | { kind: 'stream'; events: AsyncIterable<readonly string[]> }

/** A JSON answer's first byte comes after its last token: it may take so many times as long as that of a stream. */
export const WHOLE_ANSWER = 5

export type Provider = {
  id: string
  /** Asks for an answer; throws `UpstreamError`. */
  ask: (ask: Ask) => Promise<Answer>
  close: () => Promise<void>
}

/** Why a provider gave no answer. `rejected`: the request itself is at fault, another host would say the same. */
export type UpstreamFault =
  | 'rejected'
  | 'rate_limited'
  | 'unauthorized'
  | 'unavailable'
  | 'timeout'
  | 'malformed'
  | 'empty'

/** Thrown by providers; the text of the upstream never leaves with it. */
export class UpstreamError extends Error {
  readonly fault: UpstreamFault
  readonly retryAfterMs: number | undefined
  constructor(fault: UpstreamFault, detail: string, retryAfterMs?: number) {
    super(detail)
    this.name = 'UpstreamError'
    this.fault = fault
    this.retryAfterMs = retryAfterMs
  }
}
