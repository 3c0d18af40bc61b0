import { UpstreamError } from '../providers/provider.ts'
import type { Rendering } from '../wire/door.ts'
import type { WireAnswer } from '../wire/openai.ts'
import { SSE_DONE } from '../wire/sse.ts'
import type { Meter } from './meter.ts'

/** A streamed answer that has begun, on its way to the caller. */
export type Events = {
  /**
   * What the caller gets next, as it is written to the socket: all events that are there already, up to a little more
   * than `PIECE` characters. Undefined once the provider said [DONE] or ended, the answer overran its quote, or it was
   * stopped. What it gives is metered and hashed, so it must be sent. Throws `UpstreamError` on an error event and on
   * anything that is not JSON, after all that came before.
   */
  next: () => Promise<string | undefined>
  /** The provider said [DONE]. */
  done: () => boolean
  /** Nothing more is metered or given. */
  stop: () => void
  /** Reads to the end of the provider's response, and throws all of it away. */
  skip: () => Promise<void>
}

/** A slow reader is owed no more than this beyond what its socket holds: what is given is billed. */
const PIECE = 16_384

/**
 * Reads a stream up to its first content, so that everything before it can still fail over; `next` gives all of it back.
 * Events that arrived together are parsed, metered and given together: a turn of the pipeline costs more than they do.
 */
export const openEvents = async (
  source: AsyncIterable<readonly string[]>,
  meter: Meter,
  rendering: Rendering,
): Promise<Events> => {
  const batches = source[Symbol.asyncIterator]()
  let batch: readonly string[] = []
  let at = 0
  let text = ''
  let done = false
  let stopped = false
  let failure: unknown
  let filtered = false

  const arrive = async (): Promise<boolean> => {
    const { done: ended, value } = await batches.next()
    batch = ended ? [] : value
    at = 0
    return !ended
  }
  const take = (): string => {
    const taken = text
    text = ''
    meter.sent(taken)
    return taken
  }
  const step = (): void => {
    const data = batch[at++]!
    if (data === SSE_DONE) {
      done = true
      return
    }
    const part = parsePart(data)
    meter.see(part)
    if (!meter.hasContent()) filtered ||= isFiltered(part)
    text += rendering.chunk(part, data)
  }
  const steps = (): void => {
    try {
      while (at < batch.length && text.length < PIECE && !done && !meter.overrun()) step()
    } catch (error) {
      if (text === '') throw error
      failure = error
    }
    // A stream may be silent for long: its last bytes need not be kept meanwhile.
    if (at === batch.length) batch = []
    at = batch.length === 0 ? 0 : at
  }

  while (!done && !meter.hasContent()) {
    if (at < batch.length) step()
    else if (!(await arrive())) break
  }
  if (!meter.hasContent())
    throw filtered
      ? new UpstreamError('filtered', 'filtered all of it')
      : new UpstreamError('empty', 'the stream ended before any content')

  return {
    next: async () => {
      while (text === '') {
        if (failure !== undefined) throw failure
        if (done || stopped || meter.overrun()) return undefined
        if (at === batch.length && !(await arrive())) return undefined
        if (stopped) return undefined
        steps()
      }
      return take()
    },
    done: () => done,
    stop: () => {
      stopped = true
    },
    skip: async () => {
      while (await arrive()) {}
    },
  }
}

const parsePart = (data: string): WireAnswer => {
  let part: unknown
  try {
    part = JSON.parse(data)
  } catch {
    throw new UpstreamError('malformed', 'a chunk is not JSON')
  }
  if (typeof part !== 'object' || part === null)
    throw new UpstreamError('malformed', 'a chunk is not an object')
  if ((part as WireAnswer).error) throw new UpstreamError('unavailable', 'an error inside the stream')
  return part as WireAnswer
}

const isFiltered = ({ choices }: WireAnswer): boolean =>
  Array.isArray(choices) && choices.some((choice) => choice?.finish_reason === 'content_filter')
