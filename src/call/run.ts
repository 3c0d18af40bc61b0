/**
 * call/: one call, start to finish. Left of the hold any step may refuse; right of it every path ends in a bill or a
 * release, exactly once. Before dispatch we may answer 402; after it never.
 */
import { type Caller, NOBODY } from '../accounts/caller.ts'
import type { ChainId, Hex } from '../assets.ts'
import { seconds } from '../clock.ts'
import { type Code, type Details, fail, Refusal } from '../errors.ts'
import { type Call, isServing } from '../ledger/call.ts'
import type { Posted } from '../ledger/ledger.ts'
import { reasonOf } from '../log.ts'
import { type Agreed, agree } from '../payment/terms.ts'
import type { Terms } from '../quote/seal.ts'
import type { Order } from '../wire/order.ts'
import type { Payment, PaymentChannel } from '../wire/payment.ts'
import { keeping, replayed } from './answers.ts'
import type { Attempt } from './attempt.ts'
import { onChannel } from './channel.ts'
import { demand, freshTerms } from './demand.ts'
import type { Deps } from './deps.ts'
import { dispatch } from './dispatch.ts'
import { surely } from './end.ts'
import { type Held, hold, reject, usedBefore } from './hold.ts'
import { type Asker, permit, whoAsks } from './permit.ts'
import { ending } from './recover.ts'
import { nameOf, payerOf, repeated, retold } from './repeat.ts'
import type { Reply } from './reply.ts'
import { serve } from './serve.ts'
import { settleFirst } from './settle-first.ts'
import { type Span, traced, within } from './trace.ts'
import type { Trail } from './trail.ts'

/** What came through the door. `payment` reads the payment header and may refuse it. `payer`: who it says it is, which only ever lowers a price that this payer must sign. */
export type Visit = {
  order: Order
  payment: () => Payment | undefined
  payer: Hex | undefined
  /** How the caller calls this call: the same name never pays twice. */
  name?: string | undefined
  /** Only offers of this network are wanted. */
  network?: ChainId | undefined
  /** A whole answer to the very same request may be given again, at no charge, and this one kept for that. */
  cache?: boolean
  /** Offers are to be signed, as the offer-receipt extension says. */
  signed?: boolean
  /** Whose key came with it, and from where. */
  asker?: Asker
  signal: AbortSignal
  /** When it had been read, ms of `performance.now()`. */
  began?: number | undefined
  /** The W3C header that came with it. */
  traceparent?: string | undefined
}

/** `proof`: the receipt of the offer-receipt extension is asked for. */
type Named = Visit & { caller: Caller; proof: boolean | undefined; trail: Trail }

/** One signature that pays once. */
type Alone = Exclude<Payment, PaymentChannel>

/** Runs one call: a 402 with offers, or a paid answer, or a refusal that cost nothing. */
export const run = (deps: Deps, visit: Visit): Promise<Reply> =>
  deps.tracer ? traced(deps.tracer, visit, (span) => answer(deps, visit, span)) : answer(deps, visit)

const answer = async (deps: Deps, visit: Visit, span?: Span): Promise<Reply> => {
  const began = visit.began ?? performance.now()
  let caller = NOBODY
  const quoted = (code: Code, details?: Details) =>
    within(span, 'quote', () => demand(deps, { ...visit, caller }, code, details))
  try {
    const payment = visit.payment()
    const name = nameOf(visit.name, payment)
    const payer = payment ? payerOf(payment) : visit.payer
    const before = await repeated(deps, { payer, name, digest: visit.order.digest })
    if (before) return before
    caller = await whoAsks(deps, visit.asker ?? {}, payment && payerOf(payment))
    if (!payment) return await quoted('payment_required')
    const proof = payment.version === 2 && payment.proof
    const trail = deps.watch({ span, began })
    return await runPaid(deps, { ...visit, caller, name, proof, trail }, payment)
  } catch (error) {
    const told = error instanceof Refusal ? await retold(deps, error) : undefined
    if (told) return told
    // Only what was refused before dispatch has this status; the caller gets a fresh quote with the reason.
    if (error instanceof Refusal && error.status === 402) return quoted(error.code, error.details)
    throw error
  }
}

const runPaid = (deps: Deps, visit: Named, payment: Payment): Promise<Reply> =>
  'channel' in payment ? runOnChannel(deps, visit, payment) : runAlone(deps, visit, payment)

const runOnChannel = (deps: Deps, visit: Named, payment: PaymentChannel): Promise<Reply> => {
  const { order, signal, trail, caller, asker = {} } = visit
  const now = chainNow(deps, payment, seconds(deps.clock.now()))
  const about = { order, signal, now, name: visit.name, trail, caller, asker }
  return onChannel(deps, payment, about, (terms, held) =>
    runHeld(deps, visit, terms, held).catch((error) => stopped(deps, held.call, error, trail)),
  )
}

