import type { Context } from 'hono'
import { z } from 'zod'
import { fail } from '../errors.ts'
import type { Facilitator } from '../payment/facilitate.ts'
import type { Requirements } from '../payment/meets.ts'
import { address, uint } from '../wire/fields.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import { type Payment, readPayment } from '../wire/payment.ts'
import { readBody } from './body.ts'
import { createDoor } from './keys.ts'
import { json, type Resource } from './resources.ts'
import { type Env, leaving } from './send.ts'

/** What a resource server asks: a payment, and what it has to meet. Source: x402 v2, facilitator interface. */
export const facilitatorRequest = z.object({
  x402Version: z.literal(2),
  paymentPayload: z.looseObject({ x402Version: z.literal(2) }),
  paymentRequirements: z.looseObject({
    scheme: z.string().max(50),
    network: z.string().max(100),
    amount: uint(256),
    asset: address,
    payTo: address,
  }),
})

export type FacilitatorDoor = {
  facilitator: Facilitator
  /** Who may come in, by `Authorization: Bearer`; with none, callers on this machine only. */
  keys: readonly string[]
}

/** The facilitator API of x402, for other resource servers: off unless it is asked for. */
export const facilitatorResources = ({ facilitator, keys }: FacilitatorDoor): Resource[] => {
  const mayEnter = createDoor(keys)
  const enter = (c: Context<Env>): void => {
    if (!mayEnter(c)) throw fail('facilitator_forbidden')
  }
  const read = async (c: Context<Env>) => {
    const { paymentPayload, paymentRequirements } = await readBody(c, facilitatorRequest, LARGEST)
    const { scheme, network, amount, asset, payTo } = paymentRequirements
    const wanted: Requirements = { scheme, network, amount, asset, payTo }
    return { payment: toPayment(paymentPayload), wanted }
  }
  return [
    {
      method: 'get',
      path: '/supported',
      summary: 'What this facilitator settles: schemes, networks and its own addresses.',
      paid: false,
      answer: async (c) => {
        enter(c)
        return json(facilitator.supported())
      },
    },
    {
      method: 'post',
      path: '/verify',
      summary: 'Whether a payment would settle, without settling it.',
      paid: false,
      answer: async (c) => {
        enter(c)
        const { payment, wanted } = await read(c)
        return json(await facilitator.verify(payment, wanted))
      },
    },
    {
      method: 'post',
      path: '/settle',
      summary: 'Settles a payment and proves it; the same payment settles once, however often it is asked.',
      paid: false,
      answer: async (c) => {
        enter(c)
        const signal = leaving(c)
        const { payment, wanted } = await read(c)
        return json(await facilitator.settle(payment, wanted, signal))
      },
    },
  ]
}

const LARGEST = 64 << 10

// One reader for all payments: what is not canonical in a header is not canonical here.
const toPayment = (payload: object): Payment => {
  const payment = readPayment(encodeHeaderJson(payload), undefined)
  if (!payment) throw fail('payment_malformed', { problem: 'there is none' })
  return payment
}
