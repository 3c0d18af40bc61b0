/** x402 as it crosses the wire: v2 in headers, the v1 body for older clients. Source: x402 specification v2 §5, v1. */
import { z } from 'zod'
import type { ChainId, Hex } from '../assets.ts'
import { fail } from '../errors.ts'
import { parseAmount } from '../money.ts'
import { decodeHeaderJson } from './json.ts'

export const HEADER = {
  required: 'PAYMENT-REQUIRED',
  signature: 'PAYMENT-SIGNATURE',
  response: 'PAYMENT-RESPONSE',
  v1Payment: 'X-PAYMENT',
  v1Response: 'X-PAYMENT-RESPONSE',
  call: 'X-Farebox-Call',
  payer: 'X-Farebox-Payer',
} as const

/** One offer of a 402 (`accepts[]`), v2. `amount` is in token units. */
export type Requirement = {
  scheme: 'exact'
  network: ChainId
  amount: string
  asset: Hex
  payTo: Hex
  maxTimeoutSeconds: number
  extra: { name: string; version: string; quote: string; signer: Hex }
}

export type PaymentRequired = {
  x402Version: 2
  error: string
  resource: { url: string; description: string; mimeType: string }
  accepts: Requirement[]
}

/** One offer for a v1 client. */
export type RequirementV1 = {
  scheme: 'exact'
  network: string
  maxAmountRequired: string
  resource: string
  description: string
  mimeType: string
  payTo: Hex
  maxTimeoutSeconds: number
  asset: Hex
  extra: { name: string; version: string }
}

/** What `PAYMENT-RESPONSE` says after a paid call; `amount` is what moves on the chain, the receipt says what was charged. */
export type SettleResponse<Receipt> = {
  success: boolean
  transaction: string
  network: string
  payer: Hex
  amount: string
  errorReason?: string
  extensions: { farebox: Receipt }
}

/** An EIP-3009 TransferWithAuthorization in canonical form: lower-case hex, low s, v 27 or 28, plain decimals. */
export type Authorization = {
  from: Hex
  to: Hex
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
  signature: Hex
}

export type Payment = PaymentV2 | PaymentV1
export type PaymentV2 = {
  version: 2
  accepted: {
    scheme: string
    network: string
    amount: string
    asset: string
    payTo: string
    quote: string | undefined
  }
  authorization: Authorization
}
export type PaymentV1 = { version: 1; scheme: string; network: string; authorization: Authorization }

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`), `must be 0x and ${bytes * 2} hex digits`)
    .transform((value) => value.toLowerCase() as Hex)
const amount = z.string().transform((value, ctx) => {
  const parsed = parseAmount(value)
  if (parsed !== undefined && parsed < 2n ** 256n) return parsed
  ctx.addIssue({ code: 'custom', message: 'must be a plain decimal below 2^256' })
  return z.NEVER
})

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
const signature = hex(65).superRefine((value, ctx) => {
  const s = BigInt(`0x${value.slice(66, 130)}`)
  if (s === 0n || s > HALF_ORDER) ctx.addIssue({ code: 'custom', message: 's must be in the lower half' })
  if (value.slice(130) !== '1b' && value.slice(130) !== '1c')
    ctx.addIssue({ code: 'custom', message: 'v must be 27 or 28' })
})

const payload = z.object({
  signature,
  authorization: z.object({
    from: hex(20),
    to: hex(20),
    value: amount,
    validAfter: amount,
    validBefore: amount,
    nonce: hex(32),
  }),
})
const paymentV2 = z.object({
  x402Version: z.literal(2),
  accepted: z.object({
    scheme: z.string(),
    network: z.string(),
    amount: z.string(),
    asset: z.string(),
    payTo: z.string(),
    extra: z.object({ quote: z.string().max(8192).optional() }).optional(),
  }),
  payload,
})
const paymentV1 = z.object({ x402Version: z.literal(1), scheme: z.string(), network: z.string(), payload })

/** Reads the payment headers of a request: undefined when there are none; refuses two at once and anything not canonical. */
export const readPayment = (v2: string | undefined, v1: string | undefined): Payment | undefined => {
  if (v2 !== undefined && v1 !== undefined) throw fail('payment_headers_conflict')
  if (v2 !== undefined) return readV2(v2)
  if (v1 !== undefined) return readV1(v1)
  return undefined
}

const readV2 = (header: string): PaymentV2 => {
  const { accepted, payload } = parse(header, paymentV2, 2)
  return {
    version: 2,
    accepted: { ...accepted, quote: accepted.extra?.quote },
    authorization: { ...payload.authorization, signature: payload.signature },
  }
}

const readV1 = (header: string): PaymentV1 => {
  const { scheme, network, payload } = parse(header, paymentV1, 1)
  return {
    version: 1,
    scheme,
    network,
    authorization: { ...payload.authorization, signature: payload.signature },
  }
}

const parse = <T>(header: string, schema: z.ZodType<T>, version: number): T => {
  const json = decodeHeaderJson(header)
  if (json === undefined) throw fail('payment_malformed', { problem: 'it is not base64 of JSON' })
  const stated = (json as { x402Version?: unknown } | null)?.x402Version
  if (typeof stated === 'number' && stated !== version) throw fail('payment_version_unsupported')
  // Another scheme has another payload: say "unsupported scheme", not "malformed".
  const scheme = schemeOf(json)
  if (typeof scheme === 'string' && scheme !== 'exact') throw fail('payment_scheme_unsupported')
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw fail('payment_malformed', {
    problem: `${issue?.path.join('.') || 'payload'}: ${issue?.message ?? 'invalid'}`,
  })
}

const schemeOf = (json: unknown): unknown => {
  const object = json as { scheme?: unknown; accepted?: { scheme?: unknown } } | null
  return object?.accepted?.scheme ?? object?.scheme
}
