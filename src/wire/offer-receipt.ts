/** Offers and receipts that anybody can check by their signature: the offer-receipt extension, in its EIP-712 form. Source: x402 extension offer-receipt, version 1. */
import type { Hex } from '../assets.ts'
import type { Declaration } from './extensions.ts'

/** What one entry of `accepts` promises, until `validUntil` in Unix seconds. */
export type OfferPayload = {
  version: 1
  resourceUrl: string
  scheme: string
  network: string
  asset: string
  payTo: string
  amount: string
  validUntil: number
}

/** That `payer` has paid and was served; `issuedAt` in Unix seconds, `transaction` empty where it is not to be told. */
export type ReceiptPayload = {
  version: 1
  network: string
  resourceUrl: string
  payer: string
  issuedAt: number
  transaction: string
}

export type SignedOffer = { format: 'eip712'; acceptIndex: number; payload: OfferPayload; signature: Hex }
export type SignedReceipt = { format: 'eip712'; payload: ReceiptPayload; signature: Hex }

/** The domains are the same on every chain: the chain id in them is 1 by definition, and no contract verifies. */
export const OFFER_DOMAIN = { name: 'x402 offer', version: '1', chainId: 1 } as const
export const RECEIPT_DOMAIN = { name: 'x402 receipt', version: '1', chainId: 1 } as const

export const OFFER_TYPES = {
  Offer: [
    { name: 'version', type: 'uint256' },
    { name: 'resourceUrl', type: 'string' },
    { name: 'scheme', type: 'string' },
    { name: 'network', type: 'string' },
    { name: 'asset', type: 'string' },
    { name: 'payTo', type: 'string' },
    { name: 'amount', type: 'string' },
    { name: 'validUntil', type: 'uint256' },
  ],
} as const

export const RECEIPT_TYPES = {
  Receipt: [
    { name: 'version', type: 'uint256' },
    { name: 'network', type: 'string' },
    { name: 'resourceUrl', type: 'string' },
    { name: 'payer', type: 'string' },
    { name: 'issuedAt', type: 'uint256' },
    { name: 'transaction', type: 'string' },
  ],
} as const

/** The message to sign for an offer, under `OFFER_DOMAIN` and `OFFER_TYPES`. */
export const offerMessage = (payload: OfferPayload) => ({
  ...payload,
  version: BigInt(payload.version),
  validUntil: BigInt(payload.validUntil),
})

/** The message to sign for a receipt, under `RECEIPT_DOMAIN` and `RECEIPT_TYPES`. */
export const receiptMessage = (payload: ReceiptPayload) => ({
  ...payload,
  version: BigInt(payload.version),
  issuedAt: BigInt(payload.issuedAt),
})

/** Goes into `PaymentRequired.extensions`; each offer names its entry of `accepts` by `acceptIndex`. */
export const offerExtension = (offers: readonly SignedOffer[]): { 'offer-receipt': Declaration } => ({
  'offer-receipt': { info: { offers }, schema: OFFER_SCHEMA },
})

/** The same without offers: says by which request header they are signed. A client that echoes it asks for the receipt. */
export const UNSIGNED_OFFERS = (ask: string): { 'offer-receipt': Declaration } => ({
  'offer-receipt': {
    info: { offers: [], ask },
    schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { offers: { type: 'array' }, ask: { type: 'string' } },
      required: ['offers'],
    },
  },
})

/** Goes into `SettleResponse.extensions`. */
export const receiptExtension = (receipt: SignedReceipt): { 'offer-receipt': Declaration } => ({
  'offer-receipt': { info: { receipt }, schema: RECEIPT_SCHEMA },
})

const TEXT = { type: 'string' }
const INTEGER = { type: 'integer' }

const signed = (payload: Record<string, unknown>, optional: string) => ({
  payload: {
    type: 'object',
    properties: payload,
    required: Object.keys(payload).filter((name) => name !== optional),
  },
  signature: TEXT,
})

const OFFER_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    offers: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          format: TEXT,
          acceptIndex: INTEGER,
          ...signed(
            {
              version: INTEGER,
              resourceUrl: TEXT,
              scheme: TEXT,
              network: TEXT,
              asset: TEXT,
              payTo: TEXT,
              amount: TEXT,
              validUntil: INTEGER,
            },
            'validUntil',
          ),
        },
        required: ['format', 'signature'],
      },
    },
  },
  required: ['offers'],
}

const RECEIPT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    receipt: {
      type: 'object',
      properties: {
        format: TEXT,
        ...signed(
          {
            version: INTEGER,
            network: TEXT,
            resourceUrl: TEXT,
            payer: TEXT,
            issuedAt: INTEGER,
            transaction: TEXT,
          },
          'transaction',
        ),
      },
      required: ['format', 'signature'],
    },
  },
  required: ['receipt'],
}
