/** What a 402 declares under `extensions`: `info` says what is on offer, `schema` what a client may add. A client echoes all of it in its header, so they stay short. Source: the packages of x402, extensions. */

/** One entry of `PaymentRequired.extensions`. */
export type Declaration = { info: Record<string, unknown>; schema: Record<string, unknown> }

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'
const ADDRESS = { type: 'string', pattern: '^0x[a-fA-F0-9]{40}$' }
const NUMBER = { type: 'string', pattern: '^[0-9]+$' }
const HEX = { type: 'string', pattern: '^0x[a-fA-F0-9]+$' }
const VERSION = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)*$' }
const ALLOWANCE = { from: ADDRESS, asset: ADDRESS, spender: ADDRESS, amount: NUMBER }

const demanding = (properties: Record<string, unknown>) => ({
  $schema: DRAFT,
  type: 'object',
  properties,
  required: Object.keys(properties),
})

/** We submit a payer's EIP-2612 permit for Permit2 together with the payment and pay its gas. */
export const EIP2612_GAS_SPONSORING: { eip2612GasSponsoring: Declaration } = {
  eip2612GasSponsoring: {
    info: { description: 'Sign an EIP-2612 permit for Permit2; it is submitted for you.', version: '1' },
    schema: demanding({ ...ALLOWANCE, nonce: NUMBER, deadline: NUMBER, signature: HEX, version: VERSION }),
  },
}

/** We broadcast a payer's signed approve(Permit2) transaction and send the gas for it. */
export const ERC20_APPROVAL_GAS_SPONSORING: { erc20ApprovalGasSponsoring: Declaration } = {
  erc20ApprovalGasSponsoring: {
    info: {
      description: 'Sign a transaction that approves Permit2; it is funded and broadcast for you.',
      version: '1',
    },
    schema: demanding({ ...ALLOWANCE, signedTransaction: HEX, version: VERSION }),
  },
}

/** A payer may name its payment, so that the same name finds the same call again; never demanded. */
export const PAYMENT_IDENTIFIER: { 'payment-identifier': Declaration } = {
  'payment-identifier': {
    info: { required: false },
    schema: {
      $schema: DRAFT,
      type: 'object',
      properties: {
        required: { type: 'boolean' },
        id: { type: 'string', minLength: 16, maxLength: 128, pattern: '^[a-zA-Z0-9_-]+$' },
      },
      required: ['required'],
    },
  },
}

/** Tells catalogues of paid resources how to call this one: a POST of JSON, with an example of what goes in and comes out. */
export const bazaar = (post: {
  body: Record<string, unknown>
  bodySchema: Record<string, unknown>
  answer?: unknown
}): { bazaar: Declaration } => ({
  bazaar: {
    info: {
      input: { type: 'http', method: 'POST', bodyType: 'json', body: post.body },
      ...(post.answer !== undefined && { output: { type: 'json', example: post.answer } }),
    },
    schema: {
      $schema: DRAFT,
      type: 'object',
      properties: {
        input: bazaarInput(post.bodySchema),
        ...(post.answer !== undefined && { output: BAZAAR_OUTPUT }),
      },
      required: ['input'],
    },
  },
})

const bazaarInput = (bodySchema: Record<string, unknown>) => ({
  type: 'object',
  properties: {
    type: { type: 'string', const: 'http' },
    method: { type: 'string', enum: ['POST'] },
    bodyType: { type: 'string', enum: ['json', 'form-data', 'text'] },
    body: bodySchema,
  },
  required: ['type', 'method', 'bodyType', 'body'],
  additionalProperties: false,
})

const BAZAAR_OUTPUT = {
  type: 'object',
  properties: { type: { type: 'string' }, example: { type: 'object' } },
  required: ['type'],
}
