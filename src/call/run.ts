/**
 * call/: one call, start to finish. Left of the hold any step may refuse; right of it every path ends in a bill or a
 * release, exactly once. Before dispatch we may answer 402; after it never.
 */
import type { Hex } from '../assets.ts'
import { seconds } from '../clock.ts'
import { fail, Refusal } from '../errors.ts'
import type { Call } from '../ledger/call.ts'
import { reasonOf } from '../log.ts'
import { type Agreed, agree } from '../payment/terms.ts'
import type { Terms } from '../quote/seal.ts'
import { type ChatRequest, digestOf } from '../wire/openai.ts'
import type { Payment } from '../wire/payment.ts'
import { demand, freshTerms } from './demand.ts'
import type { Deps } from './deps.ts'
import { dispatch } from './dispatch.ts'
import { surely } from './end.ts'
import { type Held, hold, reject, usedBefore } from './hold.ts'
import type { Reply } from './reply.ts'
import { serve } from './serve.ts'
import { settleFirst } from './settle-first.ts'

/** What came through the door. `payment` reads the payment header and may refuse it. `payer`: who it says it is, which only ever lowers a price that this payer must sign. */
export type Visit = {
  request: ChatRequest
  payment: () => Payment | undefined
  payer: Hex | undefined
  signal: AbortSignal
}

/** Runs one call: a 402 with offers, or a paid answer, or a refusal that cost nothing. */
export const run = async (deps: Deps, visit: Visit): Promise<Reply> => {
  try {
    const payment = visit.payment()
    return await (payment ? runPaid(deps, visit, payment) : demand(deps, visit, 'payment_required'))
  } catch (error) {
    // Only what was refused before dispatch has this status; the caller gets a fresh quote with the reason.
    if (error instanceof Refusal && error.status === 402)
      return demand(deps, visit, error.code, error.details)
    throw error
  }
}

const runPaid = async (deps: Deps, visit: Visit, payment: Payment): Promise<Reply> => {
  const { request } = visit
  const digest = digestOf(request)
  const agreed = await terms(deps, visit, payment, digest)
  const served = deps.serving(agreed.till.asset.chain)
  try {
    const held = await hold(deps, agreed, { digest, stream: request.stream === true })
    return await runHeld(deps, visit, agreed.terms, held).catch((error) => stopped(deps, held.call, error))
  } finally {
    served()
  }
}

/** The quote that this payment is for, signed for by its payer. What paid for a call before is told how that call stands, and never to pay again. */
const terms = async (deps: Deps, visit: Visit, payment: Payment, digest: Hex): Promise<Agreed> => {
  try {
    if ('channel' in payment) throw fail('payment_scheme_unsupported')
    const { tills, sealer, epoch, signer: settler } = deps.offers
    const fresh = () => freshTerms(deps, visit.request)
    const ours = seconds(deps.clock.now())
    const now = chainNow(deps, payment, ours)
    return await deps.checkSignature(
      agree(payment, { tills, open: sealer.open, digest, now, ours, epoch, settler, fresh }),
    )
  } catch (error) {
    throw (await usedBefore(deps, payment, digest)) ?? error
  }
}

const runHeld = async (deps: Deps, visit: Visit, terms: Terms, { call, counters }: Held): Promise<Reply> => {
  const { request, signal } = visit
  await deps.checkFunds(call, counters).catch(async (error) => {
    throw await reject(deps, call, error)
  })
  if (call.settleFirst) await settleFirst(deps, call, signal)
  deps.probe('K2')
  const attempt = await dispatch(deps, call, terms, request, signal)
  return serve(deps, call, attempt).catch((error) => {
    attempt.abort()
    throw error
  })
}

/**
 * What stopped a held call. A refusal has ended it already; after anything else (the ledger, a bug) the answer is not
 * given, so whatever was held is released. Its caller has signed and is told the id, to look up how it stands.
 */
const stopped = async (deps: Deps, { id }: Call, error: unknown): Promise<never> => {
  await surely(deps, () => deps.ledger.post({ type: 'release', id, why: 'not served' })).catch(() => {})
  if (error instanceof Refusal) throw fail(error.code, { ...error.details, id })
  const stack = error instanceof Error ? error.stack?.slice(0, 1500) : undefined
  deps.log.error('bug', { call: id, why: reasonOf(error), stack })
  throw fail('internal', { id })
}

/** Seconds: the later of our clock and the clock of the chain that is paid on. */
const chainNow = (deps: Deps, payment: Payment, ours: number): number => {
  if (payment.version === 1) return ours
  const till = deps.offers.tills.find(({ asset }) => asset.chain === payment.accepted.network)
  return till ? Math.max(ours, deps.settler(till.asset.chain).head().timestamp) : ours
}
