import { type SseReader, sseReader } from '../wire/sse.ts'
import { faultOf } from './http-fault.ts'
import { UpstreamError } from './provider.ts'

export type EventsFacts = {
  /** Longest silence, ms; comments and keep-alives are silence. */
  idleMs: number
  /** A judge for each stream: says of an event's data that it only keeps the line alive, so that it is left out. */
  keepAlive?: (() => (data: string) => boolean) | undefined
}

/** The `data` of server-sent events as they come, several at once; throws `UpstreamError` after all that came before. */
export async function* readEvents(
  body: AsyncIterable<readonly Buffer[]>,
  { idleMs, keepAlive }: EventsFacts,
): AsyncGenerator<readonly string[]> {
  const reader = sseReader()
  const isSilence = keepAlive?.()
  let last = performance.now()
  try {
    for await (const chunks of body) {
      const { events: read, failure } = readChunks(reader, chunks)
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

const readChunks = (
  reader: SseReader,
  chunks: readonly Buffer[],
): { events: string[]; failure?: unknown } => {
  const events: string[] = []
  try {
    for (const chunk of chunks) reader.push(chunk, events)
    return { events }
  } catch (failure) {
    return { events, failure }
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
