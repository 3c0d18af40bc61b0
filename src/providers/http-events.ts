import { type SseReader, sseReader } from '../wire/sse.ts'
import { faultOf } from './http-fault.ts'
import { UpstreamError } from './provider.ts'

export type EventsFacts = {
  /** Longest silence, ms; comments and keep-alives are silence. */
  idleMs: number
  /** A judge for each stream: says of an event's data that it only keeps the line alive, so that it is left out. */
  keepAlive?: (() => (data: string) => boolean) | undefined
  /** The error that an event tells of, if it is one: the stream ends with it. */
  eventError?: ((data: string) => UpstreamError | undefined) | undefined
}

/** The `data` of server-sent events as they come, several at once; throws `UpstreamError` after all that came before. */
export async function* readEvents(
  body: AsyncIterable<readonly Buffer[]>,
  { idleMs, keepAlive, eventError }: EventsFacts,
): AsyncGenerator<readonly string[]> {
  const reader = sseReader()
  const isSilence = keepAlive?.()
  let last = performance.now()
  try {
    for await (const chunks of body) {
      const { events: read, failure } = untilError(readChunks(reader, chunks), eventError)
      const events = isSilence ? read.filter((data) => !isSilence(data)) : read
      if (events.length > 0) {
        yield events
        // Not while our own reader was slow.
        last = performance.now()
      } else if (performance.now() - last > idleMs) {
        throw new UpstreamError('timeout', 'only keep-alives')
      }
      if (failure !== undefined) throw failure
    }
  } catch (error) {
    throw faultOf(error)
  }
}

type Chunked = { events: string[]; failure?: unknown }

const untilError = (chunked: Chunked, eventError: EventsFacts['eventError']): Chunked => {
  if (!eventError) return chunked
  for (const [i, data] of chunked.events.entries()) {
    const failure = eventError(data)
    if (failure) return { events: chunked.events.slice(0, i), failure }
  }
  return chunked
}

const readChunks = (reader: SseReader, chunks: readonly Buffer[]): Chunked => {
  const events: string[] = []
  try {
    for (const chunk of chunks) reader.push(chunk, events)
    return { events }
  } catch (failure) {
    return { events, failure }
  }
}

export type WholeFacts = EventsFacts & {
  /** The events of an answer in one piece. */
  ofWhole: (text: string) => readonly string[]
  /** Most bytes of such an answer. */
  limit: number
}

/** What came as JSON where a stream was asked for: an answer in one piece, or a stream by the wrong name. */
export async function* readEither(
  body: AsyncGenerator<readonly Buffer[]>,
  facts: WholeFacts,
): AsyncGenerator<readonly string[]> {
  try {
    const { done, value } = await body.next()
    const parts = done ? [] : [...value]
    if (!/^\s*\{/.test(Buffer.concat(parts).toString('latin1', 0, 64)))
      return yield* readEvents(following(parts, body), facts)
    let size = 0
    for await (const more of body) {
      for (const part of more) size += part.length
      if (size > facts.limit) throw new UpstreamError('malformed', 'answer too large')
      parts.push(...more)
    }
    yield facts.ofWhole(Buffer.concat(parts).toString('utf8'))
  } catch (error) {
    throw faultOf(error)
  }
}

/** Whoever stops reading at the first piece ends the rest as well. */
async function* following(
  first: readonly Buffer[],
  rest: AsyncGenerator<readonly Buffer[]>,
): AsyncGenerator<readonly Buffer[]> {
  try {
    yield first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

/** A host's events, each translated into any number of ours; throws what `translate` throws, after all that came before. */
export async function* translated(
  events: AsyncIterable<readonly string[]>,
  translate: (data: string, out: string[]) => void,
): AsyncGenerator<readonly string[]> {
  for await (const batch of events) {
    const chunks: string[] = []
    try {
      for (const data of batch) translate(data, chunks)
    } catch (error) {
      if (chunks.length > 0) yield chunks
      throw error
    }
    if (chunks.length > 0) yield chunks
  }
}
