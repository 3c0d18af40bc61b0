/** Embeddings of Gemini in OpenAI's form. */
import type { WireAnswer } from '../../wire/openai.ts'
import { type EmbedAsk, UpstreamError } from '../provider.ts'
import { packed } from '../vectors.ts'

/** Most texts of one request: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents */
const MOST = 100

/** The bodies of batchEmbedContents for all texts of a request; `name` is the model's, with its collection. */
export const embedBodies = ({ body }: EmbedAsk, name: string): object[] => {
  const texts = typeof body.input === 'string' ? [body.input] : body.input
  const requests = texts.map((text) => {
    if (typeof text !== 'string') throw new UpstreamError('unfit', 'tokens instead of texts')
    return {
      model: name,
      content: { parts: [{ text }] },
      ...(body.dimensions !== undefined && { outputDimensionality: body.dimensions }),
    }
  })
  const bodies: object[] = []
  for (let at = 0; at < requests.length; at += MOST) bodies.push({ requests: requests.slice(at, at + MOST) })
  return bodies
}

type Batch = { embeddings?: { values?: unknown }[]; usageMetadata?: { promptTokenCount?: unknown } }

/** The vectors of all batches, in order; with usage only where every batch reports it. */
export const embeddingsOf = (batches: readonly object[], { body, model }: EmbedAsk): WireAnswer => {
  const data = (batches as Batch[])
    .flatMap(({ embeddings }) => (Array.isArray(embeddings) ? embeddings : []))
    .map(({ values }, index) => {
      if (!Array.isArray(values)) throw new UpstreamError('malformed', 'no values')
      return {
        object: 'embedding',
        index,
        embedding: body.encoding_format === 'base64' ? packed(values) : values,
      }
    })
  const counts = (batches as Batch[]).map(({ usageMetadata }) => usageMetadata?.promptTokenCount)
  const known = counts.every((one): one is number => typeof one === 'number')
  const used = known ? counts.reduce((sum, one) => sum + one, 0) : 0
  const answer = {
    object: 'list',
    data,
    model,
    ...(known && { usage: { prompt_tokens: used, total_tokens: used } }),
  }
  return answer
}
