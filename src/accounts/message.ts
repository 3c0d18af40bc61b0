/** The message of a sign-in. Source: EIP-4361, and the x402 extension sign-in-with-x. */
import { z } from 'zod'
import type { Hex } from '../assets.ts'

// A line break in a field would let one message read as another.
const line = z
  .string()
  .max(1_000)
  .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')

/** What stands in the header, as its client signed it. */
export const signedMessage = z.object({
  domain: line,
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address'),
  statement: line,
  uri: line,
  version: z.literal('1'),
  chainId: z.string().regex(/^eip155:[1-9]\d{0,14}$/, 'must be a chain such as eip155:8453'),
  type: z.literal('eip191'),
  nonce: line,
  issuedAt: line,
  expirationTime: line,
  notBefore: z.undefined().optional(),
  requestId: z.undefined().optional(),
  resources: z.array(line).max(10).optional(),
  signature: z
    .string()
    .regex(/^0x[0-9a-fA-F]{130}$/, 'must be 65 bytes: only plain accounts can sign in')
    .transform((text) => text.toLowerCase() as Hex),
})

export type SignedMessage = z.output<typeof signedMessage>

/** The text that was signed. */
export const messageOf = (said: Omit<SignedMessage, 'signature' | 'type'>): string =>
  [
    `${said.domain} wants you to sign in with your Ethereum account:`,
    said.address,
    '',
    said.statement,
    '',
    `URI: ${said.uri}`,
    `Version: ${said.version}`,
    `Chain ID: ${said.chainId.slice('eip155:'.length)}`,
    `Nonce: ${said.nonce}`,
    `Issued At: ${said.issuedAt}`,
    `Expiration Time: ${said.expirationTime}`,
    ...(said.resources ? ['Resources:', ...said.resources.map((one) => `- ${one}`)] : []),
  ].join('\n')

const TEXT = { type: 'string' }

/** What a client may send back. */
export const CHALLENGE_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    domain: TEXT,
    address: TEXT,
    statement: TEXT,
    uri: { ...TEXT, format: 'uri' },
    version: TEXT,
    chainId: TEXT,
    type: TEXT,
    nonce: TEXT,
    issuedAt: { ...TEXT, format: 'date-time' },
    expirationTime: { ...TEXT, format: 'date-time' },
    resources: { type: 'array', items: { ...TEXT, format: 'uri' } },
    signature: TEXT,
  },
  required: [
    'domain',
    'address',
    'statement',
    'uri',
    'version',
    'chainId',
    'type',
    'nonce',
    'issuedAt',
    'expirationTime',
    'signature',
  ],
}
