import { randomBytes } from 'node:crypto'
import type { LocalAccount } from 'viem'
import { post } from '../support/pay.ts'
import type { Upstream } from '../support/upstream.ts'
import { hello } from '../support/world.ts'
import { dispatches, type Entry, type Heard, type Told } from './oracle.ts'
import { type Signing, sign } from './ways.ts'

/** A call that somebody pays for: once signed, it is shown again and again, and never signed anew. */
export type Buying = { entry: Entry; account: LocalAccount; body: unknown; payment: Record<string, string> }

export type Order = {
  url: string
  way: Signing
  account: LocalAccount
  mode: Entry['mode']
  /** Charged in the channel so far, units. */
  charged?: bigint
  /** Unix seconds until which the payment is valid; as the offer says when left out. */
  end?: number
}

/** Asks a router for the price of a call that nobody else makes, and signs it. */
export const order = async ({ url, way, account, mode, charged = 0n, end }: Order): Promise<Buying> => {
  const mark = `mark-${randomBytes(8).toString('hex')}`
  const messages = [{ role: 'user', content: `Say hello. ${mark}` }]
  // Of an `exact` enough is left over to be paid out.
  const body = hello({ messages, stream: mode === 'sse', max_tokens: 300 })
  const chat = `${url}/v1/chat/completions`
  const { payment, amount } = await sign({
    way,
    account,
    chat,
    body,
    charged,
    ...(end !== undefined && { end }),
  })
  return { entry: { way, payer: account.address, mark, amount, mode, heard: [] }, account, body, payment }
}

/** Shows a payment, and notes what comes back; returns the id of its call when it is told. */
export const show = async (
  { seen }: Pick<Upstream, 'seen'>,
  url: string,
  { entry, body, payment }: Buying,
): Promise<string | undefined> => {
  const asked = dispatches(seen, entry.mark)
  let heard: Heard = { status: 0, whole: false, bytes: 0, asked }
  try {
    const answer = await post(`${url}/v1/chat/completions`, body, payment, AbortSignal.timeout(30_000))
    heard = { ...heard, status: answer.status }
    const id = answer.headers.get('x-farebox-call') ?? undefined
    let text = ''
    const decoder = new TextDecoder()
    try {
      for await (const part of answer.body!) {
        text += decoder.decode(part, { stream: true })
        heard = { ...heard, bytes: text.length }
      }
      heard = { ...heard, ...readAnswer(entry.mode, answer, text) }
    } finally {
      entry.heard.push(heard)
    }
    return id
  } catch {
    if (heard.status === 0) entry.heard.push(heard)
    return undefined
  }
}

const readAnswer = (mode: Entry['mode'], answer: Response, text: string): Partial<Heard> => {
  if (answer.status !== 200) return { code: (JSON.parse(text) as { error: { code: string } }).error.code }
  const comment = /^: PAYMENT-RESPONSE (\S+)/m.exec(text)?.[1]
  const receipt = mode === 'sse' ? comment : answer.headers.get('payment-response')
  const whole = mode === 'sse' ? text.includes('data: [DONE]') : true
  return { whole, ...(receipt && { charged: chargedIn(receipt) }) }
}

const chargedIn = (base64: string): bigint => {
  const told = JSON.parse(Buffer.from(base64, 'base64').toString()) as {
    extensions: { farebox: { receipt: { charged: string } } }
  }
  return BigInt(told.extensions.farebox.receipt.charged)
}

/** What a router tells of a call to who knows its id. */
export const toldOf = async (url: string, id: string): Promise<Told | undefined> => {
  if (!id.startsWith('call')) return undefined
  const answer = await fetch(`${url}/v1/calls/${id}`)
  if (answer.status !== 200) return undefined
  const told = (await answer.json()) as {
    charged: string | null
    refunded?: string
    settlement: string
    transaction: string | null
  }
  return {
    charged: BigInt(told.charged ?? '0'),
    refunded: BigInt(told.refunded ?? '0'),
    settlement: told.settlement,
    transaction: told.transaction,
  }
}
