import { toUnits } from '../assets.ts'
import { errorBody } from '../errors.ts'
import { type Bill, type Call, movesWhole, toMove, type Usage } from '../ledger/call.ts'
import type { Posted } from '../ledger/ledger.ts'
import type { Move } from '../ledger/moves.ts'
import { reasonOf } from '../log.ts'
import { minOf } from '../money.ts'
import { price } from '../quote/price.ts'
import type { Pace } from '../route/tempo.ts'
import { HEADER } from '../wire/payment.ts'
import { sseComment } from '../wire/sse.ts'
import { type Attempt, OVER, type Streamed } from './attempt.ts'
import { watchCover } from './cover.ts'
import type { Deps } from './deps.ts'
import { surely } from './end.ts'
import type { Events } from './events.ts'
import { type Receipting, receiptHeader } from './receipt-header.ts'
import { JSON_TYPE, NO_STORE, type Reply } from './reply.ts'

/** Why a call was routed as it was. */
const ROUTE_HEADER = 'x-farebox-route'
const DRAIN_MS = 100

/** Delivers an answer that has begun, bills it and signs for it. From here on the call ends in exactly one bill. */
export const serve = (deps: Deps, call: Call, attempt: Attempt, wanted?: Receipting): Promise<Reply> =>
  attempt.answer.kind === 'json'
    ? serveJson(deps, call, attempt, attempt.answer.text, wanted)
    : serveStream(deps, call, attempt, attempt.answer, wanted)

const serveJson = async (
  deps: Deps,
  call: Call,
  attempt: Attempt,
  text: string,
  wanted: Receipting | undefined,
): Promise<Reply> => {
  attempt.meter.sent(text)
  attempt.abort()
  const posted = await close(deps, call, attempt, false)
  deps.probe('K4')
  const receipt = await responseHeader(deps, posted, wanted)
  attempt.trail?.closed()
  return {
    status: 200,
    headers: { ...headers(call, attempt, JSON_TYPE), [HEADER.response]: receipt },
    body: text,
  }
}

const serveStream = async (
  deps: Deps,
  call: Call,
  attempt: Attempt,
  answer: Streamed,
  wanted: Receipting | undefined,
): Promise<Reply> => {
  const { model, provider } = attempt.route
  // Served implies intended: that the money is to move is stored before the first byte leaves.
  await pay(deps, call, { type: 'stream', id: call.id, model, provider }, isToMove(call))
  deps.probe('K4')
  return {
    status: 200,
    headers: headers(call, attempt, 'text/event-stream; charset=utf-8'),
    body: deliver(deps, call, attempt, answer, wanted),
  }
}

/**
 * The stream as the caller gets it: the provider's events untouched, then [DONE], then the receipt in a comment. However
 * it ends (told by the provider, broken, abandoned by the caller) it is billed once, for what was delivered.
 */
async function* deliver(
  deps: Deps,
  call: Call,
  attempt: Attempt,
  { events, rendering }: Streamed,
  wanted: Receipting | undefined,
): AsyncGenerator<string> {
  const { meter } = attempt
  // Read, and so billed, before anything could cut it.
  let piece = await events.next()
  attempt.trail?.first()
  const span = attempt.span?.child('stream')
  let billed = false
  let ending = false
  let cut: { end: string; posted: Promise<Posted> } | undefined
  // Billed at once: a caller that reads no more must not hold up what is owed until it has expired.
  const cutOff = (why: string): void => {
    if (ending || cut) return
    events.stop()
    const end = rendering.failed(errorBody('stream_cut', { why }))
    meter.sent(end)
    deps.log.warn('stream_cut', { call: call.id, why })
    cut = { end, posted: surely(deps, () => close(deps, call, attempt, true)) }
    cut.posted.catch(() => {})
    attempt.abort()
  }
  const stops = [watchCover(deps, call, cutOff), deps.cuts.add(cutOff)]
  try {
    let broken = false
    let left = false
    try {
      for (; piece !== undefined; piece = await events.next()) yield piece
      // Some providers never say [DONE]; a finish reason for every choice is as good.
      broken = !events.done() && !meter.finished()
    } catch (error) {
      broken = !meter.finished()
      left = error === OVER
      if (!cut)
        deps.log.warn('stream_broken', {
          call: call.id,
          provider: attempt.route.provider,
          why: reasonOf(error),
        })
    }
    ending = true
    const { provider, hostModel } = attempt.route
    if (broken && !cut && !left) deps.health.failed(provider, hostModel)
    if (cut) {
      billed = true
      yield `${cut.end}${sseComment(`${HEADER.response} ${await responseHeader(deps, await cut.posted, wanted)}`)}`
      return
    }
    const end = broken ? rendering.failed(errorBody('stream_broken')) : rendering.done()
    meter.sent(end)
    const posted = await close(deps, call, attempt, broken)
    billed = true
    yield `${end}${sseComment(`${HEADER.response} ${await responseHeader(deps, posted, wanted)}`)}`
    if (events.done()) await drain(deps, events)
  } finally {
    for (const stop of stops) stop()
    ending = true
    span?.end()
    attempt.abort()
    attempt.trail?.closed()
    if (!billed && !cut) await surely(deps, () => close(deps, call, attempt, true))
  }
}

