import { createHash } from 'node:crypto'
import { HEADER } from '../wire/payment.ts'
import type { Purchase } from './buyer.ts'
import { ReceiptRejected } from './errors.ts'
import type { Answer } from './present.ts'
import { readTold, type Told } from './receipts.ts'
import { fetchReceipt, record } from './record.ts'
import { createTap } from './tap.ts'

/** Hands the answer of a paid call to the caller, with its receipt judged: before a whole answer, behind a stream. */
export const deliver = async (
  purchase: Purchase,
  { response, bytes, streams }: Answer,
): Promise<Response> => {
  if (!streams) return deliverWhole(purchase, response, bytes)
  const events = response.headers.get('content-type')?.startsWith('text/event-stream')
  if (events && response.body) return deliverStream(purchase, response, response.body)
  // Nothing will tell what it cost.
  purchase.payment.lease?.unknown()
  return response
}

/** A response with the same head and these bytes; `url` is kept, which a new Response has not. */
export const withBody = (
  response: Response,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>,
): Response => {
  const { status, statusText, headers, url } = response
  const none = body instanceof Uint8Array && body.length === 0
  const made = new Response(none ? null : body, { status, statusText, headers })
  return Object.defineProperty(made, 'url', { value: url })
}

const deliverWhole = async (
  purchase: Purchase,
  response: Response,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Response> => {
  const digest = `0x${createHash('sha256').update(bytes).digest('hex')}` as const
  const told = await complete(purchase, readTold(response.headers.get(HEADER.response)), 2)
  const checked = await record(purchase, told, digest)
  if (!checked.ok && purchase.buyer.rules.receipt === 'require')
    throw barred(purchase, new ReceiptRejected(checked))
  return withBody(response, bytes)
}

/** What the answer told, with the receipt from the router where it did not come along. */
const complete = async (
  purchase: Purchase,
  told: Told | undefined,
  tries: number,
): Promise<Told | undefined> => {
  if (told?.receipt) return told
  const receipt = await fetchReceipt(purchase, tries)
  return receipt ? { receipt, charged: told?.charged } : told
}

const TAIL_MS = 2_000

/**
 * Passes a stream on chunk by chunk. Behind its last event it is read to its end whether or not anybody still listens,
 * because the receipt is there; the caller's stream ends, or its cancel returns, when that is done.
 */
const deliverStream = (
  purchase: Purchase,
  response: Response,
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
): Response => {
  const { buyer, payment } = purchase
  const tap = createTap()
  const reader = source.getReader()
  let listening = true
  let ending: Promise<ReceiptRejected | undefined> | undefined

  const conclude = async (ended: boolean): Promise<ReceiptRejected | undefined> => {
    const shown = readTold(tap.receipt())
    const told = await complete(purchase, shown, ended ? 2 : 5)
    // What was cut off here is not what the router hashed.
    const whole = ended && (shown !== undefined || tap.done())
    const signs = told?.receipt !== undefined || payment.offer.signer !== undefined
    if (!signs && !payment.lease && buyer.rules.receipt !== 'require') return undefined
    const checked = await record(purchase, told, whole ? tap.digest() : undefined)
    return checked.ok || buyer.rules.receipt === 'report'
      ? undefined
      : barred(purchase, new ReceiptRejected(checked))
  }
  /** Reads what is left behind the last event, not for long, and judges the receipt; once, whoever asks first. */
  const end = (give: (chunk: Uint8Array<ArrayBuffer>) => void): Promise<ReceiptRejected | undefined> => {
    ending ??= readTail(reader, purchase, (chunk) => {
      tap.see(chunk)
      give(chunk)
    }).then(() => conclude(true))
    return ending
  }
  const left = (): void => {
    listening = false
    ending ??= conclude(false).catch(() => undefined)
  }

  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: async (controller) => {
        const next = await reader.read().catch((error) => {
          left()
          throw error
        })
        if (!listening) return
        if (!next.done) {
          tap.see(next.value)
          controller.enqueue(next.value)
          if (!tap.done()) return
        }
        const rejected = await end((chunk) => listening && controller.enqueue(chunk))
        if (!listening) return
        if (rejected) controller.error(rejected)
        else controller.close()
      },
      cancel: async (reason) => {
        listening = false
        if (tap.done()) await end(() => {})
        else {
          left()
          await reader.cancel(reason)
        }
      },
    },
    { highWaterMark: 0 },
  )
  return withBody(response, body)
}

const readTail = async (
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  { buyer }: Purchase,
  see: (chunk: Uint8Array<ArrayBuffer>) => void,
): Promise<void> => {
  const enough = new AbortController()
  const late = buyer.clock.sleep(TAIL_MS, enough.signal).then(() => undefined)
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late])
      if (!next || next.done) break
      see(next.value)
    }
  } catch {
    // A stream that broke behind its last event has given its answer.
  } finally {
    enough.abort()
    await reader.cancel().catch(() => {})
  }
}

const barred = ({ buyer, request }: Purchase, error: ReceiptRejected): ReceiptRejected => {
  buyer.unresolved.bar(request.key, error)
  return error
}