const runAlone = async (deps: Deps, visit: Named, payment: Alone): Promise<Reply> => {
  const { order, caller, asker, trail } = visit
  const agreed = await trail.step('verify', () => terms(deps, visit, payment))
  // After its signature: a stranger cannot use up what a payer may ask.
  await deps.admission.admit('paid', { payer: agreed.authorization.from })
  const used = () => usedBefore(deps, payment, order.digest)
  const granted = await permit(
    deps,
    caller,
    { ...asker, order },
    { ...agreed, asset: agreed.till.asset, used },
  )
  const served = deps.serving(agreed.till.asset.chain)
  try {
    const sponsored = await deps.sponsor.judge(agreed, payment.version === 2 ? payment.sponsored : undefined)
    const about = { order, caller, granted, sponsored, name: visit.name }
    const held = await trail.step('claim', () => hold(deps, agreed, about))
    return await runHeld(deps, visit, agreed.terms, held).catch((error) =>
      stopped(deps, held.call, error, trail),
    )
  } finally {
    served()
  }
}

/** The quote that this payment is for, signed for by its payer. What paid for a call before is told how that call stands, and never to pay again. */
const terms = async (deps: Deps, { order, caller }: Named, payment: Alone): Promise<Agreed> => {
  try {
    const { tills, sealer, epoch, signer: settler } = deps.offers
    const fresh = () => freshTerms(deps, order, caller)
    const ours = seconds(deps.clock.now())
    const now = chainNow(deps, payment, ours)
    return await deps.checkSignature(
      agree(payment, { tills, open: sealer.open, digest: order.digest, now, ours, epoch, settler, fresh }),
    )
  } catch (error) {
    throw (await usedBefore(deps, payment, order.digest)) ?? error
  }
}

const runHeld = async (deps: Deps, visit: Named, terms: Terms, held: Held): Promise<Reply> => {
  const { call, counters, channel: drew } = held
  const { order, signal, trail } = visit
  trail.held(call, terms)
  const cache = visit.cache === true && deps.answers.keeps
  // What a voucher draws on is in its channel already.
  if (call.kind !== 'voucher') {
    await trail
      .step('chain', () => deps.checkFunds(call, counters))
      .catch(async (error) => {
        throw await reject(deps, call, error)
      })
  }
  if (call.settleFirst) await trail.step('settle', () => settleFirst(deps, call, signal))
  deps.probe('K2')
  const kept = cache ? deps.answers.find(call.payer, order.digest) : undefined
  const attempt = kept
    ? { ...replayed(order, terms, kept, deps.clock.now()), trail }
    : await dispatch(deps, call, terms, order, signal, trail)
  const served = cache && !kept ? keeping(attempt, keeper(deps, call, attempt)) : attempt
  const reply = await serve(deps, call, served, { proof: visit.proof, drew }).catch((error) => {
    attempt.abort()
    throw error
  })
  if (cache) reply.headers['x-farebox-cache'] = kept ? 'hit' : 'miss'
  if (typeof reply.body !== 'string') return reply
  const lost = (): void => {
    // Who leaves before the end must not get for nothing what it then asks for again.
    if (cache && !kept && deps.answers.lost(call.payer, order.digest)) return
    void deps.refunds.lost(call, 'the connection was lost')
  }
  return { ...reply, lost }
}

const keeper =
  ({ answers }: Deps, { payer, requestDigest }: Call, { route }: Attempt) =>
  (text: string) =>
    answers.keep(payer, requestDigest, { text, route })

/**
 * What stopped a held call. A refusal has ended it already; after anything else (the ledger, a bug) the answer is not
 * given, so it is ended without a charge. Its caller has signed and is told the id, to look up how it stands.
 */
const stopped = async (deps: Deps, call: Call, error: unknown, trail: Trail): Promise<never> => {
  const { id } = call
  const after = await surely(deps, () => endUnanswered(deps, call)).catch(() => undefined)
  trail.failed(after ?? call, error instanceof Refusal ? error.code : 'internal')
  if (error instanceof Refusal) throw fail(error.code, { ...error.details, id })
  const stack = error instanceof Error ? error.stack?.slice(0, 1500) : undefined
  deps.log.error('bug', { call: id, why: reasonOf(error), stack })
  throw fail('internal', { id })
}

/**
 * Ends a call without an answer from where it stands: a move whose reply was lost may have been written. Also one that
 * nobody knows, by a move: a store that was lost gets it back, and moves wait for that. Gives the call as it is now.
 */
const endUnanswered = async (deps: Deps, held: Call): Promise<Call | undefined> => {
  let call: Call | undefined = (await deps.ledger.call(held.id)) ?? held
  while (call && isServing(call)) {
    const posted: Posted = await deps.ledger.post(ending(call, deps.clock, 'not served'))
    if (posted.ok) return posted.call
    call = posted.why === 'stale' ? posted.call : undefined
  }
  // Billed already, so its answer is lost.
  if (call && !call.stream) await deps.refunds.lost(call, 'not sent')
  return call
}

/** Seconds: the later of our clock and the clock of the chain that is paid on. */
const chainNow = (deps: Deps, payment: Payment, ours: number): number => {
  if (payment.version === 1) return ours
  const till = deps.offers.tills.find(({ asset }) => asset.chain === payment.accepted.network)
  return till ? Math.max(ours, deps.settler(till.asset.chain).head().timestamp) : ours
}
