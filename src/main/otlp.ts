import type { SpanContext } from '@opentelemetry/api'

/** What we use of a span that the SDK has ended; times in seconds and nanoseconds. */
type Ended = {
  name: string
  kind: number
  spanContext: () => SpanContext
  parentSpanContext?: SpanContext
  startTime: readonly [number, number]
  endTime: readonly [number, number]
  status: { code: number; message?: string }
  attributes: Readonly<Record<string, unknown>>
}

type Done = (result: { code: number; error?: Error }) => void

const TIMEOUT_MS = 10_000

/** Sends spans as OTLP in JSON over HTTP, for the SDK’s batches; one that cannot be sent is dropped, and `failed` told why. */
export const otlpExporter = (endpoint: string, failed: (why: unknown) => void) => {
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  const running = new Set<Promise<void>>()
  const post = async (spans: readonly Ended[]): Promise<void> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(messageOf(spans)),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`status ${response.status}`)
  }
  const flush = async (): Promise<void> => {
    await Promise.all(running)
  }
  return {
    export: (spans: readonly Ended[], done: Done): void => {
      const sent = post(spans).then(
        () => done({ code: 0 }),
        (error) => {
          failed(error)
          done({ code: 1, error: error instanceof Error ? error : new Error(String(error)) })
        },
      )
      running.add(sent)
      void sent.finally(() => running.delete(sent))
    },
    forceFlush: flush,
    shutdown: flush,
  }
}

/** Spans in the form of an ExportTraceServiceRequest. */
export const messageOf = (spans: readonly Ended[]) => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf({ 'service.name': 'farebox' }) },
      scopeSpans: [{ scope: { name: 'farebox' }, spans: spans.map(spanOf) }],
    },
  ],
})

const spanOf = (span: Ended) => {
  const { name, kind, parentSpanContext } = span
  const { traceId, spanId, traceFlags } = span.spanContext()
  return {
    traceId,
    spanId,
    ...(parentSpanContext && { parentSpanId: parentSpanContext.spanId }),
    flags: traceFlags,
    name,
    // The wire counts from "unspecified", the SDK from "internal".
    kind: kind + 1,
    startTimeUnixNano: nanos(span.startTime),
    endTimeUnixNano: nanos(span.endTime),
    attributes: attributesOf(span.attributes),
    status: { code: span.status.code, ...(span.status.message && { message: span.status.message }) },
  }
}

const nanos = ([seconds, nano]: readonly [number, number]): string =>
  (BigInt(seconds) * 1_000_000_000n + BigInt(nano)).toString()

const attributesOf = (attributes: Readonly<Record<string, unknown>>) =>
  Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ key, value: typedOf(value) }))

const typedOf = (value: unknown) => {
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: value.toString() } : { doubleValue: value }
  return { stringValue: String(value) }
}
