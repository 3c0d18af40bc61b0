import type { EmbeddingsBody } from '../wire/embeddings.ts'
import { UpstreamError } from './provider.ts'

/** A vector as OpenAI packs it: 32-bit floats, little-endian, in base64. */
export const packed = (values: readonly number[]): string =>
  Buffer.from(Float32Array.from(values).buffer).toString('base64')

const unpacked = (text: string): number[] => {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
  return [...new Float32Array(bytes.buffer, 0, bytes.length >> 2)]
}

/**
 * Puts vectors into the form that was asked for, in place: some hosts know only one, and clients that asked for base64 make
 * wrong numbers of a list without a word. Says whether anything changed; throws `unfit` where they have another length
 * than was asked for.
 */
export const mendVectors = (data: unknown, { encoding_format, dimensions }: EmbeddingsBody): boolean => {
  let changed = false
  for (const one of Array.isArray(data) ? (data as ({ embedding?: unknown } | null)[]) : []) {
    const given = one?.embedding
    if (!one || (typeof given !== 'string' && !Array.isArray(given))) continue
    const length = typeof given === 'string' ? Buffer.byteLength(given, 'base64') >> 2 : given.length
    if (dimensions !== undefined && length !== dimensions)
      throw new UpstreamError('unfit', 'vectors of another length')
    if ((typeof given === 'string') === (encoding_format === 'base64')) continue
    one.embedding = typeof given === 'string' ? unpacked(given) : packed(given as number[])
    changed = true
  }
  return changed
}
