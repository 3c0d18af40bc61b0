import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalAccount } from 'viem'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { hello } from '../support/world.ts'
import type { Shown, Told, Word } from './oracle.ts'
import { tagIn } from './upstream.ts'

/** A payment that is being shown: its transcript grows. */
export type Payment = Shown & {
  words: Word[]
  body: unknown
  headers: Record<string, string>
  /** The call's id, once it was told. */
  id?: string
}

export type Way = Shown['way']

export type Wish = { chat: string; account: LocalAccount; way: Way; stream: boolean; tag: string }

const ANSWER_MS = 30_000

/** Asks for the price of a call that nobody else makes, and signs it. Rejects when there is no price. */
export const order = async ({ chat, account, way, stream, tag }: Wish): Promise<Payment> => {
  const body = hello({ messages: [{ role: 'user', content: `Say hello. ${tag}` }], stream })
  const asked = await post(chat, body, {}, AbortSignal.timeout(ANSWER_MS))
  const offers = offersOf(asked)
  await asked.body?.cancel()
  const scheme = way === 'upto' ? 'upto' : 'exact'
  const offer = offerOf(offers, scheme, { method: way === 'exact-3009' ? 'eip3009' : 'permit2' })
  const signed = way === 'exact-3009' ? await signOffer(account, offer) : await signPermit2(account, offer)
  const { payload } = signed
  return {
    tag,
    payer: account.address.toLowerCase(),
    way,
    ...('authorization' in payload && { nonce: payload.authorization.nonce.toLowerCase() }),
    signed: BigInt(offer.amount),
    stream,
    words: [],
    body,
    headers: { 'payment-signature': header(signed) },
  }
}

/** Shows a payment once and notes what comes back. */
export const show = async (chat: string, payment: Payment): Promise<Word> => {
  const word = await hear(chat, payment)
  payment.words.push(word)
  return word
}

const hear = async (chat: string, payment: Payment): Promise<Word> => {
  let word: Word = { at: Date.now(), status: 0, whole: false, bytes: 0 }
  try {
    const answer = await post(chat, payment.body, payment.headers, AbortSignal.timeout(ANSWER_MS))
    word = { ...word, status: answer.status }
    const id = answer.headers.get('x-farebox-call')
    if (id) payment.id = id
    const text = await answer.text()
    word.at = Date.now()
    if (answer.status !== 200) return { ...word, code: codeIn(text) }
    word.bytes = text.length
    // A stream may be cut and say so, after some of the answer.
    const whole = !payment.stream || (text.includes('data: [DONE]') && text.includes(': PAYMENT-RESPONSE '))
    const cut = /"code":"(stream_\w+)"/.exec(text)?.[1]
    return { ...word, whole, own: tagIn(text) === payment.tag, ...(cut !== undefined && { code: cut }) }
  } catch {
    // A stream that broke off before its end did begin.
    return { ...word, at: Date.now(), bytes: word.status === 200 ? 1 : 0 }
  }
}

const codeIn = (text: string): string => {
  try {
    return (JSON.parse(text) as { error: { code: string } }).error.code
  } catch {
    return 'unreadable'
  }
}

/** What an agent does next: it has its answer or its last word, it shows the same payment again, or it may sign afresh. */
export const nextStep = ({ status, code }: Word): 'end' | 'again' | 'afresh' => {
  if (status === 0 || status === 503 || status === 429 || status === 408) return 'again'
  if (status === 502 && code === 'balancer') return 'again'
  if (code === 'payment_in_flight') return 'again'
  // These say that nothing was charged, and that a new call needs a new quote.
  if (status === 402 || code === 'payment_released') return 'afresh'
  if (code === 'upstream_failed' || code === 'upstream_timeout') return 'afresh'
  return 'end'
}

export type Agent = Omit<Wish, 'tag'> & {
  /** How its calls are marked. */
  name: string
  /** Where its payments are written down, each as soon as it is signed. */
  shown: Payment[]
  /** When it gives up, ms. */
  until: number
}

const MOST_PAYMENTS = 4
const FIRST_WAIT_MS = 150
const LONGEST_WAIT_MS = 1_000

/**
 * Buys one answer as a well-behaved agent does: it shows the same payment again while nobody says what became of it, and
 * signs afresh only when it was told that nothing was charged.
 */
export const buy = async ({ name, shown, until, ...wish }: Agent): Promise<void> => {
  let wait = FIRST_WAIT_MS
  const pause = async () => {
    await sleep(wait)
    wait = Math.min(wait * 2, LONGEST_WAIT_MS)
  }
  for (let n = 0; n < MOST_PAYMENTS && Date.now() < until; ) {
    const payment = await order({ ...wish, tag: `tag-${name}-${n}` }).catch(() => undefined)
    if (!payment) {
      await pause()
      continue
    }
    n++
    shown.push(payment)
    let step = nextStep(await show(wish.chat, payment))
    while (step === 'again' && Date.now() < until) {
      await pause()
      step = nextStep(await show(wish.chat, payment))
    }
    if (step !== 'afresh') return
  }
}

/** Asks at any instance what became of a payment whose call is known. */
export const ask = async (url: string, payment: Payment): Promise<void> => {
  if (!payment.id?.startsWith('call')) return
  const answer = await fetch(`${url}/v1/calls/${payment.id}`)
  if (answer.status !== 200) return void (await answer.body?.cancel())
  const told = (await answer.json()) as Record<string, string | null>
  payment.told = {
    charged: BigInt(told['charged'] ?? 0),
    refunded: BigInt(told['refunded'] ?? 0),
    service: told['service'] ?? '',
    settlement: told['settlement'] ?? '',
  } satisfies Told
}

/** Does something for each of many, so many at once. */
export const each = async <T>(
  all: readonly T[],
  lanes: number,
  work: (one: T, i: number) => Promise<void>,
) => {
  let next = 0
  const lane = async () => {
    while (next < all.length) {
      const i = next++
      await work(all[i]!, i)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
