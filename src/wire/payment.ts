/** x402 as it crosses the wire: v2 in headers, the v1 body for older clients. Source: x402 specification v2 §5, v1. */
import { z } from 'zod'
import { fail } from '../errors.ts'
import { type ChannelPayment, channelPayload } from './channel-payload.ts'
import { decodeHeaderJson } from './json.ts'
import { type Authorization, eip3009Payload, exactPayload, uptoPayload } from './payload.ts'
import { type Added, payloadExtensions } from './payload-extensions.ts'

export type { ChannelPayment, Deposit, Voucher } from './channel-payload.ts'
export { isPlainSignature } from './fields.ts'
export type { Authorization, Kind } from './payload.ts'
export type { Sponsored } from './payload-extensions.ts'
export type {
  ChannelState,
  PaymentRequired,
  Requirement,
  RequirementExtra,
  RequirementV1,
  SettleResponse,
  VoucherState,
} from './requirement.ts'

export const HEADER = {
  required: 'PAYMENT-REQUIRED',
  signature: 'PAYMENT-SIGNATURE',
  response: 'PAYMENT-RESPONSE',
  v1Payment: 'X-PAYMENT',
  v1Response: 'X-PAYMENT-RESPONSE',
  call: 'X-Farebox-Call',
  payer: 'X-Farebox-Payer',
} as const

export type Payment = PaymentV2 | PaymentChannel | PaymentV1

/** The offer as the client echoes it: its words, not yet compared with anything. */
export type Accepted = {
  scheme: string
  network: string
  amount: string
  asset: string
  payTo: string
  quote: string | undefined
}

/** `exact` and `upto`: one signature, one payment. */
export type PaymentV2 = { version: 2; accepted: Accepted; authorization: Authorization } & Added

/** `batch-settlement`: many calls out of one deposit. */
export type PaymentChannel = { version: 2; accepted: Accepted; channel: ChannelPayment } & Added

/** v1 knows `exact` by EIP-3009 only. */
export type PaymentV1 = { version: 1; scheme: string; network: string; authorization: Authorization }

/** Reads the payment headers of a request: undefined when there are none; refuses two at once and anything not canonical. */
export const readPayment = (v2: string | undefined, v1: string | undefined): Payment | undefined => {
  if (v2 !== undefined && v1 !== undefined) throw fail('payment_headers_conflict')
  if (v2 !== undefined) return readV2(v2)
  if (v1 !== undefined) return readV1(v1)
  return undefined
}

const accepted = z
  .object({
    scheme: z.string(),
    network: z.string(),
    amount: z.string(),
    asset: z.string(),
    payTo: z.string(),
    extra: z.object({ quote: z.string().max(8192).optional() }).optional(),
  })
  .transform(({ extra, ...offer }): Accepted => ({ ...offer, quote: extra?.quote }))

const envelope = <T>(payload: z.ZodType<T>) =>
  z.object({ x402Version: z.literal(2), accepted, payload, extensions: payloadExtensions.nullish() })

const exactV2 = envelope(exactPayload)
const uptoV2 = envelope(uptoPayload)
const channelV2 = envelope(channelPayload)
const paymentV1 = z.object({
  x402Version: z.literal(1),
  scheme: z.string(),
  network: z.string(),
  payload: eip3009Payload,
})

const readV2 = (header: string): PaymentV2 | PaymentChannel => {
  const json = decode(header, 2)
  const scheme = (json as { accepted?: { scheme?: unknown } | null } | null)?.accepted?.scheme
  if (scheme === 'batch-settlement') {
    const { accepted, payload, extensions } = parse(json, channelV2)
    return { version: 2, accepted, channel: payload, ...extensions }
  }
  refuseOther(scheme, ['exact', 'upto'])
  const { accepted, payload, extensions } = parse(json, scheme === 'upto' ? uptoV2 : exactV2)
  return { version: 2, accepted, authorization: payload, ...extensions }
}

const readV1 = (header: string): PaymentV1 => {
  const json = decode(header, 1)
  refuseOther((json as { scheme?: unknown } | null)?.scheme, ['exact'])
  const { scheme, network, payload } = parse(json, paymentV1)
  return { version: 1, scheme, network, authorization: payload }
}

const decode = (header: string, version: number): unknown => {
  const json = decodeHeaderJson(header)
  if (json === undefined) throw fail('payment_malformed', { problem: 'it is not base64 of JSON' })
  const stated = (json as { x402Version?: unknown } | null)?.x402Version
  if (typeof stated === 'number' && stated !== version) throw fail('payment_version_unsupported')
  return json
}

// Another scheme has another payload: say "unsupported scheme", not "malformed".
const refuseOther = (scheme: unknown, known: readonly string[]): void => {
  if (typeof scheme === 'string' && !known.includes(scheme)) throw fail('payment_scheme_unsupported')
}

const parse = <T>(json: unknown, schema: z.ZodType<T>): T => {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw fail('payment_malformed', {
    problem: `${issue?.path.join('.') || 'payload'}: ${issue?.message ?? 'invalid'}`,
  })
}
