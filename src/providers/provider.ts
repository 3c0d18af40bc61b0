/** providers/: where answers come from. Every provider speaks OpenAI's chat format outwards, whatever it is inside. */
import type { EmbeddingsBody } from '../wire/embeddings.ts'
import type { Feature } from '../wire/features.ts'
import type { ForwardBody, WireAnswer } from '../wire/openai.ts'

/** What a provider is asked: the caller's body, its model's name there, and the cap on output tokens per choice. `trace`: the `traceparent` to send. */
export type Ask = {
  body: ForwardBody
  model: string
  maxOutput: number
  signal: AbortSignal
  trace?: string | undefined
}

export type Answer =
  /** `text` is the JSON as it came, `body` the same parsed. */
  | { kind: 'json'; text: string; body: WireAnswer }
  /** The `data` of server-sent events as they come, [DONE] included; several may arrive at once. */
  | { kind: 'stream'; events: AsyncIterable<readonly string[]> }

/** A JSON answer's first byte comes after its last token: it may take so many times as long as that of a stream. */
export const WHOLE_ANSWER = 5

export type EmbedAsk = Omit<Ask, 'body' | 'maxOutput'> & { body: EmbeddingsBody }

export type Provider = {
  id: string
  /** What it cannot be asked for with this model (its name there); whoever needs one of these asks another. */
  lacks: (hostModel: string) => ReadonlySet<Feature>
  /** Asks for an answer; throws `UpstreamError`. */
  ask: (ask: Ask) => Promise<Answer>
  /** Asks for embeddings, answered in OpenAI's form; undefined where it has none. */
  embed?: (ask: EmbedAsk) => Promise<Extract<Answer, { kind: 'json' }>>
  close: () => Promise<void>
}

/**
 * Why a provider gave no answer. `rejected`, `filtered`: the request itself is at fault, another host would say the same.
 * `too_long`: more than this model's context, another model may have room. `unfit`: this host does not take what another
 * may, such as a prefilled answer. `missing`: the model is not there.
 */
export type UpstreamFault =
  | 'rejected'
  | 'filtered'
  | 'too_long'
  | 'unfit'
  | 'missing'
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
