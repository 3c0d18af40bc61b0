import { z } from 'zod'
import { SIGN_IN_HEADER } from '../accounts/sign-in.ts'
import { NETWORK_HEADER, SIGN_HEADER } from '../call/declare.ts'
import { NAME_HEADER } from '../call/repeat.ts'
import { REFUSALS, type Refused } from '../errors.ts'
import { HEADER } from '../wire/payment.ts'
import { PAYMENT_INFO, SERVICE_INFO } from './discovery.ts'
import type { Resource } from './resources.ts'

/** The OpenAPI 3.1 document, from the table of resources, the zod schemas and the table of refusals. */
export const openApi = (resources: readonly Resource[], publicUrl: string): object => ({
  openapi: '3.1.0',
  info: {
    title: 'Farebox',
    version: '0.1.0',
    description:
      'Model calls sold one at a time: an OpenAI-compatible API that answers 402 with the price of exactly this request (x402).',
  },
  'x-service-info': SERVICE_INFO,
  servers: [{ url: publicUrl }],
  paths: pathsOf(resources),
  components: { schemas: { ...bodySchemas(resources), Error: errorSchema } },
})

/** A part of a path that has a name, and what it may be. */
const PARAMETER = /:(\w+)(?:\{[^}]*\})?/g

// A path may answer more than one method.
const pathsOf = (resources: readonly Resource[]): Record<string, object> => {
  const paths: Record<string, object> = {}
  for (const one of resources) {
    const path = one.path.replace(PARAMETER, '{$1}')
    paths[path] = { ...paths[path], [one.method]: operation(one) }
  }
  return paths
}

// zod puts a named schema under $defs, where a reference of this document does not lead.
const bodySchemas = (resources: readonly Resource[]): Record<string, unknown> =>
  Object.fromEntries(
    resources.flatMap(({ body }) => {
      if (!body) return []
      const { $defs } = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' })
      const { id: _id, ...schema } = $defs?.[schemaName(body)] ?? {}
      return [[schemaName(body), schema]]
    }),
  )

const schemaName = (body: z.ZodType): string => String(body.meta()?.id)

/** The same for agents that read prose: how to pay, every path, and every error with what to do next. */
export const llmsText = (resources: readonly Resource[], publicUrl: string): string => `# Farebox

> Sells model calls one at a time. POST an OpenAI chat completion, response or embeddings request, or an Anthropic message; the answer is 402 with the price of exactly that request; pay it in USDC with x402 and get the answer.

## How to buy a call

1. POST ${publicUrl}/v1/chat/completions with an OpenAI body, or to any other path below that is marked as paid. The answer is 402. Its header PAYMENT-REQUIRED (base64 JSON, x402 v2) holds offers in \`accepts\`; its body says the same in words.
2. Choose an offer. Sign its EIP-3009 TransferWithAuthorization: domain { name, version } from \`extra\`, the chain of \`network\`, the contract \`asset\`; message { from: you, to: payTo, value: amount, validAfter: in the past, validBefore: now + maxTimeoutSeconds, nonce: 32 random bytes }.
3. Send exactly the same request again with PAYMENT-SIGNATURE: base64 JSON of { x402Version: 2, accepted: the offer unchanged, payload: { signature, authorization } }. Any x402 client does steps 2 and 3.
4. The receipt is in PAYMENT-RESPONSE, or for a stream in the comment behind its last event. What you did not use is your credit: name yourself in X-Farebox-Payer and the next price is lower.

Name your call in Idempotency-Key (or in the payment-identifier extension) before you pay: if the answer does not reach you, send the same request under the same name, with X-Farebox-Payer and without a payment. It is never charged again, and the charge of an answer that was lost is your credit. Your credit is at ${publicUrl}/v1/account, and POST ${publicUrl}/v1/account/payout pays it out.

Never sign twice for one call: GET ${publicUrl}/v1/calls/{id} (the X-Farebox-Call header) says how it stands.

## Paths

${resources.map((one) => `- ${one.method.toUpperCase()} ${one.path.replace(PARAMETER, ':$1')}${one.paid ? ' (paid)' : ''}: ${one.summary}`).join('\n')}

## Errors

${Object.entries(REFUSALS)
  .map(([code, row]) => `### ${code}\n\n${row.status}. ${row.title} ${row.hint}`)
  .join('\n\n')}
