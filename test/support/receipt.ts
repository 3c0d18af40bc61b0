import type { SettleResponse } from '../../src/wire/payment.ts'
import type { Receipt, SignedReceipt } from '../../src/wire/receipt.ts'

/** The receipt of a JSON answer. */
export const receiptOf = (response: Response): Receipt => {
  const header = response.headers.get('payment-response')
  if (!header) throw new Error(`no PAYMENT-RESPONSE in a ${response.status}`)
  return decode(header)
}

export type Streamed = {
  /** `data` of every event, in order. */
  data: string[]
  /** What the deltas say, together. */
  text: string
  /** From the comment at the end; undefined when there is none. */
  receipt: Receipt | undefined
}

/** Reads a stream to its end. */
export const streamed = async (response: Response): Promise<Streamed> => {
  const lines = (await response.text()).split('\n')
  const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6))
  const comment = lines.find((line) => line.startsWith(': PAYMENT-RESPONSE '))
  const text = data.map(contentOf).join('')
  return { data, text, receipt: comment === undefined ? undefined : decode(comment.split(' ')[2]!) }
}

const contentOf = (data: string): string => {
  if (data === '[DONE]') return ''
  const chunk = JSON.parse(data) as { choices?: { delta?: { content?: string } }[] }
  return (chunk.choices ?? []).map((choice) => choice.delta?.content ?? '').join('')
}

const decode = (base64: string): Receipt =>
  (JSON.parse(Buffer.from(base64, 'base64').toString()) as SettleResponse<SignedReceipt>).extensions.farebox
    .receipt
