/** POST /v1/embeddings as we take it: texts, or tokens, in; vectors out. */
import { z } from 'zod'
import { type Steering, steering } from './steering.ts'

export const EMBEDDINGS_PATH = '/v1/embeddings'

const text = z.string().min(1)
const tokens = z.array(z.int().min(0)).min(1).max(300_000)

export const embeddingsRequestSchema = z
  .strictObject({
    model: text.max(200),
    input: z.union([text, tokens, z.array(text).min(1).max(2_048), z.array(tokens).min(1).max(2_048)]),
    encoding_format: z.enum(['float', 'base64']).optional(),
    dimensions: z.int().min(1).max(65_536).optional(),
    user: text.max(512).optional(),
    ...steering,
  })
  .meta({ id: 'EmbeddingsRequest' })
export type EmbeddingsRequest = z.infer<typeof embeddingsRequestSchema>

/** What is sent to a provider: the request without our steering. */
export type EmbeddingsBody = Omit<EmbeddingsRequest, keyof Steering>

/** How many vectors a request asks for. */
export const countOf = ({ input }: EmbeddingsRequest): number =>
  typeof input === 'string' || typeof input[0] === 'number' ? 1 : input.length

/** Texts of a request, how many tokens it holds that are tokens already, and how many of them the longest has. */
export const embeddedInput = ({
  input,
}: EmbeddingsRequest): { texts: string[]; tokens: number; longest: number } => {
  if (typeof input === 'string') return { texts: [input], tokens: 0, longest: 0 }
  const texts: string[] = []
  let tokens = 0
  let longest = 0
  for (const one of input) {
    if (typeof one === 'string') texts.push(one)
    else {
      tokens += typeof one === 'number' ? 1 : one.length
      longest = Math.max(longest, typeof one === 'number' ? tokens : one.length)
    }
  }
  return { texts, tokens, longest }
}