`

const operation = (one: Resource) => ({
  summary: one.summary,
  operationId: `${one.method}${one.path.replace(/[^a-zA-Z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
  parameters: [
    ...(one.path.includes(':id')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }]
      : []),
    ...(one.query ?? []).map(queryParameter),
    ...(one.paid ? paidHeaders : []),
    ...(one.signed ? [signInHeader] : []),
    ...(one.body && !one.signed
      ? [headerParameter(HEADER.payer, 'Your address: the price is lower by your credit.')]
      : []),
  ],
  ...(one.paid && { 'x-payment-info': PAYMENT_INFO }),
  ...(one.body && {
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName(one.body)}` } } },
    },
  }),
  responses: {
    ...(one.signed && one.body
      ? { 202: { description: 'Ordered; its status URL says when it arrived.' } }
      : { 200: { description: one.paid ? 'The answer; the receipt is in PAYMENT-RESPONSE.' : 'OK' } }),
    ...Object.fromEntries(
      [...statusesOf(one), ...(one.counts === 'free' ? [] : TOO_MUCH)].map((status) => [
        status,
        refusalResponse(status),
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(one.answers ?? {}).map(([status, schema]) => [status, formResponse(schema)]),
    ),
  },
})

const headerParameter = (name: string, description: string) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string' },
})

const queryParameter = ({ name, description, values }: NonNullable<Resource['query']>[number]) => ({
  name,
  in: 'query',
  required: false,
  description,
  schema: { type: 'string', ...(values ? { enum: values } : {}) },
})

const paidHeaders = [
  headerParameter(
    HEADER.signature,
    'An x402 v2 payment payload, base64 JSON. Without it the answer is 402 with offers in PAYMENT-REQUIRED.',
  ),
  headerParameter(HEADER.v1Payment, 'The same for x402 v1 clients; never both.'),
  headerParameter(
    NAME_HEADER,
    'Your name for this call: the same name never pays twice. The payment may carry it instead.',
  ),
  headerParameter(NETWORK_HEADER, 'Offers of this network only, such as eip155:8453.'),
  headerParameter(
    SIGN_HEADER,
    'The word offers: each offer of the 402 signed, as the offer-receipt extension says.',
  ),
]

const signInHeader = headerParameter(
  SIGN_IN_HEADER,
  'A signed message of EIP-4361, base64 JSON. Without it the answer is 401 with the message to sign.',
)

const FACILITATOR = new Set(['/supported', '/verify', '/settle'])

// What any request can run into that is counted: too slow, too many.
const TOO_MUCH = [408, 429]

// Which statuses an operation can refuse with; the codes behind them are listed once, by status.
const statusesOf = ({ paid, body, path, signed, session }: Resource): number[] => {
  if (FACILITATOR.has(path)) return [400, 403, 413, 415, 500, 503]
  if (session) return [401, 429, 500, 503]
  if (signed) return body ? [400, 401, 409, 413, 415, 500, 503] : [401, 500, 503]
  if (paid) return [202, 400, 401, 402, 403, 404, 409, 413, 415, 500, 502, 503, 504]
  if (body) return [400, 401, 403, 404, 413, 415, 500, 503]
  return path.includes(':id') ? [404, 500, 503] : [500]
}

const formResponse = (form: z.ZodType) => {
  const { $schema: _schema, ...schema } = z.toJSONSchema(form)
  return { description: 'In this form.', content: { 'application/json': { schema } } }
}

const refusalResponse = (status: number) => ({
  description: Object.entries(REFUSALS as Record<string, Refused>)
    .filter(([, row]) => row.status === status)
    .map(([code, row]) => `${code}: ${row.title}`)
    .join(' | '),
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
})

const errorSchema = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code', 'param', 'hint', 'docs'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        code: { type: 'string', enum: Object.keys(REFUSALS) },
        param: { type: ['string', 'null'] },
        hint: { type: 'string' },
        docs: { type: 'string' },
      },
    },
  },
}
