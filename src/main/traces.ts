import type { Context, Span as Inner, Tracer as InnerTracer, SpanContext } from '@opentelemetry/api'
import type { Attributes, Parent, Span, Tracer } from '../call/trace.ts'
import type { Config } from '../config.ts'
import { type Call, isAtRest } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import { otlpExporter } from './otlp.ts'

type Api = typeof import('@opentelemetry/api')
type Sdk = typeof import('@opentelemetry/sdk-trace-base')

/** Spans of calls, kept by OpenTelemetry; `close` sends what waits. */
export type Traces = { tracer: Tracer; close: () => Promise<void> }

/** Calls whose settlement is waited for; the oldest are forgotten beyond. */
const MOST_WAITING = 10_000

export type TracesFacts = {
  settings: Config['traces']
  ledger: Ledger
  log: Log
  /** Loads an optional package by its name. */
  load?: (name: string) => Promise<unknown>
}

/** Opens traces as the configuration says; undefined where it wants none, and nothing is loaded then. Throws with what to do when a package is missing. */
export const openTraces = async (facts: TracesFacts): Promise<Traces | undefined> => {
  const { settings, ledger, log } = facts
  if (!settings) return undefined
  const load = loader(facts.load ?? ((name) => import(name)))
  const api = (await load('@opentelemetry/api')) as Api
  const { endpoint, sample } = settings
  const own =
    endpoint === undefined
      ? undefined
      : providerOf((await load('@opentelemetry/sdk-trace-base')) as Sdk, { endpoint, sample, log })
  const inner = (own ?? api.trace).getTracer('farebox')
  const awaited = new Map<string, Awaited>()
  followSettlements(ledger, awaited, inner)
  return {
    tracer: tracerOf(api, inner, awaited),
    close: async () => {
      // What could not be sent has been told.
      await own?.shutdown().catch(() => {})
    },
  }
}

const loader = (load: (name: string) => Promise<unknown>) => (name: string) =>
  load(name).catch(() => {
    throw new Error(`traces: needs the package ${name} (npm install ${name})`)
  })

const providerOf = (sdk: Sdk, { endpoint, sample, log }: { endpoint: string; sample: number; log: Log }) => {
  let failing = false
  // Told once, until one is sent again: a collector that is away is no reason to fill the log.
  const failed = (error: unknown): void => {
    if (!failing) log.warn('traces_not_sent', { why: reasonOf(error) })
    failing = true
  }
  const exporter = otlpExporter(endpoint, failed)
  const noting: typeof exporter = {
    ...exporter,
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code === 0) failing = false
        done(result)
      }),
  }
  const share = new sdk.TraceIdRatioBasedSampler(sample)
  return new sdk.BasicTracerProvider({
    // What a stranger marks as sampled is no more welcome than what begins here.
    sampler: new sdk.ParentBasedSampler({ root: share, remoteParentSampled: share }),
    spanProcessors: [new sdk.BatchSpanProcessor(noting)],
  })
}

/** The context that a call's settlement is traced in, and since when its money is on the way, ms. */
type Awaited = { context: Context; since?: number }

const tracerOf = (api: Api, inner: InnerTracer, awaited: Map<string, Awaited>): Tracer => {
  const { trace, SpanKind, SpanStatusCode, isSpanContextValid } = api
  const wrap = (span: Inner, outer: Context): Span => {
    const context = trace.setSpan(outer, span)
    const own = span.spanContext()
    let over = false
    return {
      traceId: own.traceId,
      traceparent: () => (isSpanContextValid(own) ? headerOf(own) : undefined),
      child: (name, attributes = {}, kind) =>
        wrap(
          inner.startSpan(
            name,
            { attributes: told(attributes), kind: kind ? SpanKind.CLIENT : SpanKind.INTERNAL },
            context,
          ),
          context,
        ),
      set: (attributes) => {
        if (!over) span.setAttributes(told(attributes))
      },
      end: (error) => {
        if (over) return
        over = true
        if (error !== undefined)
          span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR, message: error })
        span.end()
      },
      settles: (call) => {
        if (!span.isRecording()) return
        awaited.set(call, { context })
        if (awaited.size > MOST_WAITING) awaited.delete(awaited.keys().next().value!)
      },
    }
  }
  return {
    start: (name, parent, attributes) => {
      const outer = parent ? trace.setSpanContext(api.ROOT_CONTEXT, remote(parent)) : api.ROOT_CONTEXT
      const options = { attributes: told(attributes), kind: SpanKind.SERVER }
      return wrap(inner.startSpan(name, options, outer), outer)
    },
  }
}

const remote = ({ traceId, spanId, flags }: Parent): SpanContext => ({
  traceId,
  spanId,
  traceFlags: flags,
  isRemote: true,
})

const headerOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`

const told = (attributes: Attributes): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(attributes).filter(
      (one): one is [string, string | number | boolean] => one[1] !== undefined,
    ),
  )

/** Makes a span of each awaited settlement, from the move that sets its money on the way to its proof or its loss. */
const followSettlements = (ledger: Ledger, awaited: Map<string, Awaited>, inner: InnerTracer): void => {
  const look = (call: Call): void => {
    const one = awaited.get(call.id)
    if (!one) return
    const { settlement } = call
    if (settlement.at !== 'none') one.since ??= Date.now()
    if (!isAtRest(call)) return
    awaited.delete(call.id)
    if (settlement.at !== 'settled' && settlement.at !== 'lost') return
    const attributes = {
      'farebox.chain': call.chain,
      'farebox.settlement': settlement.at,
      ...(settlement.at === 'settled' && { 'farebox.transaction': settlement.proof.hash }),
      ...(settlement.at === 'lost' && { 'error.type': 'lost' }),
    }
    inner.startSpan('settle', { attributes, startTime: one.since ?? Date.now() }, one.context).end()
  }
  const post = ledger.post.bind(ledger)
  const followed = async (move: Parameters<Ledger['post']>[0]) => {
    const posted = await post(move)
    if (posted.ok && awaited.size > 0) for (const one of posted.calls) if (one.is === 'call') look(one)
    return posted
  }
  // In its place, as countLedger does.
  Object.assign(ledger, { post: followed })
}