/** Lets the provider end its response by itself, so that its connection can be used again; one that does not is cut off. */
const drain = (deps: Deps, events: Events): Promise<unknown> =>
  Promise.race([events.skip().catch(() => {}), deps.clock.sleep(DRAIN_MS)])

/** Bills a call for what its meter saw. */
const close = async (deps: Deps, call: Call, attempt: Attempt, partial: boolean): Promise<Posted> => {
  const { route, terms, meter } = attempt
  const usage = meter.usage()
  const now = deps.clock.now()
  if (!partial) deps.tempo.ended(route.provider, route.hostModel, paceOf(attempt, usage, now))
  const charged = minOf(toUnits(price(usage, route.prices, terms.margin), call.decimals), call.ceiling)
  const bill: Bill = {
    charged,
    usage,
    model: route.model,
    provider: route.provider,
    responseDigest: meter.digest(),
    at: now,
    ...worthOf(deps, attempt, usage),
    firstMs: Math.max(0, Math.round(attempt.first - call.at)),
    ms: now - call.at,
  }
  const billed: Call = { ...call, service: { at: partial ? 'partial' : 'served', bill } }
  // A stream whose payment moves whole is paid for since its first byte.
  const open = isToMove(call) ? attempt.answer.kind === 'json' : call.kind === 'upto' && toMove(billed) > 0n
  const write = () => pay(deps, billed, { type: 'bill', id: call.id, bill, partial }, open)
  const posted = await (attempt.trail ? attempt.trail.step('bill', write) : write())
  if (usage.source === 'reported') {
    deps.prefixes.read(attempt.order, route.provider, route.hostModel, usage.input)
    deps.learner.observe(route.model, {
      estimated: terms.estimated,
      input: usage.input,
      output: usage.output / terms.choices,
      textOnly: terms.estimated > 0,
    })
  }
  // Another may have ended it meanwhile, and less may be booked than was wanted.
  const after = posted.ok || posted.why === 'stale' ? posted.call : undefined
  attempt.trail?.billed(attempt, after ?? billed)
  return posted
}

/** What the same tokens cost us, and what they would have been charged at the flagship. */
const worthOf = (
  deps: Deps,
  { route, order, terms }: Attempt,
  usage: Usage,
): Pick<Bill, 'cost' | 'flagship'> => {
  const flagship = order.kind === 'chat' ? deps.flagship() : undefined
  return {
    cost: price(usage, route.prices, 0n),
    ...(flagship && { flagship: price(usage, flagship, terms.margin) }),
  }
}

const paceOf = ({ answer, asked, first }: Attempt, { output }: Usage, now: number): Pace =>
  answer.kind === 'json'
    ? { ms: first - asked, tokens: output, whole: true }
    : { ms: now - first, tokens: output }

/** All that was signed moves, whatever is charged, and it has not moved yet. */
const isToMove = (call: Call): boolean => movesWhole(call) && call.signed > 0n && !call.settleFirst

/** Posts a move, and with it that the money of the call is to move from now on, when it is `open`. */
const pay = (
  deps: Deps,
  call: Call,
  move: Extract<Move, { type: 'stream' | 'bill' }>,
  open: boolean,
): Promise<Posted> =>
  open
    ? deps.settler(call.chain).pay<Call>(call, (way) => deps.ledger.post({ ...move, ...way }))
    : deps.ledger.post(move)

const responseHeader = async (
  deps: Deps,
  posted: Posted,
  wanted: Receipting | undefined,
): Promise<string> => {
  const call = posted.ok || posted.why === 'stale' ? posted.call : undefined
  return call ? receiptHeader(deps, call, wanted) : ''
}

const headers = (call: Call, { route, attempts }: Attempt, type: string): Record<string, string> => ({
  'content-type': type,
  'cache-control': NO_STORE,
  [HEADER.call]: call.id,
  'x-farebox-model': route.model,
  'x-farebox-provider': route.provider,
  'x-farebox-attempts': String(attempts),
  ...(call.why !== undefined && { [ROUTE_HEADER]: call.why }),
})
