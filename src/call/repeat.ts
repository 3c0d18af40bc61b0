import { createHash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import { type Code, errorBody, fail, type Refusal } from '../errors.ts'
import { stands } from '../ledger/apply.ts'
import { billOf, type Call, isServing, isSettling } from '../ledger/call.ts'
import { HEADER, type Payment } from '../wire/payment.ts'
import type { Deps } from './deps.ts'
import { receiptHeader } from './receipt-header.ts'
import { JSON_TYPE, NO_STORE, type Reply } from './reply.ts'

/** A request header by which a caller names its call, so that the same name never pays twice. */
export const NAME_HEADER = 'Idempotency-Key'

/** What a caller calls its call: in the header, or in the payment. Refuses two different names, and one that is not 1 to 255 printable characters. */
export const nameOf = (header: string | undefined, payment: Payment | undefined): string | undefined => {
  const own = payment?.version === 2 ? payment.identifier : undefined
  const wrong = (problem: string) =>
    fail('invalid_request', { problem: `${NAME_HEADER} ${problem}`, param: NAME_HEADER })
  if (header !== undefined && !/^[\x20-\x7e]{1,255}$/.test(header))
    throw wrong('must be 1 to 255 printable ASCII characters')
  if (header !== undefined && own !== undefined && header !== own)
    throw wrong('and the payment-identifier of the payment are different')
  return header ?? own
}

/** Under what the ledger keeps a name. Each payer has names of its own: nobody can take those of another. */
export const nameKey = (payer: Hex, name: string): string =>
  createHash('sha256').update(`farebox call name v1\n${payer}\n${name}`).digest('hex')

/** Who pays, as the payment says: not proven yet. */
export const payerOf = (payment: Payment): Hex =>
  'channel' in payment ? payment.channel.config.payer : payment.authorization.from

/**
 * What became of a call of this name, when one stands: looked up before anything is verified or priced, so that its
 * caller never pays again. Only who sends the same request is told; others are refused after their signature is
 * proven, because a name alone must tell a stranger nothing.
 */
export const repeated = async (
  deps: Deps,
  { payer, name, digest }: { payer: Hex | undefined; name: string | undefined; digest: Hex },
): Promise<Reply | undefined> => {
  if (payer === undefined || name === undefined) return undefined
  const call = await deps.ledger.callByKey(nameKey(payer, name))
  if (!call || !stands(call) || call.requestDigest !== digest) return undefined
  return standing(deps, call)
}

/** What to tell the caller of a call that was refused because another has its name; undefined when it was refused for its payment. */
export const nameTaken = (holder: Call, fresh: Pick<Call, 'name' | 'requestDigest'>): Refusal | undefined => {
  if (fresh.name === undefined || holder.name !== fresh.name) return undefined
  if (holder.requestDigest !== fresh.requestDigest) return fail('idempotency_conflict')
  return fail(isServing(holder) ? 'payment_in_flight' : 'answer_not_kept', { id: holder.id })
}

/** A refused repetition, told more exactly: the charge of an answer that was lost is credit. */
export const retold = async (deps: Deps, error: Refusal): Promise<Reply | undefined> => {
  const id = error.details['id']
  if (error.code !== 'payment_already_used' || typeof id !== 'string') return undefined
  const call = await deps.ledger.call(id)
  return call && billOf(call) && (await deps.refunds.recall(call))
    ? told(deps, call, 'answer_lost')
    : undefined
}

const standing = async (deps: Deps, call: Call): Promise<Reply> => {
  const { id, service } = call
  if (isServing(call)) throw fail('payment_in_flight', { id })
  if (billOf(call)) {
    const refunded = await deps.refunds.recall(call)
    return told(deps, (await deps.ledger.call(id)) ?? call, refunded ? 'answer_lost' : 'answer_not_kept')
  }
  const why = 'why' in service ? service.why : ''
  if (isSettling(call) && why === 'settlement_pending') throw fail('settlement_pending', { id })
  throw fail('upstream_failed_credited', { why, id })
}

/** A refusal that carries the receipt of the call it is about. */
const told = async (deps: Deps, call: Call, code: Code): Promise<Reply> => ({
  status: 409,
  headers: {
    'content-type': JSON_TYPE,
    'cache-control': NO_STORE,
    // An SDK would try 409 again by itself, and there is nothing to wait for.
    'x-should-retry': 'false',
    [HEADER.call]: call.id,
    [HEADER.response]: await receiptHeader(deps, call, { proof: true }),
  },
  body: JSON.stringify(errorBody(code, { id: call.id })),
})
