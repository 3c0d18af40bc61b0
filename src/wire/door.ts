/**
 * A door is one way to ask and to be answered: its path, and how an answer in OpenAI's chat form looks there. Inside there
 * is one form only; a door translates at both ends and decides nothing.
 */
import type { ErrorBody } from '../errors.ts'
import type { WireAnswer } from './openai.ts'

/** What an answer may say of itself: our id of the call, the model that answers (our name), when (seconds). */
export type About = { id: string; model: string; created: number }

export type Door = {
  /** Part of every digest: the same body at another door is another request. */
  name: 'chat.completions' | 'messages' | 'responses' | 'embeddings'
  path: string
  /** An answer in one piece; `text` is the provider's own JSON, `body` the same parsed and read by the meter. */
  answer: (text: string, body: WireAnswer, about: About) => string
  stream: (about: About) => Rendering
}

/** One streamed answer on its way out; gives server-sent events as they are written to the socket, or nothing. */
export type Rendering = {
  chunk: (part: WireAnswer, data: string) => string
  /** The provider said all it had to say. */
  done: () => string
  /** Instead of `done`: the stream ended early, and this is why. */
  failed: (error: ErrorBody) => string
}
