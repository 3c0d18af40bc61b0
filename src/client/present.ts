import { toUsd } from '../assets.ts'
import type { Code } from '../errors.ts'
import { HEADER } from '../wire/payment.ts'
import type { Purchase } from './buyer.ts'
import { AnswerLost, PaymentUnresolved } from './errors.ts'
import { fetchReceipt, record } from './record.ts'
import { IDEMPOTENCY, parse, readBytes } from './request.ts'
import { codeOf, isCurable, type Verdict, verdictOf } from './verdict.ts'

/** An answer to a paid request. `bytes` are its whole body; empty while it streams. */
export type Answer = {
  response: Response
  bytes: Uint8Array<ArrayBuffer>
  streams: boolean
  code: Code | undefined
}

/** How showing a payment ended: with its answer, or with nothing charged (`curable`: a new quote may help). */
export type Shown =
  | { kind: 'served'; answer: Answer }
  | { kind: 'refused'; answer: Answer | undefined; code: Code | undefined; curable: boolean }
  /** The money moved and there is no answer; the router says what became of it. */
  | { kind: 'spent'; answer: Answer }

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 5_000
/** How long the same signature is shown again, and how long a call that is in flight elsewhere is waited for. */
const PATIENCE_MS = 20_000
const IN_FLIGHT_PATIENCE_MS = 90_000
const MAX_REFUSAL = 1 << 20

/**
 * Shows one signature until it is known what became of it. Throws `AnswerLost` when it paid for an answer that is gone,
 * `PaymentUnresolved` when nobody could say, and what `fetch` throws when the caller aborts.
 */
export const present = async (purchase: Purchase): Promise<Shown> => {
  const { buyer, request, payment } = purchase
  let since: number | undefined
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    const answer = await show(purchase)
    const verdict = verdictOn(purchase, answer)
    if (!(answer instanceof Error)) {
      const { code } = answer
      if (verdict === 'served' || verdict === 'spent') return { kind: verdict, answer }
      if (verdict === 'dead') return { kind: 'refused', answer, code, curable: isCurable(code) }
      if (verdict === 'lost') throw await answerLost(purchase, code === 'answer_lost')
    }
    payment.doubts++
    since ??= buyer.clock.now()
    const known = verdict === 'pending' ? undefined : await standing(purchase)
    if (known === 'used') throw await answerLost(purchase)
    if (known === 'unused') return { kind: 'refused', answer: undefined, code: undefined, curable: true }
    const serving = verdict === 'in_flight' || known === 'serving'
    const hopeless = !serving && (verdict === 'open' || verdict === 'pending')
    const pause = Math.max(wait, retryAfter(answer))
    const patience = serving ? IN_FLIGHT_PATIENCE_MS : PATIENCE_MS
    if (hopeless || buyer.clock.now() + pause - since > patience) throw unresolved(purchase, answer)
    const why = answer instanceof Error ? answer.message : (answer.code ?? `status ${answer.response.status}`)
    buyer.emit({ type: 'retry', url: request.url.href, nonce: payment.nonce, why, waitMs: pause })
    await buyer.clock.sleep(pause, request.signal)
    request.signal?.throwIfAborted()
  }
}

/** One exchange; an Error when the network failed in it, wherever. */
const show = async ({ request, payment }: Purchase): Promise<Answer | Error> => {
  try {
    // A payment header goes to nobody but the one whose price it is.
    const { header, payer, name } = payment
    const headers = { [HEADER.signature]: header, [HEADER.payer]: payer, [IDEMPOTENCY]: name }
    const response = await request.send(headers, 'manual')
    payment.callId = callIdOf(response) ?? payment.callId
    if (response.ok && !isWhole(response, payment.offer.signer !== undefined)) {
      return { response, bytes: new Uint8Array(), streams: true, code: undefined }
    }
    const bytes = response.ok
      ? new Uint8Array(await response.arrayBuffer())
      : await readBytes(response, MAX_REFUSAL)
    const code = response.status === 200 ? undefined : codeOf(response.status, parse(bytes))
    return { response, bytes, streams: false, code }
  } catch (error) {
    if (request.signal?.aborted) {
      payment.doubts++
      throw error
    }
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Is this answer one that a receipt signs as a whole, so that it is worth waiting for all of it? */
const isWhole = (response: Response, signs: boolean): boolean =>
  !response.headers.get('content-type')?.startsWith('text/event-stream') &&
  (signs || response.headers.has(HEADER.response))

const verdictOn = ({ payment }: Purchase, answer: Answer | Error): Verdict =>
  answer instanceof Error
    ? 'again'
    : verdictOf({
        status: answer.response.status,
        code: answer.code,
        first: payment.doubts === 0,
        voucher: payment.lease !== undefined,
      })

type Standing = 'used' | 'unused' | 'serving'

/** What the router says of the call itself; undefined when it cannot be asked or says nothing clear. */
const standing = async ({ request, payment }: Purchase): Promise<Standing | undefined> => {
  if (payment.callId === undefined) return undefined
  const said = await request.beside(`/v1/calls/${payment.callId}`)
  const call = said as { service?: unknown; settlement?: unknown; nonce?: unknown } | null | undefined
  if (String(call?.nonce).toLowerCase() !== payment.nonce) return undefined
  if (call?.service === undefined) return undefined
  if (call.service === 'served' || call.service === 'partial') return 'used'
  if (call.service !== 'released' && call.service !== 'rejected') return 'serving'
  return call.settlement === 'none' || call.settlement === 'lost' ? 'unused' : 'used'
}

/** `returned`: the router gave the charge back as credit too. */
const answerLost = async (purchase: Purchase, returned = false): Promise<AnswerLost> => {
  const { buyer, request, payment } = purchase
  payment.hold.spend()
  const signed = await fetchReceipt(purchase, 3)
  const receipt = signed && (await record(purchase, { receipt: signed, charged: undefined }))
  if (!receipt) payment.lease?.unknown()
  const { decimals } = payment.quote.asset
  const { credited: left, charged } = signed?.receipt ?? { credited: '0', charged: '0' }
  const units = BigInt(left) + (returned ? BigInt(charged) : 0n)
  const credited = receipt?.ok ? toUsd(units, decimals) : undefined
  const error = new AnswerLost({ callId: payment.callId, nonce: payment.nonce, receipt, credited })
  buyer.unresolved.bar(request.key, error)
  return error
}

const unresolved = ({ payment }: Purchase, answer: Answer | Error): PaymentUnresolved => {
  const { callId, nonce, validBefore } = payment
  const facts = answer instanceof Error ? { cause: answer } : { routerCode: answer.code }
  return new PaymentUnresolved({ callId, nonce, validBefore, ...facts })
}

const callIdOf = (response: Response): string | undefined => {
  const id = response.headers.get(HEADER.call)
  return id !== null && /^[\w-]{1,100}$/.test(id) ? id : undefined
}

const retryAfter = (answer: Answer | Error): number => {
  const after = answer instanceof Error ? '' : (answer.response.headers.get('retry-after') ?? '')
  return /^\d{1,3}$/.test(after) ? Math.min(Number(after) * 1000, LONGEST_WAIT_MS) : 0
}
