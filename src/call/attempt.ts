import { seconds } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import { type Answer, type Ask, type Provider, UpstreamError } from '../providers/provider.ts'
import type { Terms } from '../quote/seal.ts'
import type { Route } from '../route/plan.ts'
import type { About, Rendering } from '../wire/door.ts'
import { countOf } from '../wire/embeddings.ts'
import { forwardBody, type WireAnswer } from '../wire/openai.ts'
import type { Order } from '../wire/order.ts'
import type { Deps } from './deps.ts'
import { type Events, openEvents } from './events.ts'
import { createMeter, type Meter } from './meter.ts'
import { kindOf, type Span } from './trace.ts'
import type { Again, Asked, Trail } from './trail.ts'

/** An answer that has begun: who gives it, in the form of its door, and how to stop it. */
export type Begun = {
  order: Order
  route: Route
  terms: Terms
  meter: Meter
  answer: { kind: 'json'; text: string } | Streamed
  /** When it was asked for, and when its first content was there, ms; the same of an answer in one piece. */
  asked: number
  first: number
  /** Ends the upstream request at once, and with it the place that it took at the provider. */
  abort: () => void
  /** Of the request to the provider. */
  span?: Span | undefined
}

/** `attempts`: how many requests to providers it took. */
export type Attempt = Begun & { attempts: number; trail?: Trail | undefined }

export type Streamed = { kind: 'stream'; events: Events; rendering: Rendering }

/** What an upstream request is ended with by us. One for all, because an error of its own for each costs more than ten events. */
export const OVER = new UpstreamError('unavailable', 'not wanted any more')

/** What one attempt is about; it ends with `signal`, and must begin to answer within `limitMs`. `again`: why it is not the first. */
export type AttemptFacts = {
  call: Call
  route: Route
  terms: Terms
  order: Order
  signal: AbortSignal
  limitMs: number
  again?: Again | undefined
  trail?: Trail | undefined
}

/** Asks one host, and waits until its answer has begun; throws `UpstreamError` when it does not. */
export const attempt = async (deps: Deps, facts: AttemptFacts): Promise<Begun> => {
  const { call, route, terms, order, signal, limitMs, trail } = facts
  const { provider: id, hostModel } = route
  const provider = deps.provider(id)
  if (!provider) throw new UpstreamError('unavailable', 'not configured')
  const asked = deps.clock.now()
  const span = trail?.span && spanOf(trail.span, facts)
  const ended = trail?.asks(id, facts.again)
  const upstream = linked(signal)
  let late = false
  const timer = setTimeout(() => {
    late = true
    upstream.abort()
  }, limitMs)
  const meter = createMeter({
    input: terms.input,
    maxOutput: terms.maxOutput * terms.choices,
    choices: terms.choices,
  })
  try {
    const trace = span?.traceparent()
    const wanted = { model: hostModel, maxOutput: terms.maxOutput, signal: upstream.signal, trace }
    const answer = await ask(provider, order, wanted)
    const about = { id: call.id, model: route.model, created: seconds(deps.clock.now()) }
    const begun = await begin(answer, order, about, meter)
    const first = deps.clock.now()
    if (begun.kind === 'stream') deps.tempo.began(id, hostModel, first - asked)
    ended?.('answered')
    const abort = span ? ending(span, upstream.abort, meter) : upstream.abort
    return { order, route, terms, meter, answer: begun, asked, first, abort, span }
  } catch (error) {
    upstream.abort()
    const outcome = outcomeOf(error, late, signal)
    ended?.(outcome)
    span?.end(outcome)
    // It would have taken longer still, which is worth knowing; and so it is of one that lost a race. Of a host that
    // rests it would teach to wait ever longer for silence.
    const slow = order.stream && (late || signal.aborted)
    if (slow && !deps.health.resting(id, hostModel)) deps.tempo.began(id, hostModel, deps.clock.now() - asked)
    throw late ? new UpstreamError('timeout', 'no first byte in time') : error
  } finally {
    clearTimeout(timer)
  }
}

/** The span of one request to a provider, as the conventions for generative AI want it. */
const spanOf = (parent: Span, { route, terms, order, again }: AttemptFacts): Span => {
  const operation = kindOf(order)
  return parent.child(
    `${operation} ${route.hostModel}`,
    {
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': route.provider,
      'gen_ai.request.model': route.hostModel,
      'gen_ai.request.max_tokens': terms.maxOutput,
      'gen_ai.request.stream': order.stream,
      'farebox.attempt': again ?? 'first',
    },
    'client',
  )
}

/** The span lasts as long as the provider's answer, and says what was used. */
const ending = (span: Span, abort: () => void, meter: Meter) => (): void => {
  abort()
  const { input, cached, output } = meter.usage()
  span.set({
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.cache_read.input_tokens': cached,
    'gen_ai.usage.output_tokens': output,
  })
  span.end()
}

const outcomeOf = (error: unknown, late: boolean, { aborted }: AbortSignal): Asked => {
  if (late) return 'timeout'
  return aborted || !(error instanceof UpstreamError) ? 'left' : error.fault
}

/** A signal of its own that follows another, until it is aborted itself. */
const linked = (outer: AbortSignal) => {
  const controller = new AbortController()
  const abort = () => {
    outer.removeEventListener('abort', abort)
    controller.abort(OVER)
  }
  if (outer.aborted) abort()
  else outer.addEventListener('abort', abort)
  return { signal: controller.signal, abort }
}

const ask = (
  provider: Provider,
  order: Order,
  { model, maxOutput, signal, trace }: Pick<Ask, 'model' | 'maxOutput' | 'signal' | 'trace'>,
): Promise<Answer> => {
  if (order.kind === 'chat')
    return provider.ask({ body: forwardBody(order.request), model, maxOutput, signal, trace })
  if (!provider.embed) throw new UpstreamError('unfit', 'no embeddings here')
  return provider.embed({ body: forwardBody(order.request), model, signal, trace })
}

/** Waits for the first content, and puts the answer into the form of its door. */
const begin = async (
  answer: Answer,
  order: Order,
  about: About,
  meter: Meter,
): Promise<Attempt['answer']> => {
  if (answer.kind === 'stream') {
    const rendering = order.door.stream(about)
    return { kind: 'stream', rendering, events: await openEvents(answer.events, meter, rendering) }
  }
  const { text, body } = answer
  if (body.error) throw new UpstreamError('unavailable', 'status 200 with an error inside')
  if (order.kind === 'chat') judgeChat(body, meter)
  else judgeVectors(body, countOf(order.request), meter)
  return { kind: 'json', text: order.door.answer(text, body, about) }
}

const judgeChat = (body: WireAnswer, meter: Meter): void => {
  if (!Array.isArray(body.choices)) throw new UpstreamError('malformed', 'no choices')
  meter.see(body)
  if (meter.hasContent()) return
  if (body.choices.some((choice) => choice?.finish_reason === 'content_filter'))
    throw new UpstreamError('filtered', 'filtered all of it')
  throw new UpstreamError('empty', 'no content')
}

const judgeVectors = ({ data, usage }: WireAnswer, wanted: number, meter: Meter): void => {
  if (!Array.isArray(data) || data.length === 0) throw new UpstreamError('empty', 'no vectors')
  if (data.length !== wanted) throw new UpstreamError('malformed', 'not a vector for each text')
  meter.see({ usage: { ...usage, completion_tokens: 0 } })
}
